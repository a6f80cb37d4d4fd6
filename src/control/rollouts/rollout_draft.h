// A rollout before it is stored: its rows, and what the answer tells of its plan.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/operation.h"
#include "control/rollouts/rollouts.h"

namespace tallyman::control {

struct RolloutDraft {
  std::string name;
  std::string reverts;  // as of Rollout
  ImageId image_id;
  std::string image;
  std::vector<planner::RolloutCandidate> candidates;  // the plan points to them
  planner::RolloutPlan plan;
  std::vector<const NodeSnapshot*> nodes;  // at least one
  std::map<NodeId, ConfigId> back_to;      // of a revert
};

// REQUIRES: `fleet` has the nodes and their hosts.
Decided<ProposedRollout> ProposeRollout(const Authorized& by, const RolloutDraft& draft,
                                        const store::Snapshot& fleet);

}  // namespace tallyman::control
