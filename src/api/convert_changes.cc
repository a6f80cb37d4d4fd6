#include "api/convert.h"

namespace tallyman::api {
namespace {

v1::NodeChange MessageOf(const control::NodeChange& change) {
  v1::NodeChange out;
  out.set_node(change.node);
  out.set_node_id(TextOf(change.node_id));
  out.set_host(change.host);
  out.set_host_id(TextOf(change.host_id));
  out.set_org(change.org);
  out.set_from_org(change.from_org);
  out.set_from_image(change.from_image);
  out.set_to_image(change.to_image);
  *out.mutable_before() = ToMessage(change.before);
  *out.mutable_after() = ToMessage(change.after);
  if (auto difference = Subtract(change.after, change.before)) {
    *out.mutable_difference() = ToMessage(*difference);
  }
  *out.mutable_held() = ToMessage(change.held);
  out.set_command_id(TextOf(change.command_id));
  for (const CommandId& id : change.withdrawn) out.add_withdrawn_command_ids(id.ToString());
  out.set_from_config_id(TextOf(change.from_config));
  out.set_to_config_id(TextOf(change.to_config));
  out.set_released(change.released);
  return out;
}

// The dimensions in which a host exceeds its capacity, in a type wide enough for any two stored
// numbers.
bool IsOver(const Host& host, Dimension dimension) {
  __int128 carried =
      static_cast<__int128>(host.books.allocated.get(dimension)) + host.held.get(dimension);
  return carried > host.capacity.get(dimension);
}

v1::HostChange MessageOf(const planner::HostChange& change,
                         const std::vector<planner::Warning>& warnings) {
  v1::HostChange out;
  out.set_host(change.after.name);
  out.set_host_id(change.after.id.ToString());
  *out.mutable_capacity() = ToMessage(change.after.capacity);
  *out.mutable_books_before() = ToMessage(change.stored.books);
  *out.mutable_books_after() = ToMessage(change.after.books);
  if (auto difference = Subtract(change.after.books, change.before.books)) {
    *out.mutable_difference() = ToMessage(*difference);
  }
  *out.mutable_held_before() = ToMessage(change.stored.held);
  *out.mutable_held_after() = ToMessage(change.after.held);
  if (auto free = FreeOf(change.after)) *out.mutable_free_after() = ToMessage(*free);
  for (Dimension dimension : kDimensions) {
    if (IsOver(change.after, dimension)) out.add_over_capacity(std::string(ToText(dimension)));
  }
  for (const planner::Warning& warning : warnings) {
    if (warning.host_id == change.after.id) *out.add_warnings() = ToMessage(warning);
  }
  for (const Drift& drift : change.drifts) *out.add_corrections() = ToMessage(drift);
  return out;
}

}  // namespace

v1::Changes ToMessage(const control::Changes& changes) {
  v1::Changes out;
  for (const control::NodeChange& node : changes.nodes) *out.add_nodes() = MessageOf(node);
  for (const planner::HostChange& host : changes.hosts)
    *out.add_hosts() = MessageOf(host, changes.warnings);
  for (const planner::Warning& warning : changes.warnings) *out.add_warnings() = ToMessage(warning);
  out.set_plan_token(changes.plan_token);
  out.set_applied(changes.applied);
  return out;
}

}  // namespace tallyman::api
