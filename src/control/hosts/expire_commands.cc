#include "base/sorted_unique.h"
#include "control/hosts/reports.h"
#include "control/nodes/node_step.h"
#include "control/read_once.h"
#include "control/run_internal.h"

namespace tallyman::control {
namespace {

// Under the locks: what is overdue now, whoever else looked for it.
Result<Decided<Changes>> DecideExpiry(const Authorized& by, const std::vector<NodeId>& ids,
                                      Time before, const store::Snapshot& snapshot) {
  NodeWriter writer(by);
  std::vector<const NodeSnapshot*> nodes;
  std::vector<planner::NodeLifecycle> lives;
  for (const NodeId& id : ids) {
    auto found = snapshot.nodes.find(id);
    if (found == snapshot.nodes.end()) continue;
    planner::NodeLifecycle life(found->second, writer.cause().now);
    for (const Transition& command : found->second.transitions) {
      if (command.taken_at && *command.taken_at < before) life.Expire(command.id);
    }
    if (!life.changed()) continue;
    nodes.push_back(&found->second);
    lives.push_back(std::move(life));
  }
  ASSIGN_OR_RETURN(planner::BooksPlan books, writer.BeginBooks(snapshot, nodes));
  for (size_t i = 0; i < nodes.size(); ++i)
    RETURN_IF_ERROR(WriteStep(writer, books, *nodes[i], lives[i]));
  return writer.Finish(books);
}

}  // namespace

Result<bool> ExpireCommands(Control& control, std::chrono::microseconds deadline, int64_t limit) {
  const Time before = control.clock().Now() - deadline;
  ASSIGN_OR_RETURN(auto overdue, ReadOnce(control, [&](store::ReadTx& tx) {
                     return tx.FindOverdue(before, limit);
                   }));
  if (overdue.empty()) return false;
  std::vector<NodeId> nodes;
  for (const store::CommandOfNode& command : overdue) nodes.push_back(command.node_id);
  auto expire = [before](const Authorized& as,
                         const std::vector<NodeId>& ids) -> Result<Proposal<Changes>> {
    ASSIGN_OR_RETURN(Proposal<Changes> proposal, ProposalFor(as, ids, {}));
    proposal.locks.with_history = true;
    proposal.decide = [ids, before](const Authorized& by, const store::Snapshot& snapshot,
                                    store::ReadTx&) {
      return DecideExpiry(by, ids, before, snapshot);
    };
    return proposal;
  };
  RETURN_IF_ERROR(
      RunInternal(control, "internal/ExpireCommands", expire, SortedUnique(std::move(nodes))));
  return std::ssize(overdue) == limit;
}

}  // namespace tallyman::control
