// Compares what must agree: node fields with configs, holds with transitions, host books with the
// sums over nodes, the ledger with the books, cordons with claims. Pure.
#pragma once

#include <vector>

#include "model/audit.h"
#include "model/drift.h"

namespace tallyman::planner {

// Dimensions of the ledger itself: the number of its newest entry, and how many entries do not
// follow from the one before.
inline constexpr std::string_view kLedgerSequence = "ledger_seq";
inline constexpr std::string_view kLedgerBreaks = "ledger_breaks";
// That of a host's being cordoned: 1, or 0.
inline constexpr std::string_view kCordoned = "cordoned";

std::vector<Drift> CompareHost(const HostAudit& host);
std::vector<Drift> CompareNode(const NodeAudit& node);

// Appends a Drift for every dimension in which the two differ.
void AppendDifferences(std::vector<Drift>& drifts, const Drift& common, const Resources& stored,
                       const Resources& true_value);
void AppendDifferences(std::vector<Drift>& drifts, const Drift& common, const Books& stored,
                       const Books& true_value);

}  // namespace tallyman::planner
