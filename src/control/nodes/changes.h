// What an operation on nodes did or, as a plan, would do: the answer that people and scripts see.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/drift.h"
#include "model/host.h"
#include "model/ids.h"
#include "planner/books_plan.h"
#include "planner/policy.h"

namespace tallyman::control {

struct NodeChange {
  NodeId node_id;
  std::string node;
  HostId host_id;
  std::string host;
  std::string org;
  std::string from_org;  // of a move
  std::string from_image;
  std::string to_image;
  Resources before;                     // charged before; zero for a new node
  Resources after;                      // charged afterwards; zero once released
  Resources held;                       // afterwards
  std::optional<CommandId> command_id;  // none in a plan
  std::vector<CommandId> withdrawn;
  std::optional<ConfigId> from_config;
  std::optional<ConfigId> to_config;  // none in a plan
  bool released = false;
};

struct Changes {
  std::vector<NodeChange> nodes;
  std::vector<planner::HostChange> hosts;
  std::vector<planner::Warning> warnings;
  std::string plan_token;  // of a plan, and of what was applied by one; else empty
  bool applied = false;
  int64_t same_image_count = 0;  // left out by a selector
  int64_t deleting_count = 0;
  bool same_config = false;  // an update to what was there, secrets included

  // SHA-256 of the plan as shown: the nodes, what each becomes, the hosts with books before and
  // after, the warnings. Ids that are made when a plan is applied are no part of it.
  std::string PlanToken() const;
  void ForgetNewIds();
};

}  // namespace tallyman::control
