// Whether hosts are heard: the changes of their rows that tell of it, and what is to be said of new
// nodes on hosts that are not. Pure but for one read.
#pragma once

#include <span>
#include <vector>

#include "control/lots/mutation.h"
#include "planner/books_plan.h"

namespace tallyman::control {

// A report of the host was taken: the row says so, with an event where it was silent.
void MarkHeard(Host& host, const planner::Cause& cause, ChangeSet& rows);
// Nothing came since `heard_at`, which is too long ago.
void MarkSilent(Host& host, Time heard_at, const planner::Cause& cause, ChangeSet& rows);

// FAILED_PRECONDITION HOST_RETIRED.
Status CheckNotRetired(const Host& host);

// HOST_SILENT for each host that is; one HOST_NEVER_HEARD for all that never were, unless no host
// ever was: then the fleet only keeps books. `placed` has a host for each new node.
Result<std::vector<planner::Warning>> WarnOfUnheard(std::span<const HostId> placed,
                                                    const store::Snapshot& snapshot,
                                                    store::ReadTx& tx);

}  // namespace tallyman::control
