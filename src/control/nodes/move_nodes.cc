#include <fmt/core.h>

#include <set>

#include "control/nodes/node_writer.h"
#include "control/nodes/nodes.h"
#include "control/read_once.h"
#include "control/reads/resolve.h"

namespace tallyman::control {
namespace {

struct MoveTargets {
  std::vector<NodeId> nodes;
  Org org;
};

// Whether an older config, which its host still runs or may restore, has secrets: a transition that
// failed leaves it in place.
Result<bool> KeepsOlderSecrets(const NodeSnapshot& node, store::ReadTx& tx) {
  std::set<ConfigId> older;
  const auto add = [&](const std::optional<ConfigId>& id) {
    if (id && *id != node.node.config_id) older.insert(*id);
  };
  add(node.node.running_config_id);
  for (const Transition& transition : node.transitions) {
    add(transition.from_config_id);
    add(transition.to_config_id);
  }
  for (const ConfigId& id : older) {
    ASSIGN_OR_RETURN(const auto config, tx.FindConfig(id));
    if (config && config->HasSecrets()) return true;
  }
  return false;
}

Error HasSecrets(const NodeSnapshot& node, std::string_view what, std::string_view instead) {
  return FailedPrecondition("NODE_HAS_SECRETS",
                            fmt::format("node {} {} secrets of org {}, which another org must not "
                                        "get: {}, and move the node when its host has finished",
                                        node.node.name, what, node.org_name, instead))
      .About("node " + node.node.name);
}

Status CheckMovable(const NodeSnapshot& node, const Org& to, store::ReadTx& tx) {
  RETURN_IF_ERROR(planner::CheckChangeable(node));
  for (const Transition& transition : node.transitions) {
    if (!IsTransition(transition.kind) || !IsPending(transition.state)) continue;
    return Fail(
        FailedPrecondition("TRANSITION_OPEN",
                           fmt::format("node {} has an open {}: move it when its host has finished",
                                       node.node.name, ToText(transition.kind)))
            .About("node " + node.node.name)
            .With("command_id", transition.id.ToString()));
  }
  // Whoever may change the node could have it tell them.
  if (node.config && node.config->HasSecrets()) {
    return Fail(HasSecrets(
        node, "has",
        fmt::format("reset them with `tallyman node update {} --reset KEY`", node.node.name)));
  }
  ASSIGN_OR_RETURN(const bool keeps_older, KeepsOlderSecrets(node, tx));
  if (keeps_older) {
    return Fail(HasSecrets(
        node, "may still run an older config with",
        fmt::format("repeat what failed with `tallyman node upgrade {} --retry`", node.node.name)));
  }
  if (!IsVisibleTo(*node.image, to.id)) {
    return Fail(
        NotFound("IMAGE_NOT_FOUND", fmt::format("image {} of node {} is not visible to org {}",
                                                node.image->Reference(), node.node.name, to.name))
            .About("image " + node.image->Reference()));
  }
  return {};
}

Result<Decided<Changes>> DecideMove(const Authorized& by, const MoveTargets& targets,
                                    const store::Snapshot& snapshot, store::ReadTx& tx) {
  ASSIGN_OR_RETURN(auto nodes, FindNodes(snapshot, by.actor(), targets.nodes));
  NodeWriter writer(by);
  ASSIGN_OR_RETURN(planner::BooksPlan books, writer.BeginBooks(snapshot, nodes));
  for (const NodeSnapshot* node : nodes) {
    RETURN_IF_ERROR(CheckMovable(*node, targets.org, tx));
    writer.Update(*node).org_id = targets.org.id;
    NodeChange& change = writer.Show(*node, snapshot.hosts.at(node->node.host_id).host);
    change.from_org = node->org_name;
    change.org = targets.org.name;
    writer.AddEvent(EventKind::kNodeMoved, node->node,
                    Detail({{"from_org", node->org_name}, {"to_org", targets.org.name}}));
  }
  return writer.Finish(books);
}

}  // namespace

Result<Proposal<Changes>> MoveNodes(const Authorized& by, const MoveNodesRequest& request) {
  auto resolve = [&](store::ReadTx& tx) -> Result<MoveTargets> {
    MoveTargets found;
    ASSIGN_OR_RETURN(found.nodes, ResolveNodes(tx, by.actor(), request.nodes));
    ASSIGN_OR_RETURN(found.org, ResolveOrg(tx, by.actor(), request.org));
    return found;
  };
  ASSIGN_OR_RETURN(MoveTargets targets, ReadOnce(by.control(), resolve));
  ASSIGN_OR_RETURN(Proposal<Changes> proposal, ProposalFor(by, targets.nodes, request.plan));
  proposal.locks.orgs = {targets.org.id};
  proposal.locks.with_quotas = true;
  proposal.decide = [targets = std::move(targets)](
                        const Authorized& as, const store::Snapshot& snapshot, store::ReadTx& tx) {
    return DecideMove(as, targets, snapshot, tx);
  };
  return proposal;
}

}  // namespace tallyman::control
