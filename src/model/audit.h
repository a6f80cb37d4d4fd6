// What an audit reads: sums that the store makes in one consistent read.
#pragma once

#include <optional>
#include <string>

#include "model/snapshot.h"

namespace tallyman {

// One host as an audit sees it.
struct HostAudit {
  Host host;
  bool claimed = false;  // what Host::cordoned should be
  HostSums sums;         // over its live nodes
  Books ledger_fold;     // the sum of all deltas
  Books ledger_balance;  // the newest entry's balance; zero when there is none
  int64_t ledger_entries = 0;
  int64_t ledger_last_seq = 0;
  // Entries since the last drift correction that do not follow from the one before: a gap in seq,
  // or a balance that is not the balance before plus the delta.
  int64_t ledger_breaks = 0;
};

// A node whose fields differ from its config's, or whose hold differs from what its transitions
// require.
struct NodeAudit {
  Node node;
  std::string host_name;
  std::optional<Resources> config;  // empty: the config is missing
  Resources hold;                   // what the hold should be beside `config`
};

struct AuditCounts {
  int64_t nodes = 0;  // live
  int64_t hosts = 0;
  int64_t ledger_entries = 0;
};

}  // namespace tallyman
