#include "planner/rollout_node.h"

namespace tallyman::planner {
namespace {

using enum RolloutNodeState;

NodeVerdict Failed(std::string_view why) { return {kFailed, why}; }
NodeVerdict Skipped(std::string_view why) { return {kSkipped, why}; }

// Its command has settled.
std::optional<NodeVerdict> JudgeSettled(const RolloutNodeFacts& node, const RolloutSpec& spec,
                                        Time now) {
  if (node.config_id != node.target) return Skipped("NODE_CHANGED");
  if (node.node_state == NodeState::kStopped) return NodeVerdict{kHealthy, "STOPPED"};
  // What was said of the config before says nothing of this one.
  const bool is_told = node.reported_config == node.target;
  if (is_told && node.restarts > 0) return Failed("RESTARTED");
  const Time soaked = node.ended_at.value_or(now) + spec.soak;
  const bool runs =
      node.node_state == NodeState::kRunning && node.health != ReportedHealth::kUnhealthy;
  const bool said_after = is_told && node.status_at && *node.status_at >= soaked;
  if (runs && said_after) return NodeVerdict{kHealthy, ""};
  if (now < node.taken_at.value_or(now) + spec.healthy_within + spec.soak) return std::nullopt;
  return Failed(runs ? "SILENT" : "UNHEALTHY");
}

}  // namespace

std::optional<NodeVerdict> JudgeReleased(const RolloutNodeFacts& node, const RolloutSpec& spec,
                                         Time now) {
  if (!node.live) return Skipped("NODE_GONE");
  if (!node.command) return Failed("UNKNOWN");
  switch (*node.command) {
    case CommandState::kOpen:
      return std::nullopt;
    case CommandState::kTaken:
      if (now > node.taken_at.value_or(now) + spec.healthy_within) return Failed("LATE");
      return std::nullopt;
    case CommandState::kSettled:
      return JudgeSettled(node, spec, now);
    case CommandState::kReverted:
      return Failed("ROLLED_BACK");
    case CommandState::kFailed:
      return Failed("FAILED");
    case CommandState::kUnknown:
      return Failed("UNKNOWN");
    case CommandState::kSuperseded:
      return Skipped("SUPERSEDED");
    case CommandState::kCancelled:
      break;
  }
  const bool passed_by = node.not_after && node.ended_at && *node.ended_at > *node.not_after;
  return passed_by ? NodeVerdict{kWaiting, ""} : Skipped("CANCELLED");
}

std::optional<NodeVerdict> JudgeWaiting(const RolloutNodeFacts& node) {
  if (!node.live) return Skipped("NODE_GONE");
  // A command that is on its way may still bring it back.
  if (node.config_id != node.row.from_config_id && !node.has_pending)
    return Skipped("NODE_CHANGED");
  return std::nullopt;
}

bool IsInFlight(const RolloutNodeFacts& node) {
  return node.command == CommandState::kOpen || node.command == CommandState::kTaken;
}

std::string_view WhyNotReleased(const RolloutNodeFacts& node, Time now, Time silent_before) {
  if (node.has_pending || node.config_id != node.row.from_config_id) return kWaitsForBusyNode;
  if (node.row.not_before && now < *node.row.not_before) return kWaitsAfterHint;
  if (node.is_drained) return kWaitsForDrainedHost;
  if (!node.heard_at || *node.heard_at <= silent_before) return kWaitsForSilentHost;
  return {};
}

}  // namespace tallyman::planner
