// Sums over a host's live nodes, and the proof that the books equal them.
#pragma once

#include <span>

#include "model/snapshot.h"
#include "sqlite/connection.h"

namespace tallyman::store::sqlite {

using tallyman::sqlite::SqliteConnection;

// OUT_OF_RANGE RESOURCE_OVERFLOW when a sum is beyond 64 bits.
Result<HostSums> SumNodes(SqliteConnection& connection, const HostId& host);

// FAILED_PRECONDITION BOOKS_MISMATCH unless the counters and holds of every host equal the sums
// over its live nodes (contract, clause 13). The fact "hosts" counts those that differ; the other
// facts describe the first one.
Status ProveBooks(SqliteConnection& connection, std::span<const HostId> hosts);

}  // namespace tallyman::store::sqlite
