#include "tests/simulation/machine_log.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/time.h"

namespace tallyman {
namespace {

constexpr size_t kLinesMax = 1000;

int64_t StartsOf(agent::SimulatedRuntime& machine, const NodeId& node) {
  const auto log = machine.ReadLog(node, {}, kLinesMax);
  if (!log) return 0;
  return std::ranges::count_if(
      log->lines, [](const agent::NodeLogLine& line) { return line.text.starts_with("started"); });
}

}  // namespace

void MachineLog::See(agent::SimulatedRuntime& machine, Time now) {
  const auto seen = machine.List();
  if (!seen) return;
  for (const agent::ObservedNode& node : *seen) {
    std::vector<Run>& runs = runs_[node.node_id];
    if (!node.running || !node.config_id) {
      if (!runs.empty()) runs.back().goes_on = false;
      continue;
    }
    const int64_t starts = StartsOf(machine, node.node_id);
    const bool same = !runs.empty() && runs.back().goes_on &&
                      runs.back().config == *node.config_id && runs.back().starts == starts;
    if (!same) runs.push_back({.config = *node.config_id, .starts = starts, .from = now});
    runs.back().until = now;
  }
}

bool MachineLog::Ran(const NodeId& node, const ConfigId& config, Time from, Time until) const {
  const auto found = runs_.find(node);
  if (found == runs_.end()) return false;
  return std::ranges::any_of(found->second, [&](const Run& run) {
    return run.config == config && run.from <= from && run.until >= until;
  });
}

std::string MachineLog::Describe(const NodeId& node) const {
  const auto found = runs_.find(node);
  std::string text;
  if (found == runs_.end()) return text;
  for (const Run& run : found->second) {
    text += fmt::format("{} start {} from {} to {}; ", run.config.ToString(), run.starts,
                        ToMicros(run.from), ToMicros(run.until));
  }
  return text;
}

}  // namespace tallyman
