// The numbers of a policy's rollouts as they are stored.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "planner/rollout_plan.h"

namespace tallyman::control {

// A JSON object with what is set.
std::string StrategyToJson(const planner::RolloutRequest& strategy);
// DATA_LOSS POLICY_UNREADABLE.
Result<planner::RolloutRequest> StrategyFromJson(std::string_view text);

}  // namespace tallyman::control
