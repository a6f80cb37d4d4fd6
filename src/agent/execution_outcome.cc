// The outcome of a command, and the node's state in the journal afterwards.
#include <fmt/core.h>

#include <algorithm>

#include "agent/execution_step.h"
#include "agent/payload.h"
#include "agent/told.h"
#include "base/text.h"

namespace tallyman::agent {

NextStep Execution::Step::GoTo(Stage stage) const {
  NextStep next;
  next.change.put_commands.push_back(command);
  next.change.put_commands.back().stage = stage;
  return next;
}

NextStep Execution::Step::Wait(std::chrono::milliseconds wait) const {
  NextStep next;
  next.wait = wait;
  return next;
}

Result<NodeSpec> Execution::Step::OldSpec() const { return ParsePayload(node->payload); }
Result<NodeSpec> Execution::Step::NewSpec() const { return ParsePayload(command.payload); }

Result<NodeSpec> Execution::Step::Target() const {
  return IsTransition(command.kind) ? NewSpec() : ParseAsInstalled(node->payload);
}

bool Execution::Step::PutsBack() const {
  const bool starts = command.kind == CommandKind::kStart || command.kind == CommandKind::kRestart;
  return starts && node != nullptr && node->mending == Mending::kPutBack;
}

std::string Execution::Step::OldPayload(bool undone) const {
  const int64_t before = KeptDisk(node->payload);
  int64_t kept = undone && !command.undo_incomplete ? 0 : before;
  auto old = OldSpec();
  auto spec = NewSpec();
  const bool larger = old && spec && spec->resources.disk_bytes > old->resources.disk_bytes;
  if (larger && (!undone || command.undo_incomplete))
    kept = std::max(kept, spec->resources.disk_bytes);
  return kept == before ? node->payload : KeepDisk(node->payload, kept);
}

std::string Execution::Step::Installing(const NodeSpec& from, const NodeSpec& to) const {
  if (node == nullptr) return "making its disk and container";
  if (from.resources.disk_bytes < to.resources.disk_bytes) return "making its disk larger";
  if (from.resources.disk_bytes > to.resources.disk_bytes) return "making its disk smaller";
  return "making its container";
}

NextStep Execution::Step::Finish(CommandOutcome outcome) const {
  outcome.message = Told(outcome.message);
  NextStep next = GoTo(Stage::kDone);
  next.change.put_commands.back().outcome = std::move(outcome);
  return next;
}

bool Execution::Step::NameWhatRuns(const Seen& seen, CommandOutcome& outcome) {
  if (!seen) outcome.result = CommandResult::kInternalError;
  if (!seen || !*seen || !(*seen)->running) return false;
  outcome.config_id = (*seen)->config_id;
  outcome.run_state = RunState::kRunning;
  return true;
}

void Execution::Step::FillInPlace(CommandOutcome& outcome) const {
  if (node == nullptr) return;
  // A failed node has in place whatever is really on the machine.
  if (node->failed) {
    NameWhatRuns(Observe(), outcome);
    return;
  }
  if (auto old = OldSpec()) outcome.config_id = old->config_id;
  outcome.run_state = node->should_run ? RunState::kRunning : RunState::kStopped;
}

NextStep Execution::Step::Refuse(CommandResult result, std::string message) const {
  CommandOutcome outcome{.result = result, .message = std::move(message)};
  FillInPlace(outcome);
  // What a failed command before it has left, or may still be put back, is to stay held.
  const bool is_left = node != nullptr && (node->failed || KeptDisk(node->payload) > 0);
  if (ChangesConfig(command.kind) && is_left) outcome.result = CommandResult::kFailure;
  return Finish(std::move(outcome));
}

NextStep Execution::Step::RefuseUnknown() const {
  auto seen = Observe();
  if (seen && !*seen)
    return Refuse(CommandResult::kNodeNotFound, "this host has nothing of the node");
  CommandOutcome outcome{.result = CommandResult::kNotSupported,
                         .message =
                             "this host's journal does not record what runs for the node, so a "
                             "failed change could not be undone"};
  NameWhatRuns(seen, outcome);
  return Finish(std::move(outcome));
}

std::optional<NextStep> Execution::Step::FinishBusy() const {
  auto job = runtime().FindBlockingJob(command.node_id);
  if (!job || !*job) return std::nullopt;
  CommandOutcome outcome{.result = CommandResult::kBlockingJobRunning,
                         .retry_after_seconds = (*job)->retry_after_seconds,
                         .message = (*job)->description};
  FillInPlace(outcome);
  return Finish(std::move(outcome));
}

Execution::Step::Seen Execution::Step::Observe() const {
  ASSIGN_OR_RETURN(std::vector<ObservedNode> nodes, runtime().List());
  for (ObservedNode& seen : nodes) {
    if (seen.node_id != command.node_id) continue;
    if (!seen.unreadable.empty()) return Fail(DataLoss("NODE_UNREADABLE", seen.unreadable));
    return std::move(seen);
  }
  return std::nullopt;
}

NextStep Execution::Step::FinishInPlace() const {
  CommandOutcome outcome{};
  FillInPlace(outcome);
  auto old = OldSpec();
  const bool works = !node->failed || (old && outcome.config_id == old->config_id);
  NextStep next = Finish(std::move(outcome));
  if (node->failed && works) {
    JournalNode& changed = next.change.put_nodes.emplace_back(*node);
    changed.failed = false;
    changed.mending = Mending::kNothing;
  }
  return next;
}

NextStep Execution::Step::FinishNew(RunState state) const {
  CommandOutcome outcome{.run_state = state};
  if (auto spec = NewSpec()) outcome.config_id = spec->config_id;
  NextStep next = Finish(std::move(outcome));
  next.change.put_nodes.push_back(
      {.node_id = command.node_id, .payload = command.payload, .should_run = should_run()});
  return next;
}

NextStep Execution::Step::FinishUndone() const {
  CommandOutcome outcome{
      .result = command.undo_incomplete ? CommandResult::kFailure : CommandResult::kRollback,
      .message = command.failure};
  if (command.undo_incomplete)
    outcome.message = "the old disk is too small for the data now; " + outcome.message;
  if (auto old = OldSpec()) outcome.config_id = old->config_id;
  outcome.run_state = node->should_run ? RunState::kRunning : RunState::kStopped;
  NextStep next = Finish(std::move(outcome));
  JournalNode& changed = next.change.put_nodes.emplace_back(*node);
  changed.failed = false;
  changed.mending = Mending::kNothing;
  changed.payload = OldPayload(true);
  return next;
}

NextStep Execution::Step::FinishFailed(const Error* also) const {
  CommandOutcome outcome{.result = CommandResult::kFailure, .message = command.failure};
  if (also != nullptr) {
    if (!outcome.message.empty()) outcome.message += "; and undoing that failed: ";
    outcome.message += also->message;
  }
  auto seen = Observe();
  const bool runs = NameWhatRuns(seen, outcome);
  if (!seen) outcome.message += "; and what runs could not be determined: " + seen.error().message;
  if (!runs && seen && *seen) {
    outcome.run_state = RunState::kFailed;
    // A node that could not be stopped or started is still there, and may be started again.
    const bool stays = !IsTransition(command.kind) && command.kind != CommandKind::kDelete;
    if (stays) outcome.config_id = (*seen)->config_id;
  }
  // If the new config stays in place, the next failed command returns to it, because it is what the
  // control plane believes to run.
  auto spec = NewSpec();
  const bool new_one_stays =
      runs && ChangesConfig(command.kind) && spec && spec->config_id == (*seen)->config_id;
  JournalNode changed;
  changed.node_id = command.node_id;
  if (node != nullptr) changed = *node;
  if (node == nullptr || new_one_stays) changed.payload = command.payload;
  // If the intended config is running, keep supervising it even though it is unhealthy.
  bool old_one_runs = false;
  if (runs && node != nullptr) {
    auto old = OldSpec();
    old_one_runs = old && (*seen)->config_id == old->config_id;
  }
  if (IsTransition(command.kind) || old_one_runs) {
    changed.failed = !old_one_runs;
    changed.mending = Mending::kNothing;
  }
  if (ChangesConfig(command.kind) && changed.failed && !new_one_stays)
    changed.mending = node == nullptr ? Mending::kRemove : Mending::kPutBack;
  const bool undone = command.stage == Stage::kUndoStart || command.stage == Stage::kUndoAwait;
  // While the old config was never stopped, its disk was not touched.
  if (ChangesConfig(command.kind) && node != nullptr && !new_one_stays && (undone || !old_one_runs))
    changed.payload = OldPayload(undone);
  // A status says later what runs, but not that its disk has stayed larger: that is to stay held.
  if (ChangesConfig(command.kind) && KeptDisk(changed.payload) > 0)
    outcome.result = CommandResult::kFailure;
  NextStep next = Finish(std::move(outcome));
  // A failed delete tells nothing new about the node.
  if (node == nullptr && !ChangesConfig(command.kind)) return next;
  next.change.put_nodes.push_back(std::move(changed));
  return next;
}

}  // namespace tallyman::agent
