// Decides whether and when to retry a failed call. Pure, except for the randomness it is given.
#pragma once

#include <chrono>
#include <functional>
#include <limits>
#include <optional>

#include "base/error.h"
#include "base/random.h"

namespace tallyman::client {

struct RetryOptions {
  int attempts_max = std::numeric_limits<int>::max();
  std::chrono::milliseconds wait_first{100};
  std::chrono::milliseconds wait_max{2000};
};

// A call that failed and is about to wait for its next attempt.
struct Waiting {
  const Error& error;  // of the last attempt
  std::chrono::milliseconds waited;
  std::chrono::milliseconds timeout;  // of all attempts together
};
using OnWait = std::function<void(const Waiting&)>;

// Whether a change that failed so may have been made: its answer did not come, or the database did
// not say.
bool OutcomeIsOpen(const Error& error);

// The attempts of one call. Belongs to one thread.
class Retry {
 public:
  Retry(const RetryOptions& options, Random& random) : options_(options), random_(random) {}

  // How long to wait before the next attempt: exponential backoff with jitter (half to the whole of
  // a time that doubles with each attempt up to a cap), and never less than the server asked for.
  // It leaves half of the time that is left to the attempts that follow, so that all of it is used.
  // nullopt: give up, because the time or the attempts are used up, or the server asked for more.
  std::optional<std::chrono::milliseconds> NextWait(std::chrono::milliseconds left,
                                                    std::chrono::milliseconds asked_for);
  int attempts() const { return attempts_; }

 private:
  RetryOptions options_;
  Random& random_;
  int attempts_ = 1;
};

}  // namespace tallyman::client
