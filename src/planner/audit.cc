#include "planner/audit.h"

namespace tallyman::planner {
namespace {

void AppendDifference(std::vector<Drift>& drifts, const Drift& common, std::string_view dimension,
                      int64_t stored, int64_t true_value) {
  if (stored == true_value) return;
  Drift& drift = drifts.emplace_back(common);
  drift.dimension = dimension;
  drift.stored = stored;
  drift.true_value = true_value;
}

}  // namespace

void AppendDifferences(std::vector<Drift>& drifts, const Drift& common, const Resources& stored,
                       const Resources& true_value) {
  for (Dimension d : kDimensions)
    AppendDifference(drifts, common, ToText(d), stored.get(d), true_value.get(d));
}

void AppendDifferences(std::vector<Drift>& drifts, const Drift& common, const Books& stored,
                       const Books& true_value) {
  AppendDifference(drifts, common, "node_count", stored.node_count, true_value.node_count);
  AppendDifferences(drifts, common, stored.allocated, true_value.allocated);
}

std::vector<Drift> CompareHost(const HostAudit& audit) {
  std::vector<Drift> drifts;
  Drift common;
  common.host_id = audit.host.id;
  common.host_name = audit.host.name;
  common.kind = DriftKind::kHostBooks;
  AppendDifferences(drifts, common, audit.host.books, audit.sums.books);
  common.kind = DriftKind::kHostHold;
  AppendDifferences(drifts, common, audit.host.held, audit.sums.held);
  common.kind = DriftKind::kLedger;
  AppendDifferences(drifts, common, audit.ledger_fold, audit.sums.books);
  if (drifts.empty() || drifts.back().kind != DriftKind::kLedger) {
    // The fold is right; the stored balances, which people read, must be right too.
    AppendDifferences(drifts, common, audit.ledger_balance, audit.sums.books);
  }
  AppendDifference(drifts, common, kLedgerSequence, audit.host.ledger_seq, audit.ledger_last_seq);
  AppendDifference(drifts, common, kLedgerBreaks, audit.ledger_breaks, 0);
  common.kind = DriftKind::kCordon;
  AppendDifference(drifts, common, kCordoned, audit.host.cordoned ? 1 : 0, audit.claimed ? 1 : 0);
  return drifts;
}

std::vector<Drift> CompareNode(const NodeAudit& audit) {
  std::vector<Drift> drifts;
  Drift common;
  common.host_id = audit.node.host_id;
  common.host_name = audit.host_name;
  common.node_id = audit.node.id;
  common.node_name = audit.node.name;
  common.kind = DriftKind::kNodeFields;
  // Without a config the true value is unknown; it is shown as zero.
  AppendDifferences(drifts, common, audit.node.resources, audit.config.value_or(Resources{}));
  common.kind = DriftKind::kNodeHold;
  AppendDifferences(drifts, common, audit.node.held, audit.hold);
  return drifts;
}

}  // namespace tallyman::planner
