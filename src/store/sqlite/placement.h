// The hosts that a node may be placed on, best first.
//
// Both orders skip from one distinct value of the leading column to the next (a skip-scan), so the
// time depends on how many different values there are and not on how many hosts.
#pragma once

#include "sqlite/connection.h"
#include "store/store.h"

namespace tallyman::store::sqlite {

using tallyman::sqlite::SqliteConnection;

Result<std::vector<HostId>> FindCandidates(SqliteConnection& connection,
                                           const PlacementQuery& wanted);

}  // namespace tallyman::store::sqlite
