// What operations on upgrade policies share.
#pragma once

#include <string_view>

#include "control/rollouts/policies.h"

namespace tallyman::control {

// NOT_FOUND POLICY_NOT_FOUND, also for one of an org that the actor does not see.
Result<store::PolicyRow> ResolvePolicy(store::ReadTx& tx, const Actor& actor,
                                       std::string_view name_or_id);

// Whether it is looked at each node as its upgrade would: its config, and room on its host.
enum class Outlook { kInShort, kWhole };
// Of the policy, stored or not. DATA_LOSS POLICY_UNREADABLE.
Result<UpgradeOutlook> LookAhead(Control& control, store::ReadTx& tx, const store::PolicyRow& row,
                                 Outlook how);

// About the policy as such.
Event PolicyEvent(const planner::Cause& cause, EventKind kind, const UpgradePolicy& policy,
                  std::string_view details, std::string_view rollout = {});

}  // namespace tallyman::control
