#include "control/lots/prune_records.h"

#include <algorithm>

namespace tallyman::control {

Status RecordPruner::Forget(store::ForgetQuery query, Allowance& allowance, int pieces_max,
                            Report& report) {
  for (int piece = 0; piece < pieces_max; ++piece) {
    query.limit = std::min(store::ForgetQuery().limit, allowance.left());
    if (query.limit < 1) return {};
    store::Forgotten forgotten;
    RETURN_IF_ERROR(store_.Write([&](store::WriteTx& tx) -> Status {
      ASSIGN_OR_RETURN(forgotten, tx.Forget(query));
      return {};
    }));
    report.events += forgotten.events;
    report.tokens += forgotten.tokens;
    allowance.Take(forgotten.events + forgotten.tokens);
    if (forgotten.done) return {};
  }
  report.done = false;
  return {};
}

Result<RecordPruner::Report> RecordPruner::Run(int pieces_max) {
  store::RecordCounts counts;
  RETURN_IF_ERROR(store_.Read([&](store::ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(counts, tx.CountRecords());
    return {};
  }));
  events_.Refill(clock_.SteadyNow(), counts.events);
  tokens_.Refill(clock_.SteadyNow(), counts.tokens);
  const Time now = clock_.Now();
  Report report{.done = true};
  if (retention_.events) {
    RETURN_IF_ERROR(
        Forget({.events_before = now - *retention_.events}, events_, pieces_max, report));
  }
  RETURN_IF_ERROR(Forget({.tokens_before = now - retention_.tokens}, tokens_, pieces_max, report));
  return report;
}

}  // namespace tallyman::control
