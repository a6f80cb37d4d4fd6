// The numbers of a rollout, which several requests have.
#pragma once

#include "api/convert.h"
#include "planner/rollout_plan.h"

namespace tallyman::api {

// Those that the message has. INVALID_ARGUMENT INVALID_ROLLOUT for what is no duration.
template <class Message>
Status TakeNumbers(const Message& message, planner::RolloutRequest& numbers) {
  for (const v1::RolloutStage& stage : message.stages()) {
    const bool is_percent = stage.amount_case() == v1::RolloutStage::kPercent;
    numbers.stages.push_back(
        {.amount = is_percent ? stage.percent() : stage.nodes(), .is_percent = is_percent});
  }
  numbers.pause_after.assign(message.pause_after().begin(), message.pause_after().end());
  if (message.has_max_failures()) numbers.max_failures = message.max_failures();
  if (message.has_max_in_flight()) numbers.max_in_flight = message.max_in_flight();
  if (message.has_per_host()) numbers.per_host = message.per_host();
  RETURN_IF_ERROR(
      TakeSpan("INVALID_ROLLOUT", "soak", message.has_soak(), message.soak(), numbers.soak));
  RETURN_IF_ERROR(TakeSpan("INVALID_ROLLOUT", "begin_within", message.has_begin_within(),
                           message.begin_within(), numbers.begin_within));
  RETURN_IF_ERROR(TakeSpan("INVALID_ROLLOUT", "healthy_within", message.has_healthy_within(),
                           message.healthy_within(), numbers.healthy_within));
  return TakeSpan("INVALID_ROLLOUT", "no_progress", message.has_no_progress(),
                  message.no_progress(), numbers.no_progress);
}

}  // namespace tallyman::api
