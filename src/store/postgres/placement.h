// The hosts that can take a node, best first.
#pragma once

#include "store/postgres/transaction.h"

namespace tallyman::store::postgres {

// Reads without locks.
Result<std::vector<HostId>> FindCandidates(PgTransaction& transaction,
                                           const PlacementQuery& wanted);

// Sorts the candidates by their locked rows and drops those that other requests filled in the
// meantime. False: some were dropped, so there may be better ones now.
bool SortByPlacement(const PlacementQuery& wanted, Snapshot& snapshot);

}  // namespace tallyman::store::postgres
