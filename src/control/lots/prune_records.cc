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
    report.commands += forgotten.commands;
    allowance.Take(forgotten.events + forgotten.tokens + forgotten.commands);
    if (forgotten.done) return {};
    // Those before are kept, and need not be looked at again.
    query.commands_after = forgotten.commands_until;
  }
  report.done = false;
  return {};
}

Status RecordPruner::Refill() {
  store::RecordCounts counts;
  int64_t commands = 0;
  RETURN_IF_ERROR(store_.Read([&](store::ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(counts, tx.CountRecords());
    if (retention_.history) {
      ASSIGN_OR_RETURN(commands, tx.CountEndedCommands());
    }
    return {};
  }));
  events_.Refill(clock_.SteadyNow(), counts.events);
  tokens_.Refill(clock_.SteadyNow(), counts.tokens);
  commands_.Refill(clock_.SteadyNow(), commands);
  return {};
}

Result<RecordPruner::Report> RecordPruner::Run(int pieces_max) {
  RETURN_IF_ERROR(Refill());
  const Time now = clock_.Now();
  Report report{.done = true};
  if (retention_.events) {
    RETURN_IF_ERROR(
        Forget({.events_before = now - *retention_.events}, events_, pieces_max, report));
  }
  RETURN_IF_ERROR(Forget({.tokens_before = now - retention_.tokens}, tokens_, pieces_max, report));
  if (retention_.history) {
    RETURN_IF_ERROR(
        Forget({.commands_before = now - *retention_.history}, commands_, pieces_max, report));
  }
  return report;
}

}  // namespace tallyman::control
