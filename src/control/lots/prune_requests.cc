#include "control/lots/prune_requests.h"

#include <algorithm>

namespace tallyman::control {

Status RequestPruner::Refill() {
  int64_t count = 0;
  RETURN_IF_ERROR(store_.Read([&](store::ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(count, tx.CountRequests());
    return {};
  }));
  allowance_.Refill(clock_.SteadyNow(), count);
  return {};
}

Result<RequestPruner::Report> RequestPruner::Run(int pieces_max) {
  RETURN_IF_ERROR(Refill());
  const Time now = clock_.Now();
  store::PruneQuery query;
  query.answers_before = now - retention_.answers;
  query.rows_before = now - std::max(retention_.answers, retention_.trail);
  if (answers_until_ == Time()) answers_until_ = query.answers_before - std::chrono::days(7);
  Report report;
  for (int piece = 0; piece < pieces_max && !report.done; ++piece) {
    if (allowance_.left() < 1) {
      report.done = true;
      break;
    }
    query.limit = std::min(store::PruneQuery().limit, allowance_.left());
    query.answers_after = answers_until_;
    store::Pruned pruned;
    RETURN_IF_ERROR(store_.Write([&](store::WriteTx& tx) -> Status {
      ASSIGN_OR_RETURN(pruned, tx.PruneRequests(query));
      return {};
    }));
    answers_until_ = std::max(answers_until_, pruned.answers_until);
    report.answers += pruned.answers;
    report.rows += pruned.rows;
    report.done = pruned.done;
    allowance_.Take(std::max(pruned.answers, pruned.rows));
  }
  return report;
}

}  // namespace tallyman::control
