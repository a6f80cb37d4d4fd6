// The hosts that can take something, best first.
#pragma once

#include "store/postgres/transaction.h"

namespace tallyman {

// As they are now; nothing is locked.
Result<std::vector<HostId>> FindCandidates(PgTransaction& transaction,
                                           const PlacementQuery& wanted);

// Puts the candidates into the order of their locked rows and drops those that others filled in the
// meantime. False: some were dropped, so there may be better ones now.
bool SortByPlacement(const PlacementQuery& wanted, Snapshot& snapshot);

}  // namespace tallyman
