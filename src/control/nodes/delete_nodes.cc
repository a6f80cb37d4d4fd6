// Deleting: the resources go back in the same transaction if nothing of the node was ever handed to
// its host, else when the host says that nothing runs.
#include <fmt/core.h>

#include "control/nodes/node_release.h"
#include "control/nodes/nodes.h"

namespace tallyman::control {
namespace {

Status CheckDeletable(const NodeSnapshot& node) {
  if (!node.node.IsBeingDeleted()) return {};
  return Fail(FailedPrecondition("NODE_BEING_DELETED",
                                 fmt::format("node {} is being deleted already", node.node.name))
                  .About("node " + node.node.name)
                  .With("node_id", node.node.id.ToString()));
}

Result<Decided<Changes>> DecideDelete(const Authorized& by, const std::vector<NodeId>& ids,
                                      const store::Snapshot& snapshot) {
  ASSIGN_OR_RETURN(auto nodes, FindNodes(snapshot, by.actor(), ids));
  NodeWriter writer(by);
  ASSIGN_OR_RETURN(planner::BooksPlan books, writer.BeginBooks(snapshot, nodes));
  for (const NodeSnapshot* node : nodes) {
    RETURN_IF_ERROR(CheckDeletable(*node));
    const Host& host = snapshot.hosts.at(node->node.host_id).host;
    if (!node->node.IsLive()) {
      Forget(writer, *node, host);
    } else if (node->node.handed_out) {
      ASSIGN_OR_RETURN(Withdrawal withdrawal, WithdrawUntaken(writer, books, *node));
      writer
          .Instruct(*node, host, CommandKind::kDelete, NextState::kDeleting,
                    EventKind::kNodeDeleting)
          .held = withdrawal.held;
      NodeChange& change = writer.last_change();
      change.to_image.clear();
      change.held = withdrawal.held;
      change.withdrawn = std::move(withdrawal.commands);
    } else {
      RETURN_IF_ERROR(Release(writer, books, *node, host));
    }
  }
  return writer.Finish(books);
}

}  // namespace

Result<Proposal<Changes>> DeleteNodes(const Authorized& by, const DeleteNodesRequest& request) {
  ASSIGN_OR_RETURN(auto ids, FindNodeIds(by, request.nodes));
  ASSIGN_OR_RETURN(Proposal<Changes> proposal, ProposalFor(by, ids, request.plan));
  proposal.decide = [ids = std::move(ids)](const Authorized& as, const store::Snapshot& snapshot,
                                           store::ReadTx&) {
    return DecideDelete(as, ids, snapshot);
  };
  return proposal;
}

}  // namespace tallyman::control
