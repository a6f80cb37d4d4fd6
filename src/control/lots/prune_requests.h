// Forgetting old requests: background work, called from time to time by a timer.
#pragma once

#include <chrono>

#include "base/clock.h"
#include "control/lots/allowance.h"
#include "control/lots/replay.h"
#include "store/store.h"

namespace tallyman::control {

struct RequestRetention {
  // Answers go when no request id is answered with them any more.
  std::chrono::hours answers = kAnswersKept;
  // How long the audit trail goes back; at least as long as answers are kept.
  std::chrono::hours trail{400 * 24};
};

// Works in pieces, a short transaction each, so that it is never in the way; two servers may do it
// at once. Remembers how far it came; a new one begins a week before the first answer that has to
// go, which is behind whatever the server before it left over. Keeps to an Allowance. One thread at
// a time.
class RequestPruner {
 public:
  RequestPruner(store::Store& store, Clock& clock, RequestRetention retention)
      : store_(store), clock_(clock), retention_(retention) {}

  struct Report {
    int64_t answers = 0;
    int64_t rows = 0;
    bool done = false;  // false: call again soon
  };
  // At most `pieces_max` pieces.
  Result<Report> Run(int pieces_max = 100);

 private:
  Status Refill();

  store::Store& store_;
  Clock& clock_;
  RequestRetention retention_;
  Time answers_until_{};  // 0: not begun
  Allowance allowance_;
};

}  // namespace tallyman::control
