// What operations on rollouts share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control/operation.h"
#include "planner/rollout_plan.h"
#include "store/store.h"

namespace tallyman::control {

// NOT_FOUND ROLLOUT_NOT_FOUND, also for one of an org that the actor does not see.
Result<store::RolloutRow> ResolveRollout(store::ReadTx& tx, const Actor& actor,
                                         std::string_view name_or_id);
// What is known of it now. REQUIRES: it is there.
Result<RolloutView> ViewOfRollout(Control& control, store::ReadTx& tx, const RolloutId& id);
inline constexpr size_t kRolloutNodesMax = 20'000;

// What a plan of rollouts is made of. Errors of PlanConfig().
Result<planner::RolloutCandidate> CandidateOf(const NodeSnapshot& node, const Image& image,
                                              const planner::Policies& policies);
std::vector<planner::RolloutHost> HostsIn(const store::Snapshot& fleet);

// When a host must have been heard since, not to be silent.
Time SilentBefore(Control& control);

// The next version of the rollout as the row to write.
RolloutUpdate Updated(const Rollout& before, Rollout after);
// About the rollout as such.
Event RolloutEvent(const planner::Cause& cause, EventKind kind, const Rollout& rollout,
                   std::string_view details);

}  // namespace tallyman::control
