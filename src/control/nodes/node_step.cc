#include "control/nodes/node_step.h"

#include <cassert>

#include "base/sorted_unique.h"

namespace tallyman::control {
namespace {

Status MoveBooks(planner::BooksPlan& books, const NodeSnapshot& node,
                 const planner::NodeLifecycle& life, const Resources& held) {
  if (!node.node.IsLive()) return {};
  if (!life.released() && !life.moved())
    return books.SetHold(node.node.host_id, node.node.held, held);
  planner::BooksMove move{.host_id = node.node.host_id,
                          .node_id = node.node.id,
                          .kind = life.released() ? LedgerKind::kRelease : LedgerKind::kRevert,
                          .before = {1, planner::BooksPlan::ChargedBy(node)},
                          .held_before = node.node.held,
                          .held_after = held};
  if (!life.released()) move.after = {1, life.charged()};
  return books.Move(move);
}

std::string DetailOf(const planner::LifecycleEvent& event, const NodeSnapshot& node) {
  std::string id = event.command_id.is_nil() ? std::string() : event.command_id.ToString();
  if (id.empty()) return Detail({{"image", node.image->Reference()}});
  const std::string_view kind = ToText(event.command);
  if (event.kind == EventKind::kCommandCancelled) {
    if (event.result.empty()) return Detail({{"command_id", id}, {"command", kind}});
    return Detail({{"command_id", id}, {"command", kind}, {"because", event.result}});
  }
  if (event.message.empty())
    return Detail({{"command_id", id}, {"command", kind}, {"result", event.result}});
  return Detail({{"command_id", id},
                 {"command", kind},
                 {"result", event.result},
                 {"message", event.message}});
}

}  // namespace

Status WriteStep(NodeWriter& writer, planner::BooksPlan& books, const NodeSnapshot& node,
                 const planner::NodeLifecycle& life) {
  assert(life.changed());
  assert(books.hosts().contains(node.node.host_id));
  const Resources held = life.held();
  Node& after = writer.Update(node);
  const Node stamped = after;
  after = life.node();
  if (!life.moved()) after.resources = stamped.resources;
  after.held = held;
  after.version = stamped.version;
  after.updated_at = stamped.updated_at;
  for (CommandUpdate& update : life.updates()) writer.ChangeCommand(std::move(update));
  for (const planner::LifecycleEvent& event : life.events())
    writer.AddEvent(event.kind, node.node, DetailOf(event, node));
  return MoveBooks(books, node, life, held);
}

Result<std::vector<store::NodeConfigKey>> ConfigsAhead(store::ReadTx& tx,
                                                       const std::vector<NodeId>& nodes) {
  ASSIGN_OR_RETURN(const store::Snapshot snapshot, tx.Load({.nodes = nodes}));
  std::vector<store::NodeConfigKey> keys;
  for (const auto& [id, node] : snapshot.nodes)
    for (const Transition& transition : node.transitions)
      if (transition.to_config_id) keys.push_back({id, *transition.to_config_id});
  return SortedUnique(std::move(keys));
}

}  // namespace tallyman::control
