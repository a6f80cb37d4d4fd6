#include "planner/upgrade.h"

#include <fmt/core.h>

#include "planner/hold.h"

namespace tallyman::planner {
namespace {

// Adds to an error which node of a request it is about, and that node's host.
std::unexpected<Error> FailFor(const NodeSnapshot& node, Error error) {
  if (error.message.find("node " + node.node.name) == std::string::npos) {
    error.message = "node " + node.node.name + ": " + error.message;
  }
  if (error.resource.empty()) error.resource = "node " + node.node.name;
  return Fail(std::move(error)
                  .With("node_id", node.node.id.ToString())
                  .With("host_id", node.node.host_id.ToString()));
}

Status CheckVisible(const NodeSnapshot& node, const Image& image) {
  if (IsVisibleTo(image, node.node.org_id)) return {};
  return FailFor(node, NotFound("IMAGE_NOT_FOUND",
                                fmt::format("image {} is not visible to org {} of node {}",
                                            image.Reference(), node.org_name, node.node.name))
                           .About("image " + image.Reference())
                           .With("org", node.org_name));
}

Status CheckUpgradable(const NodeSnapshot& node, const Image& image) {
  RETURN_IF_ERROR(CheckChangeable(node));
  if (node.node.image_id == image.id) {
    return FailFor(
        node,
        AlreadyExists(
            "UPGRADE_SAME_IMAGE",
            fmt::format("node {} already has image {}: name another image, or leave the node out",
                        node.node.name, image.Reference()))
            .With("image", image.Reference()));
  }
  return CheckVisible(node, image);
}

// Plans the node, and moves its host's books from the old charge to the new one.
Result<NodePlan> Replace(const NodeSnapshot& node, NodeConfig config, CommandKind kind,
                         BooksPlan& books) {
  NodePlan plan{.before = &node, .config = std::move(config)};
  plan.charged_before = BooksPlan::ChargedBy(node);
  std::vector<Transition> staying;
  for (const Transition& transition : node.transitions) {
    // A newer command replaces one of its kind that no host has taken.
    if (transition.kind == kind && transition.state == CommandState::kOpen) {
      plan.superseded.push_back(transition.id);
    } else {
      staying.push_back(transition);
    }
  }
  plan.held_after = HoldFor(plan.config.resources, node.running, staying);
  LedgerKind entry = kind == CommandKind::kUpgrade ? LedgerKind::kUpgrade : LedgerKind::kUpdate;
  Status moved = books.Move({.host_id = node.node.host_id,
                             .node_id = node.node.id,
                             .kind = entry,
                             .before = {1, plan.charged_before},
                             .after = {1, plan.config.resources},
                             .held_before = node.node.held,
                             .held_after = plan.held_after});
  if (!moved) return FailFor(node, std::move(moved.error()));
  return plan;
}

}  // namespace

Status CheckChangeable(const NodeSnapshot& node) {
  if (!node.node.IsLive() || node.node.IsBeingDeleted()) {
    return FailFor(
        node, FailedPrecondition("NODE_BEING_DELETED",
                                 fmt::format("node {} is being deleted: create a new node instead",
                                             node.node.name)));
  }
  if (!node.config) return FailFor(node, node.config.error());
  return {};
}

Result<NodeConfig> PlanConfig(const NodeSnapshot& node, const Image& image,
                              const Policies& policies) {
  RETURN_IF_ERROR(CheckUpgradable(node, image));
  Result<NodeConfig> config = ResolveUpgrade(*node.image, *node.config, image, policies);
  if (!config) return FailFor(node, std::move(config.error()));
  return config;
}

Result<UpgradePlan> PlanUpgrade(std::span<const NodeSnapshot* const> nodes,
                                std::span<const HostSnapshot* const> hosts, const Image& image,
                                const Policies& policies, const Cause& cause) {
  std::vector<NodeConfig> configs;
  configs.reserve(nodes.size());
  for (const NodeSnapshot* node : nodes) {
    ASSIGN_OR_RETURN(NodeConfig config, PlanConfig(*node, image, policies));
    configs.push_back(std::move(config));
  }
  return PlanConfigs(nodes, std::move(configs), hosts, policies, cause);
}

Result<NodeConfig> PlanReturn(const NodeSnapshot& node, const NodeConfig& before,
                              const Image& image, const Policies& policies) {
  RETURN_IF_ERROR(CheckChangeable(node));
  if (before.forgotten) {
    return FailFor(
        node,
        FailedPrecondition("CONFIG_FORGOTTEN",
                           fmt::format("what node {} had before is too old to be remembered: "
                                       "upgrade it to image {} with the values that it is to have",
                                       node.node.name, image.Reference())));
  }
  RETURN_IF_ERROR(CheckVisible(node, image));
  if (Status fits = CheckTotal(image, before.resources, policies); !fits)
    return FailFor(node, std::move(fits.error()));
  NodeConfig config = before;
  config.id = {};
  config.created_at = {};
  return config;
}

Result<UpgradePlan> PlanConfigs(std::span<const NodeSnapshot* const> nodes,
                                std::vector<NodeConfig> configs,
                                std::span<const HostSnapshot* const> hosts,
                                const Policies& policies, const Cause& cause) {
  ASSIGN_OR_RETURN(BooksPlan books, BooksPlan::Begin(hosts, nodes, policies, cause));
  UpgradePlan plan{.books = std::move(books)};
  plan.nodes.reserve(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    ASSIGN_OR_RETURN(NodePlan node,
                     Replace(*nodes[i], std::move(configs[i]), CommandKind::kUpgrade, plan.books));
    plan.nodes.push_back(std::move(node));
  }
  RETURN_IF_ERROR(plan.books.CheckCapacity());
  return plan;
}

Result<UpgradePlan> PlanConfigChange(const NodeSnapshot& node, const HostSnapshot& host,
                                     NodeConfig config, CommandKind kind, const Policies& policies,
                                     const Cause& cause) {
  RETURN_IF_ERROR(CheckChangeable(node));
  const NodeSnapshot* nodes[] = {&node};
  const HostSnapshot* hosts[] = {&host};
  ASSIGN_OR_RETURN(BooksPlan books, BooksPlan::Begin(hosts, nodes, policies, cause));
  UpgradePlan plan{.books = std::move(books)};
  ASSIGN_OR_RETURN(NodePlan change, Replace(node, std::move(config), kind, plan.books));
  plan.nodes.push_back(std::move(change));
  RETURN_IF_ERROR(plan.books.CheckCapacity());
  return plan;
}

}  // namespace tallyman::planner
