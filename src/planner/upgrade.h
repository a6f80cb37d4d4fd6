// Decides an upgrade: the contract's clauses 4 to 8 for all nodes of one request, before anything
// is written for any of them. Pure.
#pragma once

#include <span>
#include <vector>

#include "planner/books_plan.h"
#include "planner/config.h"

namespace tallyman::planner {

// The planned state of one node. `config` has no id and no time yet.
struct NodePlan {
  const NodeSnapshot* before = nullptr;
  NodeConfig config;
  Resources charged_before;  // what the books charge now (the node row's fields, drift settled)
  Resources held_after;
  std::vector<CommandId> superseded;  // open commands that the new one replaces
};

struct UpgradePlan {
  std::vector<NodePlan> nodes;  // in the order of the request
  BooksPlan books;
};

// The config that a node would have on the image. Errors as of PlanUpgrade(), without those of
// BooksPlan.
Result<NodeConfig> PlanConfig(const NodeSnapshot& node, const Image& image,
                              const Policies& policies);

// REQUIRES: no node twice; `hosts` hold every node's host; `image` is visible to the caller.
// Errors: DATA_LOSS OLD_CONFIG_UNREADABLE, ALREADY_EXISTS UPGRADE_SAME_IMAGE, FAILED_PRECONDITION
// NODE_BEING_DELETED, NOT_FOUND IMAGE_NOT_FOUND (the node's org may not see it), and those of
// ResolveUpgrade and BooksPlan.
Result<UpgradePlan> PlanUpgrade(std::span<const NodeSnapshot* const> nodes,
                                std::span<const HostSnapshot* const> hosts, const Image& image,
                                const Policies& policies, const Cause& cause);

// The same for a new config of one node on its present image (kind update) or for a retry: the
// books' side of replacing its config.
Result<UpgradePlan> PlanConfigChange(const NodeSnapshot& node, const HostSnapshot& host,
                                     NodeConfig config, CommandKind kind, const Policies& policies,
                                     const Cause& cause);

// The config with which the node goes back to one that it had, on that one's image.
// FAILED_PRECONDITION CONFIG_FORGOTTEN; NOT_FOUND IMAGE_NOT_FOUND; errors of CheckTotal() and
// CheckChangeable().
Result<NodeConfig> PlanReturn(const NodeSnapshot& node, const NodeConfig& before,
                              const Image& image, const Policies& policies);

// PlanUpgrade() with a config for each node, as PlanConfig() or PlanReturn() gives it.
Result<UpgradePlan> PlanConfigs(std::span<const NodeSnapshot* const> nodes,
                                std::vector<NodeConfig> configs,
                                std::span<const HostSnapshot* const> hosts,
                                const Policies& policies, const Cause& cause);

// Checks that the node may be changed at all: it is live, not being deleted, and its config is
// readable.
Status CheckChangeable(const NodeSnapshot& node);

}  // namespace tallyman::planner
