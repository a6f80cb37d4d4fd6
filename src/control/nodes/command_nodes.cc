#include "control/nodes/node_writer.h"
#include "control/nodes/nodes.h"

namespace tallyman::control {
namespace {

struct Instruction {
  NextState next;
  EventKind event;
};

Instruction InstructionFor(CommandKind kind) {
  if (kind == CommandKind::kStop) return {NextState::kStopping, EventKind::kNodeStopping};
  if (kind == CommandKind::kRestart) return {NextState::kRestarting, EventKind::kNodeRestarting};
  return {NextState::kStarting, EventKind::kNodeStarting};
}

Result<Decided<Changes>> DecideCommand(const Authorized& by, const std::vector<NodeId>& ids,
                                       CommandKind kind, const store::Snapshot& snapshot) {
  ASSIGN_OR_RETURN(auto nodes, FindNodes(snapshot, by.actor(), ids));
  NodeWriter writer(by);
  ASSIGN_OR_RETURN(planner::BooksPlan books, writer.BeginBooks(snapshot, nodes));
  Instruction instruction = InstructionFor(kind);
  for (const NodeSnapshot* node : nodes) {
    RETURN_IF_ERROR(planner::CheckChangeable(*node));
    writer.Instruct(*node, snapshot.hosts.at(node->node.host_id).host, kind, instruction.next,
                    instruction.event);
  }
  return writer.Finish(books);
}

}  // namespace

Result<Proposal<Changes>> CommandNodes(const Authorized& by, const NodeCommandRequest& request) {
  ASSIGN_OR_RETURN(auto ids, FindNodeIds(by, request.nodes));
  ASSIGN_OR_RETURN(Proposal<Changes> proposal, ProposalFor(by, ids, request.plan));
  proposal.decide = [ids = std::move(ids), kind = request.kind](
                        const Authorized& as, const store::Snapshot& snapshot, store::ReadTx&) {
    return DecideCommand(as, ids, kind, snapshot);
  };
  return proposal;
}

}  // namespace tallyman::control
