#include "base/sorted_unique.h"
#include "control/hosts/reports.h"
#include "control/nodes/node_step.h"
#include "control/read_once.h"
#include "control/run_internal.h"

namespace tallyman::control {
namespace {

// Under the locks: what is overdue or late now, whoever else looked for it.
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
      if (command.not_after) life.PassBy(command.id);
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
  const Time now = control.clock().Now();
  const Time before = now - deadline;
  bool more = false;
  std::vector<NodeId> nodes;
  std::vector<store::NodeConfigKey> ahead;
  RETURN_IF_ERROR(ReadOnce(control, [&](store::ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(auto found, tx.FindOverdue(before, limit));
    ASSIGN_OR_RETURN(const auto late, tx.FindLate(now, limit));
    more = std::ssize(found) == limit || std::ssize(late) == limit;
    found.insert(found.end(), late.begin(), late.end());
    nodes.clear();
    for (const store::CommandOfNode& command : found) nodes.push_back(command.node_id);
    nodes = SortedUnique(std::move(nodes));
    ahead.clear();
    if (late.empty()) return {};
    ASSIGN_OR_RETURN(ahead, ConfigsAhead(tx, nodes));
    return {};
  }));
  if (nodes.empty()) return false;
  auto expire = [&](const Authorized& as,
                    const std::vector<NodeId>& ids) -> Result<Proposal<Changes>> {
    ASSIGN_OR_RETURN(Proposal<Changes> proposal, ProposalFor(as, ids, {}));
    proposal.locks.with_history = true;
    proposal.locks.node_configs = std::move(ahead);
    proposal.decide = [ids, before](const Authorized& by, const store::Snapshot& snapshot,
                                    store::ReadTx&) {
      return DecideExpiry(by, ids, before, snapshot);
    };
    return proposal;
  };
  RETURN_IF_ERROR(RunInternal(control, "internal/ExpireCommands", expire, nodes));
  return more;
}

}  // namespace tallyman::control
