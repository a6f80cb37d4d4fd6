// Undoes a failed command: restores the previous state.
#include <fmt/core.h>

#include <algorithm>

#include "agent/container_end.h"
#include "agent/execution_step.h"
#include "agent/payload.h"
#include "agent/runtime.h"
#include "agent/told.h"

namespace tallyman::agent {

NextStep Execution::Step::Undo(const Error& why) const {
  NextStep next = GoTo(Stage::kUndoStop);
  next.change.put_commands.back().failure = Told(why.message);
  return next;
}

NextStep Execution::Step::UndoStop() {
  const auto patience = options().undo_retry_time;
  if (node == nullptr) {
    Tried tried = Try(runtime().Remove(command.node_id), "removing what it left", patience);
    if (tried.what == Tried::What::kAgain) return std::move(tried.again);
    if (!tried.is_done()) return FinishFailed(&tried.error);
    return Finish({.result = CommandResult::kRollback, .message = command.failure});
  }
  Tried tried = Try(runtime().Stop(command.node_id), "stopping it", patience);
  if (tried.what == Tried::What::kAgain) return std::move(tried.again);
  return tried.is_done() ? GoTo(Stage::kUndoInstall) : FinishFailed(&tried.error);
}

NextStep Execution::Step::UndoInstall() {
  auto old = OldSpec();
  if (!old) return FinishFailed(&old.error());
  const auto patience = options().undo_retry_time;
  auto spec = NewSpec();
  const std::string installing = Installing(spec ? *spec : *old, *old);
  bool incomplete = command.undo_incomplete;
  // The new version has written more than the old disk holds: the old version runs on the new disk,
  // which the books still hold, and the outcome says that the undo is incomplete.
  if (incomplete) old = ParseAsInstalled(OldPayload(true));
  // Its image is still present, unless it was removed by hand.
  Tried tried;
  if (!progress.old_fetched)
    tried = Try(runtime().Prepare(*old), "fetching its old image", patience);
  progress.old_fetched = tried.is_done();
  if (tried.is_done()) tried = Try(runtime().Install(*old), installing, patience);
  if (tried.what == Tried::What::kAgain) return std::move(tried.again);
  progress.old_fetched = false;
  if (!tried.is_done()) {
    if (tried.error.reason != kDiskDataDoesNotFit || incomplete || !spec)
      return FinishFailed(&tried.error);
    NextStep next = GoTo(Stage::kUndoInstall);
    next.change.put_commands.back().undo_incomplete = true;
    return next;
  }
  return node->should_run ? GoTo(Stage::kUndoStart) : FinishUndone();
}

NextStep Execution::Step::UndoStart() {
  Tried tried =
      Try(runtime().Start(command.node_id), "starting it again", options().undo_retry_time);
  if (tried.what == Tried::What::kAgain) return std::move(tried.again);
  progress = {};
  return tried.is_done() ? GoTo(Stage::kUndoAwait) : FinishFailed(&tried.error);
}

NextStep Execution::Step::UndoAwait() {
  std::string why;
  switch (AwaitHealth(why)) {
    case Awaited::kHealthy:
      return FinishUndone();
    case Awaited::kNever: {
      Error error = Internal("NODE_NOT_HEALTHY", why);
      return FinishFailed(&error);
    }
    case Awaited::kYet:
      break;
  }
  return Wait(options().health_interval);
}

Execution::Step::Awaited Execution::Step::AwaitHealth(std::string& why) const {
  if (!progress.awaiting_since) progress.awaiting_since = now();
  const auto found = runtime().CheckHealth(command.node_id);
  // A probe that has not ended has no result yet.
  const HealthReport* report = found && *found ? &**found : nullptr;
  if (report != nullptr && report->health == NodeHealth::kHealthy) {
    if (!progress.healthy_since) progress.healthy_since = now();
    return now() - *progress.healthy_since >= options().settle_time ? Awaited::kHealthy
                                                                    : Awaited::kYet;
  }
  if (!found || report != nullptr) progress.healthy_since.reset();
  const auto waited = now() - *progress.awaiting_since;
  if (report != nullptr && report->health == NodeHealth::kNotRunning) {
    why = fmt::format("its container ended within {} s after it was started",
                      std::chrono::ceil<std::chrono::seconds>(waited).count() + 1);
    if (report->end) {
      why += ": " + DescribeEnd(*report->end);
    } else if (!report->message.empty()) {
      why += ": " + report->message;
    }
    return Awaited::kNever;
  }
  auto deadline = options().health_deadline;
  if (report != nullptr) deadline = std::max(deadline, report->start_period);
  if (waited < deadline) return Awaited::kYet;
  std::string last = "its health command has not ended";
  if (!found) last = found.error().message;
  if (report != nullptr) last = report->message.empty() ? "it is unhealthy" : report->message;
  why = fmt::format("it did not become healthy within {} s: {}",
                    std::chrono::ceil<std::chrono::seconds>(deadline).count(), last);
  return Awaited::kNever;
}

}  // namespace tallyman::agent
