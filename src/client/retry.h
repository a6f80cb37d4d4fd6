// Decides whether and when to retry a failed call. Pure, except for the randomness it is given.
#pragma once

#include <chrono>
#include <optional>

#include "base/random.h"

namespace tallyman::client {

struct RetryOptions {
  int attempts_max = 5;
  std::chrono::milliseconds wait_first{100};
  std::chrono::milliseconds wait_max{5000};
};

// The attempts of one call. Belongs to one thread.
class Retry {
 public:
  Retry(const RetryOptions& options, Random& random) : options_(options), random_(random) {}

  // How long to wait before the next attempt: exponential backoff with jitter (half to the whole of
  // a time that doubles with each attempt), and never less than the server asked for. nullopt: give
  // up, because the attempts are used up or the next one would come too late.
  std::optional<std::chrono::milliseconds> NextWait(std::chrono::milliseconds left,
                                                    std::chrono::milliseconds asked_for);
  int attempts() const { return attempts_; }

 private:
  RetryOptions options_;
  Random& random_;
  int attempts_ = 1;
};

}  // namespace tallyman::client
