// Handing out commands. What is handed out is read again in a transaction that is committed before
// the answer goes out, also where it changes nothing: a command that no standby has may be lost in
// a failover, and must not be carried out before. In that transaction a node of which something is
// handed out for the first time is marked: a delete goes by the mark.
#include <fmt/core.h>

#include <algorithm>

#include "control/hosts/reports.h"
#include "control/nodes/node_writer.h"
#include "control/read_once.h"

namespace tallyman::control {
namespace {

constexpr int64_t kCommandsDefault = 100;
constexpr int64_t kCommandsMax = 1000;
constexpr size_t kPayloadBytesMax = size_t{4} * 1024 * 1024;

// With the secrets in it as they are. A command whose secrets cannot be opened waits, and keeps
// none of another node waiting. Its host asks every second or so: what it waits for is logged once.
bool OpenSecrets(Control& control, store::HandOut::Entry& entry) {
  Result<std::string> opened = RewriteSecrets(
      std::move(entry.command.payload),
      [&](const auto& context, const auto& text) { return control.sealer().Open(text, context); });
  if (opened) {
    entry.command.payload = *std::move(opened);
    return true;
  }
  ++control.metrics().secrets_not_opened;
  if (!control.unopened_secrets().IsNew(entry.command.id)) return false;
  control.log().Write({LogLevel::kError, "secret_not_opened",
                       fmt::format("a command for node {} is not handed out: {}", entry.node,
                                   opened.error().message),
                       opened.error().facts});
  return false;
}

HandedCommands AnswerOf(Control& control, store::HandOut found, int64_t limit, Time now) {
  HandedCommands answer;
  if (found.last_heard) answer.next_sequence = found.last_heard->sequence + 1;
  if (found.next_at) answer.retry_after = std::max(*found.next_at - now, Time::duration(0));
  size_t bytes = 0;
  for (store::HandOut::Entry& entry : found.commands) {
    bytes += entry.command.payload.size();
    const bool full = std::ssize(answer.commands) == limit || bytes > kPayloadBytesMax;
    if (full && !answer.commands.empty()) {
      answer.more = true;
      break;
    }
    if (!OpenSecrets(control, entry)) continue;
    answer.commands.push_back({std::move(entry.command), std::move(entry.node)});
  }
  return answer;
}

bool IsStillOpen(const NodeSnapshot& node, const Command& command) {
  return std::ranges::any_of(node.transitions, [&](const Transition& transition) {
    return transition.id == command.id && transition.state == CommandState::kOpen &&
           transition.attempt == command.attempt;
  });
}

// Marks the nodes; what was withdrawn since it was read is left out of the answer.
Result<Decided<HandedCommands>> Mark(const Authorized& by, const std::vector<NodeId>& ids,
                                     HandedCommands answer, const store::Snapshot& snapshot) {
  NodeWriter writer(by);
  std::vector<const NodeSnapshot*> nodes;
  for (const NodeId& id : ids) {
    auto found = snapshot.nodes.find(id);
    if (found == snapshot.nodes.end()) continue;
    const NodeSnapshot& node = found->second;
    std::erase_if(answer.commands, [&](const HandedCommands::Entry& entry) {
      return entry.command.node_id == id && !IsStillOpen(node, entry.command);
    });
    if (node.node.IsLive() && !node.node.handed_out) nodes.push_back(&node);
  }
  ASSIGN_OR_RETURN(planner::BooksPlan books, writer.BeginBooks(snapshot, nodes));
  for (const NodeSnapshot* node : nodes) writer.Update(*node).handed_out = true;
  Decided<Changes> decided = writer.Finish(books);
  decided.leaves_trail = false;
  return Decided<HandedCommands>{static_cast<Writes&&>(decided), std::move(answer)};
}

}  // namespace

Result<HostId> HostOf(const Actor& actor) {
  if (actor.host_id) return *actor.host_id;
  return Fail(Error(Code::kPermissionDenied, "NOT_A_HOST",
                    fmt::format("{} is not the token of a host", actor.id)));
}

Result<Proposal<HandedCommands>> FetchCommands(const Authorized& by, int64_t max_commands) {
  ASSIGN_OR_RETURN(const HostId host, HostOf(by.actor()));
  if (max_commands < 0) {
    return Fail(
        InvalidArgument("INVALID_MAX_COMMANDS",
                        fmt::format("max_commands is {}: give 0 to {}", max_commands, kCommandsMax))
            .With("field", "max_commands"));
  }
  const int64_t limit = max_commands == 0 ? kCommandsDefault : std::min(max_commands, kCommandsMax);
  const Time now = by.control().clock().Now();
  ASSIGN_OR_RETURN(store::HandOut found, ReadOnce(by.control(), [&](store::ReadTx& tx) {
                     return tx.FindCommandsFor({.host_id = host, .now = now, .limit = limit + 1});
                   }));
  HandedCommands answer = AnswerOf(by.control(), std::move(found), limit, now);
  if (answer.commands.empty()) return Proposal<HandedCommands>{.answer = std::move(answer)};
  std::vector<NodeId> nodes;
  for (const HandedCommands::Entry& entry : answer.commands) nodes.push_back(entry.command.node_id);
  Proposal<HandedCommands> proposal{.rows = std::ssize(nodes)};
  proposal.locks.nodes = nodes;
  proposal.decide = [nodes = std::move(nodes), answer = std::move(answer)](
                        const Authorized& as, const store::Snapshot& snapshot, store::ReadTx&) {
    return Mark(as, nodes, answer, snapshot);
  };
  return proposal;
}

}  // namespace tallyman::control
