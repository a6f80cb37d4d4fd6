#include "control/nodes/changes.h"

#include <fmt/format.h>

#include <iterator>

#include "base/digest.h"

namespace tallyman::control {
namespace {

void Append(std::string& text, const Resources& r) {
  fmt::format_to(std::back_inserter(text), "{},{},{};", r.cpu_cores, r.memory_bytes, r.disk_bytes);
}

void Append(std::string& text, const Host& host) {
  fmt::format_to(std::back_inserter(text), "{};", host.books.node_count);
  Append(text, host.books.allocated);
  Append(text, host.held);
}

}  // namespace

std::string Changes::PlanToken() const {
  // Names and keys hold no control characters, so the lines cannot be confused.
  std::string text = "plan 1\n";
  for (const NodeChange& node : nodes) {
    fmt::format_to(std::back_inserter(text), "node {} {} {} {} {} {} {} {} ", node.node, node.host,
                   node.org, node.from_org, node.from_image, node.to_image, node.released,
                   node.from_config ? node.from_config->ToString() : "");
    Append(text, node.before);
    Append(text, node.after);
    Append(text, node.held);
    for (const CommandId& id : node.withdrawn) text += id.ToString() + ";";
    text += '\n';
  }
  for (const planner::HostChange& host : hosts) {
    fmt::format_to(std::back_inserter(text), "host {} ", host.stored.name);
    Append(text, host.stored);
    Append(text, host.after);
    Append(text, host.after.capacity);
    text += '\n';
    for (const Drift& drift : host.drifts) {
      fmt::format_to(std::back_inserter(text), "drift {} {} {} {} {}\n", ToText(drift.kind),
                     drift.node_name, drift.dimension, drift.stored, drift.true_value);
    }
  }
  for (const planner::Warning& warning : warnings) {
    fmt::format_to(std::back_inserter(text), "warning {} {} {}\n", warning.reason,
                   warning.host_name, warning.message);
  }
  return Sha256Hex(text);
}

void Changes::ForgetNewIds() {
  for (NodeChange& node : nodes) {
    node.command_id.reset();
    if (node.to_config != node.from_config) node.to_config.reset();
    if (!node.from_config) node.node_id = {};
  }
}

}  // namespace tallyman::control
