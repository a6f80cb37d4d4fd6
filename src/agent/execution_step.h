// One call of Execution::TakeStep(): the steps themselves (execution.cc), putting back what was
// there (execution_undo.cc), and the outcomes (execution_outcome.cc). For those files only.
#pragma once

#include <string>
#include <string_view>

#include "agent/execution.h"

namespace tallyman {

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
  // The node is to go: what is under way ends, and what there is of the node goes with it.
  NextStep GiveUp();

  // What became of one call of the runtime.
  struct Tried {
    enum class What { kDone, kAgain, kFailed } what = What::kDone;
    NextStep again;
    Error error;  // names what was being done
    bool is_done() const { return what == What::kDone; }
  };
  Tried Try(Result<Progress> called, std::string_view doing, std::chrono::milliseconds patience);

  NextStep GoTo(Stage stage) const;
  NextStep Wait(std::chrono::milliseconds wait) const;
  // The step failed: what was there before comes back.
  NextStep Undo(const Error& why) const;
  NextStep Finish(CommandOutcome outcome) const;
  NextStep Refuse(CommandResult result, std::string message) const;
  // Of a node that the journal does not know; what runs of it all the same is named.
  NextStep RefuseUnknown() const;
  // The node says that it must not be disturbed now; nullopt: it does not.
  std::optional<NextStep> FinishBusy() const;
  NextStep FinishInPlace() const;
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

  Result<NodeSpec> OldSpec() const;
  Result<NodeSpec> NewSpec() const;
  // What is to be in place after the command.
  Result<NodeSpec> Target() const;
  bool should_run() const { return node == nullptr || node->should_run; }
  // "making its disk larger", for a message.
  std::string Installing(const NodeSpec& from, const NodeSpec& to) const;

  enum class Awaited { kYet, kHealthy, kNever };
  Awaited AwaitHealth(std::string& why) const;
};

}  // namespace tallyman
