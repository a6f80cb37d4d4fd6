// Forgetting old events, ended tokens and what ended commands left: background work, called from
// time to time by a timer.
#pragma once

#include <chrono>
#include <optional>

#include "base/clock.h"
#include "control/lots/allowance.h"
#include "store/store.h"

namespace tallyman::control {

struct RecordRetention {
  std::optional<std::chrono::hours> events = {};  // empty: for ever
  // As long as the audit trail tells of what was done with them.
  std::chrono::hours tokens{400 * 24};
  // Payloads of ended commands, and configs that nodes do not have any more; empty: for ever.
  std::optional<std::chrono::hours> history = {};
};

// Works in pieces, a short transaction each; two servers may do it at once. Keeps to an Allowance
// for each kind. One thread at a time.
class RecordPruner {
 public:
  RecordPruner(store::Store& store, Clock& clock, RecordRetention retention)
      : store_(store), clock_(clock), retention_(retention) {}

  struct Report {
    int64_t events = 0;
    int64_t tokens = 0;
    int64_t commands = 0;
    bool done = false;  // false: call again soon
  };
  // At most `pieces_max` pieces of each kind.
  Result<Report> Run(int pieces_max = 100);

 private:
  Status Refill();
  // As far as `allowance` goes.
  Status Forget(store::ForgetQuery query, Allowance& allowance, int pieces_max, Report& report);

  store::Store& store_;
  Clock& clock_;
  RecordRetention retention_;
  Allowance events_;
  Allowance tokens_;
  Allowance commands_;
};

}  // namespace tallyman::control
