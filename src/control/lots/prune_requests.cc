#include "control/lots/prune_requests.h"

#include <algorithm>

namespace tallyman {

Result<RequestPruner::Report> RequestPruner::Run(int pieces_max) {
  const Time now = clock_.Now();
  PruneQuery query;
  query.answers_before = now - retention_.answers;
  query.rows_before = now - std::max(retention_.answers, retention_.trail);
  if (answers_until_ == Time()) answers_until_ = query.answers_before - std::chrono::days(7);
  Report report;
  for (int piece = 0; piece < pieces_max && !report.done; ++piece) {
    query.answers_after = answers_until_;
    Pruned pruned;
    RETURN_IF_ERROR(store_.Write([&](WriteTx& tx) -> Status {
      ASSIGN_OR_RETURN(pruned, tx.PruneRequests(query));
      return {};
    }));
    answers_until_ = std::max(answers_until_, pruned.answers_until);
    report.answers += pruned.answers;
    report.rows += pruned.rows;
    report.done = pruned.done;
  }
  return report;
}

}  // namespace tallyman
