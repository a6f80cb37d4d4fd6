// One node of a rollout: what has become of it, and whether it may be released. Pure.
//
//   what is seen of a released node                             it becomes
//   its command is open or taken                                -
//   taken for longer than healthy_within                        failed LATE
//   passed by: no host began it in time                         waiting
//   superseded, or withdrawn by somebody else                   skipped SUPERSEDED, CANCELLED
//   reverted, failed, in doubt                                  failed ROLLED_BACK, FAILED, UNKNOWN
//   settled, and the node has another config by now             skipped NODE_CHANGED
//   settled, and stopped by somebody                            healthy
//   settled, and restarted                                      failed RESTARTED
//   settled, runs for the soak, and its host said so after it   healthy
//   settled, and not so within healthy_within                   failed UNHEALTHY, SILENT
//   gone                                                        skipped NODE_GONE
//
// A healthy one that does not run well at a later gate has failed: REGRESSED.
#pragma once

#include <optional>
#include <string_view>

#include "model/rollout.h"

namespace tallyman::planner {

struct NodeVerdict {
  RolloutNodeState state = RolloutNodeState::kWaiting;
  std::string_view why;
};

// Of a released node; nothing: it is not decided yet.
std::optional<NodeVerdict> JudgeReleased(const RolloutNodeFacts& node, const RolloutSpec& spec,
                                         Time now);

// Of a waiting node that can never be released any more: skipped NODE_GONE, NODE_CHANGED.
std::optional<NodeVerdict> JudgeWaiting(const RolloutNodeFacts& node);

// Whether its host is at work on it, because of the rollout.
bool IsInFlight(const RolloutNodeFacts& node);

inline constexpr std::string_view kWaitsForBusyNode = "NODE_BUSY";
inline constexpr std::string_view kWaitsForSilentHost = "HOST_SILENT";
inline constexpr std::string_view kWaitsForDrainedHost = "HOST_DRAINED";
inline constexpr std::string_view kWaitsAfterHint = "NOT_BEFORE";

// What a waiting node waits for, whatever the budgets are; "": nothing, it may be released. A host
// that was heard at `silent_before` or earlier is silent.
std::string_view WhyNotReleased(const RolloutNodeFacts& node, Time now, Time silent_before);

}  // namespace tallyman::planner
