// What the orgs that have a quota take, before and after a decision.
#pragma once

#include "control/lots/mutation.h"

namespace tallyman::control {

// What they take once `rows` are written, as orgs of `snapshot` with their quotas.
Result<std::unordered_map<OrgId, Books>> TakenAfter(const store::Snapshot& snapshot,
                                                    const ChangeSet& rows);

// RESOURCE_EXHAUSTED QUOTA_EXCEEDED: the rows let an org grow beyond its quota.
Status CheckQuotas(const store::Snapshot& snapshot, const ChangeSet& rows);

}  // namespace tallyman::control
