#include "agent/execution.h"

#include <fmt/core.h>

#include <algorithm>

#include "agent/execution_step.h"
#include "agent/payload.h"

namespace tallyman::agent {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPauseFirst = std::chrono::seconds(1);
constexpr milliseconds kPauseMax = std::chrono::seconds(30);

bool IsUpgradeOrUpdate(CommandKind kind) {
  return kind == CommandKind::kUpgrade || kind == CommandKind::kUpdate;
}

}  // namespace

bool MayPass(const Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kResourceExhausted;
}

milliseconds PauseAfter(int failures) {
  return std::min(kPauseMax, kPauseFirst * (1 << std::clamp(failures - 1, 0, 10)));
}

Stage Execution::ResumeAt(Stage stage) {
  if (stage == Stage::kAwait) return Stage::kStart;
  if (stage == Stage::kUndoAwait) return Stage::kUndoStart;
  return stage;
}

NextStep Execution::TakeStep(const JournalCommand& command, const JournalNode* node,
                             Overtaken overtaken, StepProgress& progress) {
  return Step{*this, command, node, overtaken, progress}.Take();
}

NextStep Execution::Step::Take() {
  if (overtaken == Overtaken::kByDelete && command.kind != CommandKind::kDelete) return GiveUp();
  return TakeStage();
}

NextStep Execution::Step::TakeStage() {
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

Execution::Step::Tried Execution::Step::Try(Result<Progress> called, std::string_view doing,
                                            milliseconds patience) {
  using What = Tried::What;
  if (called && called->done) {
    progress.failing_since.reset();
    progress.failures = 0;
    return {};
  }
  if (called) return {What::kAgain, Wait(std::max(called->look_again, kLookAgainMin)), {}};
  Error error = std::move(called).error();
  // The agent is stopping: the command stays at this step.
  if (error.code == Code::kCanceled) return {What::kAgain, Wait(options().health_interval), {}};
  // After a create nothing would be left to which another config could apply.
  const bool hurry =
      overtaken == Overtaken::kByDelete || (overtaken == Overtaken::kByConfig && node != nullptr);
  if (MayPass(error) && !hurry) {
    if (!progress.failing_since) progress.failing_since = now();
    if (now() - *progress.failing_since < patience)
      return {What::kAgain, Wait(PauseAfter(++progress.failures)), {}};
  }
  const auto tried_for =
      progress.failing_since ? now() - *progress.failing_since : std::chrono::microseconds(0);
  progress.failing_since.reset();
  progress.failures = 0;
  error.message = fmt::format("while {}: {}", doing, error.message);
  if (tried_for > std::chrono::seconds(1)) {
    error.message += fmt::format(" (tried again for {} s)",
                                 std::chrono::ceil<std::chrono::seconds>(tried_for).count());
  }
  return {What::kFailed, {}, std::move(error)};
}

NextStep Execution::Step::Begin() {
  if (command.kind == CommandKind::kDelete) return BeginDelete();
  if (IsTransition(command.kind)) return BeginReplace();
  if (node == nullptr) return RefuseUnknown();
  Stage first = command.kind == CommandKind::kStart ? Stage::kStart : Stage::kStop;
  if (PutsBack()) first = Stage::kPrepare;
  NextStep next = GoTo(first);
  if (auto busy = command.kind == CommandKind::kRestart ? FinishBusy() : std::nullopt)
    return std::move(*busy);
  JournalNode changed = *node;
  changed.should_run = command.kind != CommandKind::kStop;
  next.change.put_nodes.push_back(std::move(changed));
  return next;
}

NextStep Execution::Step::BeginDelete() {
  if (node == nullptr) {
    auto seen = Observe();
    if (seen && !*seen)
      return Refuse(CommandResult::kNodeNotFound, "this host has nothing of the node");
    return GoTo(Stage::kRemove);
  }
  NextStep next = GoTo(Stage::kRemove);
  // In any case the node must not be started again.
  JournalNode changed = *node;
  changed.should_run = false;
  next.change.put_nodes.push_back(std::move(changed));
  return next;
}

NextStep Execution::Step::BeginReplace() {
  if (node == nullptr && IsUpgradeOrUpdate(command.kind)) return RefuseUnknown();
  auto spec = NewSpec();
  if (!spec) return Refuse(CommandResult::kNotSupported, spec.error().message);
  if (spec->node_id != command.node_id)
    return Refuse(CommandResult::kNotSupported, "the command's payload names another node");
  if (auto busy = node != nullptr && node->should_run ? FinishBusy() : std::nullopt)
    return std::move(*busy);
  return GoTo(Stage::kPrepare);
}

NextStep Execution::Step::Prepare() {
  auto spec = Target();
  if (!spec) return Refuse(CommandResult::kNotSupported, spec.error().message);
  Tried tried = Try(runtime().Prepare(*spec), "fetching its image", options().retry_time);
  if (tried.is_done()) return GoTo(Stage::kStop);
  const bool is_upgrade = IsUpgradeOrUpdate(command.kind);
  if (tried.what == Tried::What::kAgain) {
    // Nothing was changed yet, and this config is no longer requested.
    if (is_upgrade && overtaken == Overtaken::kByConfig)
      return Refuse(CommandResult::kRollback, "given up: a later command asks for another config");
    return std::move(tried.again);
  }
  if (!IsTransition(command.kind)) return FinishFailed(&tried.error);
  if (tried.error.code == Code::kUnimplemented)
    return Refuse(CommandResult::kNotSupported, tried.error.message);
  // Nothing was changed; only the leftovers of a create must be removed.
  if (node == nullptr) return Undo(tried.error);
  return Refuse(CommandResult::kRollback, tried.error.message);
}

NextStep Execution::Step::Stop() {
  Tried tried = Try(runtime().Stop(command.node_id), "stopping it", options().retry_time);
  if (tried.what == Tried::What::kAgain) return std::move(tried.again);
  if (IsTransition(command.kind))
    return tried.is_done() ? GoTo(Stage::kInstall) : Undo(tried.error);
  if (!tried.is_done()) return FinishFailed(&tried.error);
  if (command.kind == CommandKind::kStop) return FinishInPlace();
  return GoTo(progress.remade || PutsBack() ? Stage::kInstall : Stage::kStart);
}

NextStep Execution::Step::Install() {
  auto spec = Target();
  if (!spec) return IsTransition(command.kind) ? Undo(spec.error()) : FinishFailed(&spec.error());
  auto old = node == nullptr ? spec : OldSpec();
  Tried tried =
      Try(runtime().Install(*spec), Installing(old ? *old : *spec, *spec), options().retry_time);
  if (tried.what == Tried::What::kAgain) return std::move(tried.again);
  if (!IsTransition(command.kind))
    return tried.is_done() ? GoTo(Stage::kStart) : FinishFailed(&tried.error);
  if (!tried.is_done()) return Undo(tried.error);
  return should_run() ? GoTo(Stage::kStart) : FinishNew(RunState::kStopped);
}

NextStep Execution::Step::Start() {
  Tried tried = Try(runtime().Start(command.node_id), "starting it", options().retry_time);
  if (tried.what == Tried::What::kAgain) return std::move(tried.again);
  if (IsTransition(command.kind)) {
    progress = {};
    return tried.is_done() ? GoTo(Stage::kAwait) : Undo(tried.error);
  }
  if (tried.is_done()) return FinishInPlace();
  if (progress.remade || PutsBack()) return FinishFailed(&tried.error);
  // Its files may be gone or broken: recreate them, once.
  progress.remade = true;
  return GoTo(Stage::kPrepare);
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
  return Wait(options().health_interval);
}

NextStep Execution::Step::Remove() {
  Tried tried = Try(runtime().Remove(command.node_id), "removing it", options().undo_retry_time);
  if (tried.what == Tried::What::kAgain) return std::move(tried.again);
  if (!tried.is_done()) return FinishFailed(&tried.error);
  NextStep next = Finish({});
  next.change.erased_nodes.push_back(command.node_id);
  return next;
}

NextStep Execution::Step::GiveUp() {
  constexpr const char* kWhy = "given up: the node will be deleted";
  if (command.stage == Stage::kAccepted) return Refuse(CommandResult::kRollback, kWhy);
  Tried tried = Try(runtime().Remove(command.node_id), "removing it", options().undo_retry_time);
  if (tried.what == Tried::What::kAgain) return std::move(tried.again);
  if (!tried.is_done()) return FinishFailed(&tried.error);
  // Nothing is left of a create, as after its rollback, nor of what ran before any other command.
  const bool is_create = command.kind == CommandKind::kCreate;
  NextStep next = Finish(
      {.result = is_create ? CommandResult::kRollback : CommandResult::kFailure, .message = kWhy});
  next.change.erased_nodes.push_back(command.node_id);
  return next;
}

}  // namespace tallyman::agent
