#include "control/nodes/node_release.h"

#include <cassert>

#include "planner/hold.h"

namespace tallyman::control {

Result<Withdrawal> WithdrawUntaken(NodeWriter& writer, planner::BooksPlan& books,
                                   const NodeSnapshot& node) {
  Withdrawal withdrawal;
  std::vector<Transition> staying;
  for (const Transition& transition : node.transitions) {
    if (transition.state == CommandState::kOpen) {
      writer.EndCommand(transition.id, CommandState::kCancelled);
      withdrawal.commands.push_back(transition.id);
    } else {
      staying.push_back(transition);
    }
  }
  withdrawal.held = planner::HoldFor(planner::BooksPlan::ChargedBy(node), node.running, staying);
  RETURN_IF_ERROR(books.SetHold(node.node.host_id, node.node.held, withdrawal.held));
  return withdrawal;
}

namespace {

std::string DeletedDetail(const NodeChange& change, std::string_view why) {
  if (why.empty()) return Detail({{"image", change.from_image}});
  return Detail({{"image", change.from_image}, {"why", why}});
}

}  // namespace

void Forget(NodeWriter& writer, const NodeSnapshot& node, const Host& host, std::string_view why) {
  NodeChange& change = writer.Show(node, host);
  change.before = {};
  change.after = {};
  change.to_image.clear();
  change.to_config.reset();
  change.released = true;
  Node& after = writer.Update(node);
  after.node_state = NodeState::kDeleted;
  after.deleted_at = writer.cause().now;
  writer.AddEvent(EventKind::kNodeDeleted, after, DeletedDetail(change, why));
}

Status Release(NodeWriter& writer, planner::BooksPlan& books, const NodeSnapshot& node,
               const Host& host, std::string_view why) {
  assert(node.node.IsLive());
  Resources charged = planner::BooksPlan::ChargedBy(node);
  RETURN_IF_ERROR(books.Move({.host_id = host.id,
                              .node_id = node.node.id,
                              .kind = LedgerKind::kRelease,
                              .before = {1, charged},
                              .held_before = node.node.held}));
  NodeChange& change = writer.Show(node, host);
  for (const Transition& transition : node.transitions) {
    if (!IsPending(transition.state)) continue;
    writer.EndCommand(transition.id, CommandState::kCancelled);
    change.withdrawn.push_back(transition.id);
  }
  change.after = {};
  change.held = {};
  change.to_image.clear();
  change.to_config.reset();
  change.released = true;
  Node& after = writer.Update(node);
  after.node_state = NodeState::kDeleted;
  after.next_state.reset();
  after.held = {};
  after.running_config_id.reset();
  after.released_at = writer.cause().now;
  after.deleted_at = writer.cause().now;
  writer.AddEvent(EventKind::kNodeDeleted, after, DeletedDetail(change, why));
  return {};
}

}  // namespace tallyman::control
