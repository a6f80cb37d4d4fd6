// Handing out commands. A node of which something was ever handed out is marked in a transaction
// that is committed before the answer goes out: a delete goes by the mark.
#include <fmt/core.h>

#include <algorithm>
#include <memory>

#include "control/authorize.h"
#include "control/node_writer.h"
#include "control/read_once.h"
#include "control/reports.h"

namespace tallyman {
namespace {

constexpr int64_t kCommandsDefault = 100;
constexpr int64_t kCommandsMax = 1000;
constexpr size_t kPayloadBytesMax = size_t{4} * 1024 * 1024;

HandedCommands AnswerOf(HandOut found, int64_t limit, Time now) {
  HandedCommands answer;
  if (found.last_heard) answer.next_sequence = found.last_heard->sequence + 1;
  if (found.next_at) answer.retry_after = std::max(*found.next_at - now, Time::duration(0));
  size_t bytes = 0;
  for (HandOut::Entry& entry : found.commands) {
    bytes += entry.command.payload.size();
    const bool full = std::ssize(answer.commands) == limit || bytes > kPayloadBytesMax;
    if (full && !answer.commands.empty()) {
      answer.more = true;
      break;
    }
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
Result<Decision> Mark(Control& control, const Call& call, const std::vector<NodeId>& ids,
                      HandedCommands answer, const Encode<HandedCommands>& encode,
                      const Snapshot& snapshot) {
  NodeWriter writer(control, call);
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
  ASSIGN_OR_RETURN(BooksPlan books, BooksPlan::Begin(HostsOf(snapshot, nodes), nodes,
                                                     control.policies(), writer.cause()));
  for (const NodeSnapshot* node : nodes) writer.Update(*node).handed_out = true;
  Decision decision = ToDecision(writer.Finish(books));
  decision.answer = encode(answer);
  decision.leaves_trail = false;
  return decision;
}

}  // namespace

Result<HostId> HostOf(const Call& call) {
  if (call.actor.host_id) return *call.actor.host_id;
  return Fail(Error(Code::kPermissionDenied, "NOT_A_HOST",
                    fmt::format("{} is not the token of a host", call.actor.id)));
}

void FetchCommands(Control& control, Call call, int64_t max_commands, Encode<HandedCommands> encode,
                   Done done) {
  if (Status status = Authorize(call); !status) return done(Fail(status.error()));
  if (Status status = control.Begin(call); !status) return done(Fail(status.error()));
  auto host = HostOf(call);
  if (!host) return done(Fail(host.error()));
  if (max_commands < 0) {
    return done(
        Fail(InvalidArgument("INVALID_MAX_COMMANDS", fmt::format("max_commands is {}: give 0 to {}",
                                                                 max_commands, kCommandsMax))
                 .With("field", "max_commands")));
  }
  const int64_t limit = max_commands == 0 ? kCommandsDefault : std::min(max_commands, kCommandsMax);
  const Time now = control.clock().Now();
  auto found = ReadOnce<HandOut>(control, [&](ReadTx& tx) {
    return tx.FindCommandsFor({.host_id = *host, .now = now, .limit = limit + 1});
  });
  if (!found) return done(Fail(found.error()));
  std::vector<NodeId> unmarked;
  for (const HandOut::Entry& entry : found->commands)
    if (!entry.handed_out) unmarked.push_back(entry.command.node_id);
  HandedCommands answer = AnswerOf(*std::move(found), limit, now);
  if (unmarked.empty()) return done(encode(answer));
  Mutation mutation{.call = call, .locks = {}, .solo = false, .rows = 1, .decide = {}};
  mutation.locks.nodes = unmarked;
  mutation.rows = std::ssize(unmarked);
  mutation.decide = [&control, call, unmarked, encode = std::move(encode),
                     answer = std::move(answer)](const Snapshot& snapshot, ReadTx&) {
    return Mark(control, call, unmarked, answer, encode, snapshot);
  };
  control.Submit(std::move(mutation), std::move(done));
}

}  // namespace tallyman
