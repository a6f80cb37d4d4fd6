#include <fmt/core.h>

#include "control/authorize.h"
#include "control/node_writer.h"
#include "control/read_once.h"
#include "control/resolve.h"

namespace tallyman {
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

Result<NodeDecision> Decide(Control& control, const Call& call, const std::vector<NodeId>& ids,
                            CommandKind kind, const Snapshot& snapshot) {
  ASSIGN_OR_RETURN(auto nodes, FindNodes(snapshot, call.actor, ids));
  NodeWriter writer(control, call);
  ASSIGN_OR_RETURN(BooksPlan books, BooksPlan::Begin(HostsOf(snapshot, nodes), nodes,
                                                     control.policies(), writer.cause()));
  Instruction instruction = InstructionFor(kind);
  for (const NodeSnapshot* node : nodes) {
    RETURN_IF_ERROR(CheckChangeable(*node));
    writer.Instruct(*node, snapshot.hosts.at(node->node.host_id).host, kind, instruction.next,
                    instruction.event);
  }
  return writer.Finish(books);
}

}  // namespace

void CommandNodes(Control& control, Call call, const NodeCommandRequest& request,
                  Encode<Changes> encode, Done done) {
  if (Status status = Authorize(call); !status) return done(Fail(status.error()));
  if (Status status = control.Begin(call); !status) return done(Fail(status.error()));
  auto ids = ReadOnce<std::vector<NodeId>>(
      control, [&](ReadTx& tx) { return ResolveNodes(tx, call.actor, request.nodes); });
  if (!ids) return done(Fail(ids.error()));
  LockSet locks;
  locks.nodes = *ids;
  auto rows = static_cast<int64_t>(ids->size());
  DecideNodes decide = [&control, call, ids = *std::move(ids), kind = request.kind](
                           const Snapshot& snapshot, ReadTx&) {
    return Decide(control, call, ids, kind, snapshot);
  };
  PlanOrApply(control, std::move(call), request.plan, std::move(locks), false, rows,
              std::move(decide), std::move(encode), std::move(done));
}

}  // namespace tallyman
