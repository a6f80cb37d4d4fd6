// What operations on rollouts share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control/nodes/node_writer.h"
#include "control/operation.h"
#include "planner/rollout_plan.h"
#include "planner/rollout_step.h"
#include "store/store.h"

namespace tallyman::control {

// NOT_FOUND ROLLOUT_NOT_FOUND, also for one of an org that the actor does not see.
Result<store::RolloutRow> ResolveRollout(store::ReadTx& tx, const Actor& actor,
                                         std::string_view name_or_id);
// What is known of it now. REQUIRES: it is there.
Result<RolloutView> ViewOfRollout(Control& control, store::ReadTx& tx, const RolloutId& id,
                                  bool with_judged = false);

// In one rollout.
inline constexpr size_t kRolloutNodesMax = 20'000;

// What a plan of rollouts is made of. Errors of PlanConfig().
Result<planner::RolloutCandidate> CandidateOf(const NodeSnapshot& node, const Image& image,
                                              const planner::Policies& policies);
// The hosts with what is free on each.
std::vector<planner::RolloutHost> HostsIn(const store::Snapshot& fleet);

// When a host must have been heard since, not to be silent.
Time SilentBefore(Control& control);

// FAILED_PRECONDITION ROLLOUT_ENDED, ROLLOUT_ABORTING.
Status CheckEffect(planner::RolloutEffect effect, const Rollout& rollout);

// No host has begun it.
bool IsOpen(const RolloutNodeFacts& facts);
// Adds what WithdrawOpen() needs: the nodes whose upgrades have not ended, and their configs.
Status LockInFlight(store::ReadTx& tx, const RolloutView& view, store::LockSet& locks);
// Takes back what is open: its nodes wait again, as `rows`. What hosts have begun they do not begin
// once more. Adds the names of both. ABORTED ROLLOUT_CHANGED for a node that is not in the
// snapshot.
Status WithdrawOpen(NodeWriter& writer, planner::BooksPlan& books, const store::Snapshot& snapshot,
                    const RolloutView& view, std::vector<std::string>& withdrawn,
                    std::vector<std::string>& begun, std::vector<RolloutNode>& rows);
// The books of all nodes that are locked.
Result<planner::BooksPlan> BeginBooksOfLocked(const NodeWriter& writer,
                                              const store::Snapshot& snapshot);

// The next version of the rollout as the row to write.
RolloutUpdate Updated(const Rollout& before, Rollout after);
// About the rollout as such.
Event RolloutEvent(const planner::Cause& cause, EventKind kind, const Rollout& rollout,
                   std::string_view details);

}  // namespace tallyman::control
