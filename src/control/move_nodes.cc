#include <fmt/core.h>

#include "control/authorize.h"
#include "control/node_writer.h"
#include "control/read_once.h"
#include "control/resolve.h"

namespace tallyman {
namespace {

struct Targets {
  std::vector<NodeId> nodes;
  Org org;
};

Status CheckMovable(const NodeSnapshot& node, const Org& to) {
  RETURN_IF_ERROR(CheckChangeable(node));
  for (const Transition& transition : node.transitions) {
    if (!IsTransition(transition.kind) || !IsPending(transition.state)) continue;
    return Fail(
        FailedPrecondition("TRANSITION_OPEN",
                           fmt::format("node {} has an open {}: move it when its host has finished",
                                       node.node.name, ToText(transition.kind)))
            .About("node " + node.node.name)
            .With("command_id", transition.id.ToString()));
  }
  if (!IsVisibleTo(*node.image, to.id)) {
    return Fail(
        NotFound("IMAGE_NOT_FOUND", fmt::format("image {} of node {} is not visible to org {}",
                                                node.image->Reference(), node.node.name, to.name))
            .About("image " + node.image->Reference()));
  }
  return {};
}

Result<NodeDecision> Decide(Control& control, const Call& call, const Targets& targets,
                            const Snapshot& snapshot) {
  ASSIGN_OR_RETURN(auto nodes, FindNodes(snapshot, call.actor, targets.nodes));
  NodeWriter writer(control, call);
  ASSIGN_OR_RETURN(BooksPlan books, BooksPlan::Begin(HostsOf(snapshot, nodes), nodes,
                                                     control.policies(), writer.cause()));
  for (const NodeSnapshot* node : nodes) {
    RETURN_IF_ERROR(CheckMovable(*node, targets.org));
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

void MoveNodes(Control& control, Call call, const MoveNodesRequest& request, Encode<Changes> encode,
               Done done) {
  if (Status status = Authorize(call); !status) return done(Fail(status.error()));
  if (Status status = control.Begin(call); !status) return done(Fail(status.error()));
  auto targets = ReadOnce<Targets>(control, [&](ReadTx& tx) -> Result<Targets> {
    Targets found;
    ASSIGN_OR_RETURN(found.nodes, ResolveNodes(tx, call.actor, request.nodes));
    ASSIGN_OR_RETURN(found.org, ResolveOrg(tx, call.actor, request.org));
    return found;
  });
  if (!targets) return done(Fail(targets.error()));
  LockSet locks;
  locks.nodes = targets->nodes;
  auto rows = static_cast<int64_t>(targets->nodes.size());
  DecideNodes decide = [&control, call, targets = *std::move(targets)](const Snapshot& snapshot,
                                                                       ReadTx&) {
    return Decide(control, call, targets, snapshot);
  };
  PlanOrApply(control, std::move(call), request.plan, std::move(locks), false, rows,
              std::move(decide), std::move(encode), std::move(done));
}

}  // namespace tallyman
