// The ledger: append-only entries that explain the books.
//
// Invariants: per host, `seq` counts 1, 2, 3, ... without a gap; `balance` is the balance of the
// entry before plus `delta`; the newest balance equals the host's books.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/drift.h"

namespace tallyman {

enum class LedgerKind { kCreate, kUpgrade, kUpdate, kRelease, kRevert, kDriftCorrection };

template <>
struct EnumText<LedgerKind> {
  static constexpr std::array<std::string_view, 6> kWords = {
      "create", "upgrade", "update", "release", "revert", "drift_correction"};
};

struct LedgerEntry {
  HostId host_id;
  int64_t seq = 0;
  std::optional<NodeId> node_id;
  LedgerKind kind = LedgerKind::kCreate;
  Books delta;
  Books balance;
  std::vector<Drift> corrections;  // of a drift_correction: what was stored and what is true
  std::string request_id;          // the cause
  std::string actor_id;
  Time created_at;
};

}  // namespace tallyman
