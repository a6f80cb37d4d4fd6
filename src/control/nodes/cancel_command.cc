// Withdrawing a command that no host has taken.
#include <fmt/core.h>

#include "control/nodes/node_step.h"
#include "control/nodes/nodes.h"
#include "control/read_once.h"
#include "control/reads/queries.h"

namespace tallyman::control {
namespace {

// What is known of the command before the locks: only what never changes of it counts.
struct Wanted {
  CommandId id;
  CommandKind kind = CommandKind::kUpgrade;
  NodeId node_id;
};

// Why the command stays, and what can be done instead.
std::string AdviceOf(std::string_view reason, const Wanted& wanted, const Node& node) {
  if (reason == planner::kCommandTaken) {
    return fmt::format(
        "its host has taken it and may have begun: wait for its outcome, or ask for what you want "
        "instead, such as another upgrade of node {}; the last request wins",
        node.name);
  }
  if (reason == planner::kNotCancellable && wanted.kind == CommandKind::kCreate) {
    return fmt::format("a create is withdrawn with its node: `tallyman node delete {}`", node.name);
  }
  if (reason == planner::kNotCancellable) {
    return fmt::format(
        "a delete has withdrawn all other commands of node {} and cannot be taken back: let it "
        "end, and create the node again",
        node.name);
  }
  if (reason == planner::kNothingToGoBackTo) {
    return fmt::format(
        "nothing of node {} runs that it could go back to: upgrade it to the image that you want, "
        "or delete it",
        node.name);
  }
  return "it has ended";
}

Error NotCancelled(std::string_view reason, const Wanted& wanted, const NodeSnapshot& node) {
  std::string state = "ended";
  for (const Transition& transition : node.transitions)
    if (transition.id == wanted.id) state = ToText(transition.state);
  if (reason == planner::kUnknownConfig) {
    return Error(Code::kAborted, "COMMAND_CHANGED",
                 fmt::format("node {} got another command in the meantime: try again",
                             node.node.name))
        .About("node " + node.node.name);
  }
  return FailedPrecondition(
             std::string(reason),
             fmt::format("command {} ({} of node {}) is {} and cannot be cancelled: {}",
                         wanted.id.ToString(), ToText(wanted.kind), node.node.name, state,
                         AdviceOf(reason, wanted, node.node)))
      .About("node " + node.node.name)
      .With("command_id", wanted.id.ToString())
      .With("state", state);
}

Result<Decided<Changes>> DecideCancel(const Authorized& by, const Wanted& wanted,
                                      const store::Snapshot& snapshot) {
  ASSIGN_OR_RETURN(auto nodes, FindNodes(snapshot, by.actor(), {wanted.node_id}));
  const NodeSnapshot& node = *nodes.front();
  NodeWriter writer(by);
  ASSIGN_OR_RETURN(planner::BooksPlan books, writer.BeginBooks(snapshot, nodes));
  planner::NodeLifecycle life(node, writer.cause().now);
  if (const std::string_view reason = life.Withdraw(wanted.id); !reason.empty())
    return Fail(NotCancelled(reason, wanted, node));
  NodeChange& change = writer.Show(node, snapshot.hosts.at(node.node.host_id).host);
  change.after = life.charged();
  change.held = life.held();
  change.withdrawn = {wanted.id};
  change.to_config = life.node().config_id;
  if (life.moved()) change.to_image = node.configs.at(life.node().config_id).image->Reference();
  RETURN_IF_ERROR(WriteStep(writer, books, node, life));
  return writer.Finish(books);
}

}  // namespace

Result<Proposal<Changes>> CancelCommand(const Authorized& by, const CancelCommandRequest& request) {
  Wanted wanted;
  std::vector<store::NodeConfigKey> targets;
  RETURN_IF_ERROR(ReadOnce(by.control(), [&](store::ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(const CommandView view, GetCommand(by, tx, request.command_id));
    wanted = {view.row.command.id, view.row.command.kind, view.row.command.node_id};
    ASSIGN_OR_RETURN(targets, ConfigsAhead(tx, {wanted.node_id}));
    return {};
  }));
  ASSIGN_OR_RETURN(Proposal<Changes> proposal,
                   ProposalFor(by, {wanted.node_id}, request.plan, "command_id"));
  proposal.locks.with_history = true;
  proposal.locks.node_configs = std::move(targets);
  proposal.decide = [wanted](const Authorized& as, const store::Snapshot& snapshot,
                             store::ReadTx&) { return DecideCancel(as, wanted, snapshot); };
  return proposal;
}

}  // namespace tallyman::control
