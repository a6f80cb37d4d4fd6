// One call of Execution::TakeStep(): the steps (execution.cc), undoing them (execution_undo.cc),
// and the outcomes (execution_outcome.cc). For those files only.
#pragma once

#include <string>
#include <string_view>

#include "agent/execution.h"

namespace tallyman::agent {

struct Execution::Step {
  Execution& execution;
  const JournalCommand& command;
  const JournalNode* node;
  const Overtaken overtaken;
  StepProgress& progress;

  Runtime& runtime() const { return execution.runtime_; }
  const ExecutionOptions& options() const { return execution.options_; }
  SteadyTime now() const { return execution.clock_.SteadyNow(); }

  NextStep Take();
  NextStep TakeStage();

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
  // The node will be deleted: ends the command in progress and removes what there is of the node.
  NextStep GiveUp();

  // The result of one call of the runtime.
  struct Tried {
    enum class What { kDone, kAgain, kFailed } what = What::kDone;
    NextStep again;
    Error error;  // says what was being done
    bool is_done() const { return what == What::kDone; }
  };
  Tried Try(Result<Progress> called, std::string_view doing, std::chrono::milliseconds patience);

  NextStep GoTo(Stage stage) const;
  NextStep Wait(std::chrono::milliseconds wait) const;
  // The step failed: restore the previous state.
  NextStep Undo(const Error& why) const;
  NextStep Finish(CommandOutcome outcome) const;
  NextStep Refuse(CommandResult result, std::string message) const;
  // For a node that the journal does not know; the outcome still names what runs of it.
  NextStep RefuseUnknown() const;
  // Ends the command if the node says that it must not be disturbed now; nullopt: it does not say
  // so.
  std::optional<NextStep> FinishBusy() const;
  NextStep FinishInPlace() const;
  NextStep FinishNew(RunState state) const;
  NextStep FinishUndone() const;
  // Neither the new nor the old config is certain: asks the machine what is there.
  NextStep FinishFailed(const Error* also) const;

  // Fills in what is in place according to the journal.
  void FillInPlace(CommandOutcome& outcome) const;
  using Seen = Result<std::optional<ObservedNode>>;
  Seen Observe() const;
  // Fills in the running config, or that it cannot be determined. False: none is seen running.
  static bool NameWhatRuns(const Seen& seen, CommandOutcome& outcome);

  Result<NodeSpec> OldSpec() const;
  Result<NodeSpec> NewSpec() const;
  // What is to be in place after the command.
  Result<NodeSpec> Target() const;
  // A start of a node that a failed command has left: never starts what that command installed.
  bool PutsBack() const;
  // The old payload with the disk that the machine may have now. `undone`: the old config was
  // installed again.
  std::string OldPayload(bool undone) const;
  bool should_run() const { return node == nullptr || node->should_run; }
  // "making its disk larger", for a message.
  std::string Installing(const NodeSpec& from, const NodeSpec& to) const;

  enum class Awaited { kYet, kHealthy, kNever };
  Awaited AwaitHealth(std::string& why) const;
};

}  // namespace tallyman::agent
