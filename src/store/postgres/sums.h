// The sums over hosts' live nodes, and the newest balances of their ledgers.
#pragma once

#include "store/postgres/values.h"
#include "store/store.h"

namespace tallyman::store::postgres {

// The sum of a column as bigint; NULL where it needs more than 64 bits.
#define TALLYMAN_SUM(column)                                                             \
  "CASE WHEN coalesce(sum(" column                                                       \
  "), 0) BETWEEN -9223372036854775808 AND 9223372036854775807 THEN coalesce(sum(" column \
  "), 0)::bigint END"

// For a host h with its live nodes n: what TakeSum() reads.
#define TALLYMAN_SUM_COLUMNS \
  "h.id, count(n.id), " TALLYMAN_SUM("n.cpu_cores") ", " TALLYMAN_SUM("n.memory_bytes") \
      ", " TALLYMAN_SUM("n.disk_bytes") ", " TALLYMAN_SUM("n.held_cpu_cores") ", "      \
      TALLYMAN_SUM("n.held_memory_bytes") ", " TALLYMAN_SUM("n.held_disk_bytes")

// Both take the parameters that select a snapshot's hosts: $1 hosts, $2 nodes.
extern const char kHostSums[];
extern const char kLedgerBalances[];

// OUT_OF_RANGE RESOURCE_OVERFLOW when the sums need more than 64 bits.
Status TakeSum(PgRow row, HostId& host, HostSums& sums);
// Stores both results in the snapshot's hosts.
Status TakeSums(const PgResult& sums, const PgResult& balances, Snapshot& snapshot);

}  // namespace tallyman::store::postgres
