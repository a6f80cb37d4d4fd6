// When a call that failed is tried again, and after how long. Pure but for the randomness handed
// in.
#pragma once

#include <chrono>
#include <optional>

#include "base/random.h"

namespace tallyman {

struct RetryOptions {
  int attempts_max = 5;
  std::chrono::milliseconds wait_first{100};
  std::chrono::milliseconds wait_max{5000};
};

// The attempts of one call. Belongs to one thread.
class Retry {
 public:
  Retry(const RetryOptions& options, Random& random) : options_(options), random_(random) {}

  // How long to wait before the next attempt: half to the whole of a time that doubles with each
  // (so that many who failed together do not come back together), and never less than the server
  // asked for. nullopt: give up, because there were enough or the next would come too late.
  std::optional<std::chrono::milliseconds> NextWait(std::chrono::milliseconds left,
                                                    std::chrono::milliseconds asked_for);
  int attempts() const { return attempts_; }

 private:
  RetryOptions options_;
  Random& random_;
  int attempts_ = 1;
};

}  // namespace tallyman
