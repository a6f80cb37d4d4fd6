#include "agent/execution.h"

#include <fmt/format.h>

#include "agent/payload.h"

namespace tallyman {
namespace {

constexpr size_t kMessageBytesMax = 1000;

std::string Message(const Error& error) {
  std::string text = error.message.substr(0, kMessageBytesMax);
  // Not in the middle of a character.
  while (!text.empty() && text.size() == kMessageBytesMax && (text.back() & 0xC0) == 0x80)
    text.pop_back();
  return text;
}

bool IsUpgradeOrUpdate(CommandKind kind) {
  return kind == CommandKind::kUpgrade || kind == CommandKind::kUpdate;
}

}  // namespace

struct Execution::Step {
  Execution& execution;
  const JournalCommand& command;
  const JournalNode* node;
  WaitProgress& progress;

  Runtime& runtime() const { return execution.runtime_; }
  Time now() const { return execution.clock_.Now(); }

  NextStep Take();

  NextStep Begin();
  NextStep BeginDelete();
  NextStep BeginReplace();
  NextStep Prepare();
  NextStep Stop();
  NextStep Install();
  NextStep Start();
  NextStep Await();
  NextStep UndoStop();
  NextStep UndoInstall();
  NextStep UndoStart();
  NextStep UndoAwait();
  NextStep Remove();

  NextStep GoTo(Stage stage) const;
  // The step failed: what was there before comes back.
  NextStep Undo(const Error& why) const;
  // The step was not taken, because the agent is to end: it stays where it is.
  NextStep Again() const { return {.change = {}, .wait = execution.options_.health_interval}; }
  NextStep Finish(CommandOutcome outcome) const;
  NextStep Refuse(CommandResult result, std::string message) const;
  // Of a node that the journal does not know; what runs of it all the same is named.
  NextStep RefuseUnknown() const;
  // The node says that it must not be disturbed now; nullopt: it does not.
  std::optional<NextStep> FinishBusy() const;
  NextStep FinishNew(RunState state) const;
  NextStep FinishUndone() const;
  // Neither new nor old: the machine is asked what is there.
  NextStep FinishFailed(const Error* also) const;

  // What the journal says is in place, as an outcome names it.
  void FillInPlace(CommandOutcome& outcome) const;
  using Seen = Result<std::optional<ObservedNode>>;
  Seen Observe() const;
  // Into the outcome: the config that runs, or that it cannot be seen. False: none is seen to run.
  static bool NameWhatRuns(const Seen& seen, CommandOutcome& outcome);
  Result<NodeSpec> OldSpec() const { return ParsePayload(node->payload); }
  Result<NodeSpec> NewSpec() const { return ParsePayload(command.payload); }
  bool should_run() const { return node == nullptr || node->should_run; }

  enum class Awaited { kYet, kHealthy, kNever };
  Awaited AwaitHealth(std::string& why) const;
};

Stage Execution::ResumeAt(Stage stage) {
  if (stage == Stage::kAwait) return Stage::kStart;
  if (stage == Stage::kUndoAwait) return Stage::kUndoStart;
  return stage;
}

NextStep Execution::TakeStep(const JournalCommand& command, const JournalNode* node,
                             WaitProgress& progress) {
  return Step{*this, command, node, progress}.Take();
}

NextStep Execution::Step::Take() {
  switch (command.stage) {
    case Stage::kAccepted:
      return Begin();
    case Stage::kPrepare:
      return Prepare();
    case Stage::kStop:
      return Stop();
    case Stage::kInstall:
      return Install();
    case Stage::kStart:
      return Start();
    case Stage::kAwait:
      return Await();
    case Stage::kUndoStop:
      return UndoStop();
    case Stage::kUndoInstall:
      return UndoInstall();
    case Stage::kUndoStart:
      return UndoStart();
    case Stage::kUndoAwait:
      return UndoAwait();
    case Stage::kRemove:
      return Remove();
    case Stage::kFetched:
    case Stage::kDone:
      break;
  }
  return {};
}

NextStep Execution::Step::GoTo(Stage stage) const {
  NextStep next;
  next.change.put_commands.push_back(command);
  next.change.put_commands.back().stage = stage;
  return next;
}

NextStep Execution::Step::Undo(const Error& why) const {
  NextStep next = GoTo(Stage::kUndoStop);
  next.change.put_commands.back().failure = Message(why);
  return next;
}

NextStep Execution::Step::Finish(CommandOutcome outcome) const {
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
  // A node that failed has in place what is really there.
  if (node->failed) {
    NameWhatRuns(Observe(), outcome);
    return;
  }
  if (auto old = OldSpec()) outcome.config_id = old->config_id;
  outcome.run_state = node->should_run ? RunState::kRunning : RunState::kStopped;
}

NextStep Execution::Step::Refuse(CommandResult result, std::string message) const {
  CommandOutcome outcome{.result = result, .config_id = {}, .message = std::move(message)};
  FillInPlace(outcome);
  return Finish(std::move(outcome));
}

std::optional<NextStep> Execution::Step::FinishBusy() const {
  auto job = runtime().FindBlockingJob(command.node_id);
  if (!job || !*job) return std::nullopt;
  CommandOutcome outcome{.result = CommandResult::kBlockingJobRunning,
                         .config_id = {},
                         .retry_after_seconds = (*job)->retry_after_seconds,
                         .message = (*job)->description};
  FillInPlace(outcome);
  return Finish(std::move(outcome));
}

Execution::Step::Seen Execution::Step::Observe() const {
  ASSIGN_OR_RETURN(std::vector<ObservedNode> nodes, runtime().List());
  for (ObservedNode& seen : nodes) {
    if (seen.node_id == command.node_id) return std::move(seen);
  }
  return std::nullopt;
}

NextStep Execution::Step::Begin() {
  if (command.kind == CommandKind::kDelete) return BeginDelete();
  if (IsTransition(command.kind)) return BeginReplace();
  if (node == nullptr) return RefuseUnknown();
  NextStep next = GoTo(command.kind == CommandKind::kStart ? Stage::kStart : Stage::kStop);
  if (auto busy = command.kind == CommandKind::kRestart ? FinishBusy() : std::nullopt)
    return std::move(*busy);
  JournalNode changed = *node;
  changed.should_run = command.kind != CommandKind::kStop;
  next.change.put_nodes.push_back(std::move(changed));
  return next;
}

NextStep Execution::Step::RefuseUnknown() const {
  auto seen = Observe();
  if (seen && !*seen)
    return Refuse(CommandResult::kNodeNotFound, "there is nothing of the node on this host");
  CommandOutcome outcome{.result = CommandResult::kNotSupported,
                         .config_id = {},
                         .message =
                             "this host's journal does not know what it runs for the node, "
                             "so it could not put it back"};
  NameWhatRuns(seen, outcome);
  return Finish(std::move(outcome));
}

NextStep Execution::Step::BeginDelete() {
  if (node == nullptr) {
    auto seen = Observe();
    if (seen && !*seen)
      return Refuse(CommandResult::kNodeNotFound, "there is nothing of the node on this host");
    return GoTo(Stage::kRemove);
  }
  NextStep next = GoTo(Stage::kRemove);
  // Whatever becomes of it, it is not to be started again.
  JournalNode changed = *node;
  changed.should_run = false;
  next.change.put_nodes.push_back(std::move(changed));
  return next;
}

NextStep Execution::Step::BeginReplace() {
  if (node == nullptr && IsUpgradeOrUpdate(command.kind)) return RefuseUnknown();
  auto spec = NewSpec();
  if (!spec) return Refuse(CommandResult::kNotSupported, Message(spec.error()));
  if (spec->node_id != command.node_id)
    return Refuse(CommandResult::kNotSupported, "the command's payload is of another node");
  if (auto busy = node != nullptr && node->should_run ? FinishBusy() : std::nullopt)
    return std::move(*busy);
  return GoTo(Stage::kPrepare);
}

NextStep Execution::Step::Prepare() {
  auto spec = NewSpec();
  if (!spec) return Refuse(CommandResult::kNotSupported, Message(spec.error()));
  Status prepared = runtime().Prepare(*spec);
  if (prepared) return GoTo(Stage::kStop);
  if (prepared.error().code == Code::kCanceled) return Again();
  if (prepared.error().code == Code::kUnimplemented)
    return Refuse(CommandResult::kNotSupported, Message(prepared.error()));
  // Nothing was disturbed; only what a create has left behind is to be cleared away.
  if (node == nullptr) return Undo(prepared.error());
  return Refuse(CommandResult::kRollback, Message(prepared.error()));
}

NextStep Execution::Step::Stop() {
  Status stopped = runtime().Stop(command.node_id);
  if (command.kind == CommandKind::kStop || command.kind == CommandKind::kRestart) {
    if (!stopped) return FinishFailed(&stopped.error());
    if (command.kind == CommandKind::kRestart) return GoTo(Stage::kStart);
    CommandOutcome outcome{.config_id = {}, .message = {}};
    FillInPlace(outcome);
    return Finish(std::move(outcome));
  }
  return stopped ? GoTo(Stage::kInstall) : Undo(stopped.error());
}

NextStep Execution::Step::Install() {
  auto spec = NewSpec();
  Status installed = spec ? runtime().Install(*spec) : Fail(spec.error());
  if (!installed) return Undo(installed.error());
  return should_run() ? GoTo(Stage::kStart) : FinishNew(RunState::kStopped);
}

NextStep Execution::Step::Start() {
  Status started = runtime().Start(command.node_id);
  progress = {};
  if (IsTransition(command.kind)) return started ? GoTo(Stage::kAwait) : Undo(started.error());
  if (!started) return FinishFailed(&started.error());
  CommandOutcome outcome{.config_id = {}, .message = {}};
  FillInPlace(outcome);
  return Finish(std::move(outcome));
}

Execution::Step::Awaited Execution::Step::AwaitHealth(std::string& why) const {
  if (!progress.awaiting_since) progress.awaiting_since = now();
  auto health = runtime().CheckHealth(command.node_id);
  if (health && *health == NodeHealth::kHealthy) {
    if (!progress.healthy_since) progress.healthy_since = now();
    return now() - *progress.healthy_since >= execution.options_.settle_time ? Awaited::kHealthy
                                                                             : Awaited::kYet;
  }
  progress.healthy_since.reset();
  if (health && *health == NodeHealth::kNotRunning) {
    why = "its container ended as soon as it was started";
    return Awaited::kNever;
  }
  if (now() - *progress.awaiting_since < execution.options_.health_deadline) return Awaited::kYet;
  why = fmt::format(
      "it did not become healthy within {} s: {}",
      std::chrono::ceil<std::chrono::seconds>(execution.options_.health_deadline).count(),
      health ? "its health command fails" : Message(health.error()));
  return Awaited::kNever;
}

NextStep Execution::Step::Await() {
  std::string why;
  switch (AwaitHealth(why)) {
    case Awaited::kHealthy:
      return FinishNew(RunState::kRunning);
    case Awaited::kNever:
      return Undo(Internal("NODE_NOT_HEALTHY", why));
    case Awaited::kYet:
      break;
  }
  NextStep next;
  next.wait = execution.options_.health_interval;
  return next;
}

NextStep Execution::Step::FinishNew(RunState state) const {
  CommandOutcome outcome{.config_id = {}, .run_state = state, .message = {}};
  if (auto spec = NewSpec()) outcome.config_id = spec->config_id;
  NextStep next = Finish(std::move(outcome));
  next.change.put_nodes.push_back({.node_id = command.node_id,
                                   .payload = command.payload,
                                   .should_run = should_run(),
                                   .failed = false});
  return next;
}

NextStep Execution::Step::UndoStop() {
  if (node == nullptr) {
    Status removed = runtime().Remove(command.node_id);
    if (!removed) return FinishFailed(&removed.error());
    return Finish(
        {.result = CommandResult::kRollback, .config_id = {}, .message = command.failure});
  }
  Status stopped = runtime().Stop(command.node_id);
  return stopped ? GoTo(Stage::kUndoInstall) : FinishFailed(&stopped.error());
}

NextStep Execution::Step::UndoInstall() {
  auto old = OldSpec();
  if (!old) return FinishFailed(&old.error());
  // Its image is still there, unless somebody removed it by hand.
  Status installed = runtime().Prepare(*old);
  if (!installed && installed.error().code == Code::kCanceled) return Again();
  if (installed) installed = runtime().Install(*old);
  bool incomplete = command.undo_incomplete;
  if (!installed && installed.error().reason == "DISK_DATA_DOES_NOT_FIT") {
    // The new one has written more than the old disk holds: the old one runs on the new disk,
    // which the books still hold, and the outcome says that not all was undone.
    if (auto spec = NewSpec()) {
      old->resources.disk_bytes = std::max(old->resources.disk_bytes, spec->resources.disk_bytes);
      installed = runtime().Prepare(*old);
      if (installed) installed = runtime().Install(*old);
      incomplete = true;
    }
  }
  if (!installed) return FinishFailed(&installed.error());
  if (!node->should_run) return FinishUndone();
  NextStep next = GoTo(Stage::kUndoStart);
  next.change.put_commands.back().undo_incomplete = incomplete;
  return next;
}

NextStep Execution::Step::UndoStart() {
  Status started = runtime().Start(command.node_id);
  progress = {};
  return started ? GoTo(Stage::kUndoAwait) : FinishFailed(&started.error());
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
  NextStep next;
  next.wait = execution.options_.health_interval;
  return next;
}

NextStep Execution::Step::FinishUndone() const {
  CommandOutcome outcome{
      .result = command.undo_incomplete ? CommandResult::kFailure : CommandResult::kRollback,
      .config_id = {},
      .message = command.failure};
  if (command.undo_incomplete)
    outcome.message = "the old disk is too small for the data now; " + outcome.message;
  if (auto old = OldSpec()) outcome.config_id = old->config_id;
  outcome.run_state = node->should_run ? RunState::kRunning : RunState::kStopped;
  NextStep next = Finish(std::move(outcome));
  next.change.put_nodes.push_back(*node);
  next.change.put_nodes.back().failed = false;
  return next;
}

NextStep Execution::Step::FinishFailed(const Error* also) const {
  CommandOutcome outcome{
      .result = CommandResult::kFailure, .config_id = {}, .message = command.failure};
  if (also != nullptr) {
    if (!outcome.message.empty()) outcome.message += "; and undoing that failed: ";
    outcome.message += Message(*also);
  }
  auto seen = Observe();
  const bool runs = NameWhatRuns(seen, outcome);
  if (!seen) outcome.message += "; and it cannot be seen what runs: " + Message(seen.error());
  if (!runs && seen && *seen) {
    outcome.run_state = RunState::kFailed;
    // What could not be stopped or started is still there, and may be started again.
    const bool stays = !IsTransition(command.kind) && command.kind != CommandKind::kDelete;
    if (stays) outcome.config_id = (*seen)->config_id;
  }
  NextStep next = Finish(std::move(outcome));
  // When the new one stays in place, the next command that fails goes back to it: that is what the
  // control plane has heard to run.
  auto spec = NewSpec();
  const bool new_one_stays =
      runs && ChangesConfig(command.kind) && spec && spec->config_id == (*seen)->config_id;
  if (node == nullptr && !new_one_stays) return next;
  JournalNode changed;
  changed.node_id = command.node_id;
  if (node != nullptr) changed = *node;
  if (new_one_stays) changed.payload = command.payload;
  // What runs and is what it is to be, even if it is not healthy, is looked after as before.
  bool old_one_runs = false;
  if (runs && node != nullptr) {
    auto old = OldSpec();
    old_one_runs = old && (*seen)->config_id == old->config_id;
  }
  changed.failed = IsTransition(command.kind) && !old_one_runs;
  next.change.put_nodes.push_back(std::move(changed));
  return next;
}

NextStep Execution::Step::Remove() {
  Status removed = runtime().Remove(command.node_id);
  if (!removed) return FinishFailed(&removed.error());
  NextStep next = Finish({.config_id = {}, .message = {}});
  next.change.erased_nodes.push_back(command.node_id);
  return next;
}

}  // namespace tallyman
