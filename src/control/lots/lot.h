// A lot: requests that are decided and committed together.
//
// Each request plans on what the ones before it left behind; one that is refused leaves nothing
// behind and does not disturb the others. Where the books turn out to be wrong the lot runs once
// more with the sums; where the database refuses the lot, each request is tried alone; where it is
// not known whether it committed, it runs again and finds the answers under its request ids.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/metrics.h"
#include "control/lots/mutation.h"
#include "store/store.h"

namespace tallyman::control {

// Thread-safe: keeps no state between lots. Owns none of its parts.
class LotRunner {
 public:
  // `patience`: how long a commit of unknown outcome is asked after. A failover takes seconds.
  LotRunner(store::Store& store, Clock& clock, Log& log, Metrics& metrics,
            const planner::Policies& policies, std::chrono::milliseconds patience)
      : store_(store),
        clock_(clock),
        log_(log),
        metrics_(metrics),
        policies_(policies),
        patience_(patience) {}

  // One answer per mutation, in order.
  // REQUIRES: no two mutations name the same node, are reports of the same host or carry the same
  // request key; every call has a request id.
  std::vector<Result<std::string>> Run(std::span<const Mutation* const> lot);

 private:
  struct Attempt;
  void RunOnce(Attempt& attempt);
  // A fault of this program ends one lot with an error, and never the server.
  Status GuardedBody(Attempt& attempt, store::WriteTx& tx);
  Status Body(Attempt& attempt, store::WriteTx& tx);
  void ReportFound(const store::Snapshot& snapshot, std::vector<Drift>& reported);
  void ReportDone(const Attempt& attempt);

  store::Store& store_;
  Clock& clock_;
  Log& log_;
  Metrics& metrics_;
  planner::Policies policies_;
  std::chrono::milliseconds patience_;
};

RequestKey KeyOf(const Call& call);

}  // namespace tallyman::control
