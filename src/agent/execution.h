// Carries out one command, a step at a time: chooses the next step, takes it, and returns the
// change that the journal must hold before the following step.
//
// No call waits. A step that is not done, or that failed with a transient error, is taken again
// later. It has no state. Not thread-safe for one node; different nodes may be worked on
// concurrently. It never talks to the control plane.
#pragma once

#include <chrono>
#include <optional>

#include "agent/journal.h"
#include "agent/runtime.h"
#include "base/clock.h"

namespace tallyman::agent {

struct ExecutionOptions {
  // How long a node may take to become healthy, and how long it must stay healthy.
  std::chrono::milliseconds health_deadline = std::chrono::minutes(5);
  std::chrono::milliseconds settle_time = std::chrono::seconds(2);
  std::chrono::milliseconds health_interval = std::chrono::milliseconds(500);
  // How long a step with a transient error is retried, and how long a step that restores the old
  // state.
  std::chrono::milliseconds retry_time = std::chrono::minutes(10);
  std::chrono::milliseconds undo_retry_time = std::chrono::hours(1);
};

// Transient errors, which may pass without a change of the node or its image; see runtime.h.
bool MayPass(const Error& error);
// Exponential backoff: the pause before the next attempt doubles from a second to half a minute.
std::chrono::milliseconds PauseAfter(int failures);

// How long a step has been waited for. Not durable: a restarted agent starts to wait again.
struct StepProgress {
  std::optional<SteadyTime> awaiting_since;
  std::optional<SteadyTime> healthy_since;
  // Since when the step has failed with transient errors.
  std::optional<SteadyTime> failing_since;
  int failures = 0;
  // The container's files were recreated, because it could not be started.
  bool remade = false;
  // The old image is present again. (Another Prepare() would end the call that installs it.)
  bool old_fetched = false;
};

// What a later, accepted command of the node demands of the one in progress; the larger wins.
enum class Overtaken {
  kNo,
  kByConfig,  // another config is requested: give up a step that has changed nothing yet
  kByDelete,  // the node will be deleted: give up the command in progress at once
};

struct NextStep {
  JournalChange change;
  // The minimum time before the next step.
  std::chrono::milliseconds wait{0};
};

class Execution {
 public:
  Execution(Runtime& runtime, Clock& clock, const ExecutionOptions& options)
      : runtime_(runtime), clock_(clock), options_(options) {}

  // Takes the step at the stage of `command`. `node` is its node in the journal; null: unknown.
  // REQUIRES: the stage is neither kFetched nor kDone.
  NextStep TakeStep(const JournalCommand& command, const JournalNode* node, Overtaken overtaken,
                    StepProgress& progress);

  // The stage at which a restarted agent resumes.
  static Stage ResumeAt(Stage stage);

 private:
  struct Step;  // one call of TakeStep; execution_step.h
  Runtime& runtime_;
  Clock& clock_;
  ExecutionOptions options_;
};

}  // namespace tallyman::agent
