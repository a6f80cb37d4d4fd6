#include "planner/hold.h"

namespace tallyman::planner {

Resources HoldFor(const Resources& charged, const std::optional<Resources>& running,
                  std::span<const Transition> transitions) {
  Resources largest = running.value_or(Resources{});
  for (const Transition& transition : transitions) {
    if (!IsTransition(transition.kind)) continue;
    if (IsPending(transition.state)) largest = Max(largest, transition.to);
    if (transition.state == CommandState::kFailed) {
      largest = Max(largest, Max(transition.from, transition.to));
    }
  }
  return Excess(largest, charged);
}

}  // namespace tallyman::planner
