// Rollouts: upgrades of many nodes in waves, which stop when they hurt (docs/rollouts.md).
//
// What people ask for are the operations here; AdvanceRollouts(), which every server runs each
// second, does the rest. Both decide under the lock of the rollout's row, and upgrade nodes as
// UpgradeNodes() does.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/nodes/nodes.h"
#include "planner/rollout_plan.h"
#include "planner/rollout_step.h"

namespace tallyman::control {

struct CreateRolloutRequest {
  std::string name;
  UpgradeNodesRequest targets;  // its nodes or selector, and its image
  planner::RolloutRequest numbers;
  // Nodes leave the open rollout that they are in, but for those that hosts are at work on.
  bool take_over = false;
  PlanOptions plan;
};

// A wave of a plan.
struct PlannedWave {
  RolloutWave wave;
  int64_t hosts = 0;
  int64_t growing = 0;                   // nodes that need more than now, in some dimension
  int64_t shrinking = 0;                 // nodes that need less, and nowhere more
  std::vector<std::string> first_nodes;  // names of the first few
};

struct BlockedNode {
  std::string node;
  std::string host;
  std::string dimension;
  int64_t need = 0;
  int64_t free = 0;
};

struct ProposedRollout {
  Rollout rollout;
  std::string org;
  std::string image;
  int64_t node_count = 0;
  std::vector<PlannedWave> waves;
  std::vector<BlockedNode> blocked;
  int64_t same_image_count = 0;  // left out by a selector
  int64_t deleting_count = 0;
  int64_t taken_over_count = 0;
  // Nodes that stay with the rollout that is at work on them.
  std::vector<std::string> in_flight;
  // Of a revert: names of nodes left out, since they do not run any more what the rollout gave them
  // or what they had before is forgotten; and of those on which no host had begun.
  std::vector<std::string> changed;
  std::vector<std::string> withdrawn;
  std::string digest;  // of all nodes, their configs and their waves
  std::string plan_token;
  bool applied = false;

  std::string PlanToken() const;
  void ForgetNewIds();
};

// Errors beside those of UpgradeNodes(), which it gives for any node that could not be upgraded
// now: INVALID_ARGUMENT INVALID_ROLLOUT; FAILED_PRECONDITION ROLLOUT_OVERLAPS for a node that is in
// another open rollout, ROLLOUT_IN_FLIGHT where all to take over are in motion; ALREADY_EXISTS
// ROLLOUT_NAME_TAKEN; ABORTED ROLLOUT_CHANGED where one comes into another rollout meanwhile.
Result<Proposal<ProposedRollout>> CreateRollout(const Authorized& by,
                                                const CreateRolloutRequest& request);

struct ChangeRolloutRequest {
  std::string rollout;
  planner::RolloutWord word = planner::RolloutWord::kPause;
};

struct ChangedRollout {
  Rollout rollout;
  std::string org;
  std::string image;
  bool changed = false;                // false: it was so already
  std::vector<std::string> withdrawn;  // nodes whose hosts had not begun
  std::vector<std::string> begun;      // nodes whose hosts have: they end by themselves
};

// FAILED_PRECONDITION ROLLOUT_ENDED, ROLLOUT_ABORTING; ABORTED ROLLOUT_CHANGED where a step came in
// between; NOT_FOUND ROLLOUT_NOT_FOUND.
Result<Proposal<ChangedRollout>> ChangeRollout(const Authorized& by,
                                               const ChangeRolloutRequest& request);

struct RevertRolloutRequest {
  std::string rollout;
  std::string name;  // of the new one; empty: NAME-revert
  PlanOptions plan;
};

// Ends the rollout and makes another, of one wave and the same budgets, that gives each node which
// still runs what the rollout gave it the config that it had before. What no host has begun is
// withdrawn at once. Errors beside those of ChangeRollout(): FAILED_PRECONDITION REVERT_OF_REVERT,
// NOTHING_TO_REVERT, ROLLOUT_OVERLAPS; ALREADY_EXISTS ROLLOUT_NAME_TAKEN.
Result<Proposal<ProposedRollout>> RevertRollout(const Authorized& by,
                                                const RevertRolloutRequest& request);

struct RetryRolloutRequest {
  std::string rollout;
  std::vector<std::string> nodes;  // names or ids of its nodes; or all of these:
  bool failed = false;
  bool skipped = false;
};

struct RetriedRollout {
  Rollout rollout;
  std::string org;
  std::string image;
  std::vector<std::string> retried;
  // Nodes that cannot be tried again, and why.
  std::vector<std::pair<std::string, std::string>> left_out;
};

// Failed and skipped nodes wait again, each planned anew from the config that it has now. Errors
// beside those of ChangeRollout(): INVALID_ARGUMENT NOTHING_CHOSEN, NODE_NOT_IN_ROLLOUT;
// FAILED_PRECONDITION NOTHING_TO_RETRY.
Result<Proposal<RetriedRollout>> RetryRollout(const Authorized& by,
                                              const RetryRolloutRequest& request);

// One step of every open rollout.
Status AdvanceRollouts(Control& control);

}  // namespace tallyman::control
