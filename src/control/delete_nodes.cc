// Deleting: the resources go back in the same transaction if nothing of the node was ever handed to
// its host, else when the host says that nothing runs.
#include <fmt/core.h>

#include "control/authorize.h"
#include "control/node_release.h"
#include "control/read_once.h"
#include "control/resolve.h"

namespace tallyman {
namespace {

Status CheckDeletable(const NodeSnapshot& node) {
  if (!node.node.IsBeingDeleted()) return {};
  return Fail(FailedPrecondition("NODE_BEING_DELETED",
                                 fmt::format("node {} is being deleted already", node.node.name))
                  .About("node " + node.node.name)
                  .With("node_id", node.node.id.ToString()));
}

Result<NodeDecision> Decide(Control& control, const Call& call, const std::vector<NodeId>& ids,
                            const Snapshot& snapshot) {
  ASSIGN_OR_RETURN(auto nodes, FindNodes(snapshot, call.actor, ids));
  NodeWriter writer(control, call);
  ASSIGN_OR_RETURN(BooksPlan books, BooksPlan::Begin(HostsOf(snapshot, nodes), nodes,
                                                     control.policies(), writer.cause()));
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

void DeleteNodes(Control& control, Call call, const DeleteNodesRequest& request,
                 Encode<Changes> encode, Done done) {
  if (Status status = Authorize(call); !status) return done(Fail(status.error()));
  if (Status status = control.Begin(call); !status) return done(Fail(status.error()));
  auto ids = ReadOnce<std::vector<NodeId>>(
      control, [&](ReadTx& tx) { return ResolveNodes(tx, call.actor, request.nodes); });
  if (!ids) return done(Fail(ids.error()));
  LockSet locks;
  locks.nodes = *ids;
  auto rows = static_cast<int64_t>(ids->size());
  DecideNodes decide = [&control, call, ids = *std::move(ids)](const Snapshot& snapshot, ReadTx&) {
    return Decide(control, call, ids, snapshot);
  };
  PlanOrApply(control, std::move(call), request.plan, std::move(locks), false, rows,
              std::move(decide), std::move(encode), std::move(done));
}

}  // namespace tallyman
