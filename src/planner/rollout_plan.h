// Which nodes a rollout upgrades in which wave. Pure.
//
// Waves are filled in the order in which upgrades fit on each host (capacity_order.h), host by host
// in turn: nothing stands in an earlier wave than what has to make room for it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/rollout.h"
#include "model/snapshot.h"
#include "planner/policy.h"

namespace tallyman::planner {

// How far a rollout has come after a wave: so many nodes, or so many hundredths of them, rounded
// up.
struct RolloutStage {
  int64_t amount = 0;
  bool is_percent = false;
};

struct RolloutRequest {
  std::vector<RolloutStage> stages;  // rising; empty: 1, 10%, 100%
  // Each is empty for its default.
  std::optional<int64_t> max_in_flight;  // a tenth of the nodes, 1 to 500
  std::optional<int64_t> per_host;
  std::optional<std::chrono::microseconds> soak;
  std::optional<std::chrono::microseconds> begin_within;
  std::optional<std::chrono::microseconds> healthy_within;
  std::optional<std::chrono::microseconds> no_progress;
  std::optional<int64_t> max_failures;  // of each wave after the first; 1 % of it, rounded down
  std::vector<int64_t> pause_after;     // numbers of waves, from 1
};

// A node that is to be upgraded.
struct RolloutCandidate {
  NodeId node;
  std::string name;
  HostId host;
  ConfigId config;
  Resources before;
  Resources after;
  bool is_well = true;  // a node that is not says nothing of the new image
};

struct RolloutHost {
  HostId id;
  std::string name;
  Resources free;
};

struct PlannedNode {
  const RolloutCandidate* candidate = nullptr;
  int64_t wave = 0;
};

struct RolloutBlock {
  const RolloutCandidate* candidate = nullptr;
  std::string dimension;
  int64_t need = 0;
  int64_t free = 0;
};

struct RolloutPlan {
  RolloutSpec spec;
  std::vector<RolloutWave> waves;
  std::vector<PlannedNode> nodes;     // in the order in which they are released
  std::vector<RolloutBlock> blocked;  // are among the nodes: they wait until room is there
};

// What empty stages mean.
std::vector<RolloutStage> DefaultStages();

// REQUIRES: candidates are on these hosts, each once, and there is one at least.
// INVALID_ARGUMENT INVALID_ROLLOUT names the field and the value.
Result<RolloutPlan> PlanRollout(const RolloutRequest& request,
                                std::span<const RolloutCandidate> candidates,
                                std::span<const RolloutHost> hosts);

}  // namespace tallyman::planner
