// What a host says about one node when nothing is pending there.
#include <fmt/core.h>

#include <algorithm>

#include "control/authorize.h"
#include "control/node_release.h"
#include "control/resolve.h"
#include "planner/hold.h"

namespace tallyman {
namespace {

Result<Resources> ResourcesOf(const NodeSnapshot& node, const ConfigId& config, ReadTx& tx) {
  if (config == node.node.config_id) return BooksPlan::ChargedBy(node);
  for (const Transition& transition : node.transitions) {
    if (transition.to_config_id == config) return transition.to;
    if (transition.from_config_id == config) return transition.from;
  }
  ASSIGN_OR_RETURN(auto row, tx.FindConfig(config));
  if (row) return row->resources;
  return Fail(InvalidArgument("UNKNOWN_CONFIG", fmt::format("node {} never had config {}",
                                                            node.node.name, config.ToString()))
                  .With("field", "running"));
}

// Ends the transitions up to the newest one that leads to what runs; returns those that still
// count. A failed one counts until a later one has settled: that the node runs what failed ends
// nothing.
std::vector<Transition> Settle(NodeWriter& writer, const NodeSnapshot& node,
                               const std::optional<ConfigId>& running) {
  int64_t reached = 0, settled = 0;
  for (const Transition& transition : node.transitions) {
    if (running && transition.to_config_id == *running) reached = std::max(reached, transition.seq);
  }
  std::vector<Transition> staying;
  for (const Transition& transition : node.transitions) {
    if (transition.seq > reached || !IsPending(transition.state)) {
      staying.push_back(transition);
      continue;
    }
    if (IsTransition(transition.kind)) settled = std::max(settled, transition.seq);
    writer.EndCommand(transition.id, CommandState::kSettled);
    EventKind event = transition.kind == CommandKind::kUpgrade ? EventKind::kUpgradeSucceeded
                                                               : EventKind::kNodeRunning;
    writer.AddEvent(event, node.node, Detail({{"command_id", transition.id.ToString()}}));
  }
  std::erase_if(staying, [&](const Transition& transition) {
    return !IsPending(transition.state) && transition.seq < settled;
  });
  return staying;
}

Result<NodeDecision> Decide(Control& control, const Call& call, const ConfirmRunsRequest& request,
                            const Snapshot& snapshot, ReadTx& tx) {
  ASSIGN_OR_RETURN(auto nodes, FindNodes(snapshot, call.actor, {request.node_id}));
  const NodeSnapshot& node = *nodes.front();
  const Host& host = snapshot.hosts.at(node.node.host_id).host;
  NodeWriter writer(control, call);
  ASSIGN_OR_RETURN(BooksPlan books, BooksPlan::Begin(HostsOf(snapshot, nodes), nodes,
                                                     control.policies(), writer.cause()));
  if (!request.running && node.node.IsBeingDeleted()) {
    RETURN_IF_ERROR(Release(writer, books, node, host));
    return writer.Finish(books);
  }
  std::optional<Resources> running;
  if (request.running) {
    ASSIGN_OR_RETURN(running, ResourcesOf(node, *request.running, tx));
  }
  std::vector<Transition> staying = Settle(writer, node, request.running);
  Node& after = writer.Update(node);
  after.running_config_id = request.running;
  after.handed_out = true;
  after.held = HoldFor(BooksPlan::ChargedBy(node), running, staying);
  if (request.running) after.node_state = NodeState::kRunning;
  bool pending = std::ranges::any_of(
      staying, [](const Transition& transition) { return IsPending(transition.state); });
  if (!pending && !node.node.IsBeingDeleted()) after.next_state.reset();
  RETURN_IF_ERROR(books.SetHold(host.id, node.node.held, after.held));
  return writer.Finish(books);
}

}  // namespace

void ConfirmRuns(Control& control, Call call, const ConfirmRunsRequest& request, Done done) {
  if (Status status = Authorize(call); !status) return done(Fail(status.error()));
  if (Status status = control.Begin(call); !status) return done(Fail(status.error()));
  LockSet locks;
  locks.nodes = {request.node_id};
  DecideNodes decide = [&control, call, request](const Snapshot& snapshot, ReadTx& tx) {
    return Decide(control, call, request, snapshot, tx);
  };
  PlanOrApply(
      control, std::move(call), {}, std::move(locks), false, 1, std::move(decide),
      [](const Changes&) { return std::string(); }, std::move(done));
}

}  // namespace tallyman
