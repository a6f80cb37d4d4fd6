// Forgetting old requests: background work, called from time to time by a timer.
#pragma once

#include <chrono>
#include <optional>

#include "base/clock.h"
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
// go, which is behind whatever the server before it left over. One thread at a time.
//
// Whatever the clock says, no more than one percent of the rows goes in an hour (what is not used
// adds up to five percent), so a clock that is set wrong leaves time to notice. A fleet at rest
// needs a quarter of a percent in a day.
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
  std::optional<SteadyTime> refilled_at_;
  double allowance_ = 0;  // rows that may go now
};

}  // namespace tallyman::control
