// A decision that changes a host's row.
#pragma once

#include "control/operation.h"
#include "planner/books_plan.h"

namespace tallyman::control {

// The host's row among those that the decision writes; added, as the plan leaves it, where it is
// not there yet. REQUIRES: the plan holds the host.
Host& ChangedHost(const planner::BooksPlan& books, const HostId& host, const planner::Cause& cause,
                  Writes& writes);

// The row of a host whose nodes stay as they are, to be changed. The proof before the commit looks
// at this host too, so its drift is settled, or refused, as anywhere. The pointer is good until
// another host is added to the writes.
Result<Host*> ChangeHost(const Authorized& by, const planner::Cause& cause,
                         const HostSnapshot& host, Writes& writes);

// ABORTED HOST_CHANGED: the host has nodes that were not looked up.
Error HostChanged(const Host& host);
// HostChanged() unless every live node of the host is in the snapshot.
Status CheckSameNodes(store::ReadTx& tx, const Host& host, const store::Snapshot& snapshot);

}  // namespace tallyman::control
