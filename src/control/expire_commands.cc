#include <future>

#include "base/sorted_unique.h"
#include "control/authorize.h"
#include "control/node_step.h"
#include "control/read_once.h"
#include "control/reports.h"

namespace tallyman {
namespace {

// Under the locks: what is overdue now, whoever else looked for it.
Result<Decision> Decide(Control& control, const Call& call, const std::vector<NodeId>& ids,
                        Time before, const Snapshot& snapshot) {
  NodeWriter writer(control, call);
  std::vector<const NodeSnapshot*> nodes;
  std::vector<NodeLifecycle> lives;
  for (const NodeId& id : ids) {
    auto found = snapshot.nodes.find(id);
    if (found == snapshot.nodes.end()) continue;
    NodeLifecycle life(found->second, writer.cause().now);
    for (const Transition& command : found->second.transitions) {
      if (command.taken_at && *command.taken_at < before) life.Expire(command.id);
    }
    if (!life.changed()) continue;
    nodes.push_back(&found->second);
    lives.push_back(std::move(life));
  }
  ASSIGN_OR_RETURN(BooksPlan books, BooksPlan::Begin(HostsOf(snapshot, nodes), nodes,
                                                     control.policies(), writer.cause()));
  for (size_t i = 0; i < nodes.size(); ++i)
    RETURN_IF_ERROR(WriteStep(writer, books, *nodes[i], lives[i]));
  return ToDecision(writer.Finish(books));
}

}  // namespace

Result<bool> ExpireCommands(Control& control, std::chrono::microseconds deadline, int64_t limit) {
  const Time before = control.clock().Now() - deadline;
  ASSIGN_OR_RETURN(auto overdue, ReadOnce<std::vector<CommandOfNode>>(control, [&](ReadTx& tx) {
                     return tx.FindOverdue(before, limit);
                   }));
  if (overdue.empty()) return false;
  Call call;
  call.actor = {.id = "server", .org_id = {}, .role = Role::kAdmin};
  call.method = "internal/ExpireCommands";
  RETURN_IF_ERROR(Authorize(call));
  RETURN_IF_ERROR(control.Begin(call));
  std::vector<NodeId> nodes;
  for (const CommandOfNode& command : overdue) nodes.push_back(command.node_id);
  nodes = SortedUnique(std::move(nodes));
  Mutation mutation{.call = call, .locks = {}, .solo = false, .rows = 1, .decide = {}};
  mutation.locks.nodes = nodes;
  mutation.locks.with_history = true;
  mutation.rows = std::ssize(nodes);
  mutation.decide = [&control, call, nodes, before](const Snapshot& snapshot, ReadTx&) {
    return Decide(control, call, nodes, before, snapshot);
  };
  std::promise<Result<std::string>> promise;
  control.Submit(std::move(mutation),
                 [&](Result<std::string> answer) { promise.set_value(std::move(answer)); });
  Result<std::string> answer = promise.get_future().get();
  if (!answer) return Fail(answer.error());
  return std::ssize(overdue) == limit;
}

}  // namespace tallyman
