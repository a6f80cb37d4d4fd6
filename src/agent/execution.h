// How one command is carried out, a step at a time: decides which step comes next, takes it, and
// says what the journal has to hold before the one after it.
//
// No call waits. A step that is not done, or that failed for a reason which may pass by itself, is
// taken again later. Keeps nothing itself. Not thread-safe for one node; different nodes may be
// worked on side by side. Nothing here talks to the control plane.
#pragma once

#include <chrono>
#include <optional>

#include "agent/journal.h"
#include "agent/runtime.h"
#include "base/clock.h"

namespace tallyman {

struct ExecutionOptions {
  // How long a node may take to become healthy, and how long it has to stay so.
  std::chrono::milliseconds health_deadline = std::chrono::minutes(5);
  std::chrono::milliseconds settle_time = std::chrono::seconds(2);
  std::chrono::milliseconds health_interval = std::chrono::milliseconds(500);
  // How long a step is tried again whose error may pass; and one that puts back what was there.
  std::chrono::milliseconds retry_time = std::chrono::minutes(10);
  std::chrono::milliseconds undo_retry_time = std::chrono::hours(1);
};

// Errors that may pass without anybody changing the node or its image; see runtime.h.
bool MayPass(const Error& error);
// Before the next try after so many failures: doubles from a second to half a minute.
std::chrono::milliseconds PauseAfter(int failures);

// How long a step has been waited for. Not written down: an agent that comes back waits anew.
struct StepProgress {
  std::optional<SteadyTime> awaiting_since;
  std::optional<SteadyTime> healthy_since;
  // The step fails since then, for reasons that may pass.
  std::optional<SteadyTime> failing_since;
  int failures = 0;
  // What the container is made from was made again, because it could not be started.
  bool remade = false;
  // The old image is there again. (Another call for it would end what installs it.)
  bool old_fetched = false;
};

// What a later command of the node, which may be begun, asks of the one under way; the larger wins.
enum class Overtaken {
  kNo,
  kByConfig,  // another config is asked for: nothing is waited for that changes nothing yet
  kByDelete,  // the node is to go: what is under way is given up at once
};

struct NextStep {
  JournalChange change;
  // Nothing is to be done before this has passed.
  std::chrono::milliseconds wait{0};
};

class Execution {
 public:
  Execution(Runtime& runtime, Clock& clock, const ExecutionOptions& options)
      : runtime_(runtime), clock_(clock), options_(options) {}

  // Takes the step that `command` stands at. `node`: what the journal has of its node; null:
  // nothing. REQUIRES: the stage is neither kFetched nor kDone.
  NextStep TakeStep(const JournalCommand& command, const JournalNode* node, Overtaken overtaken,
                    StepProgress& progress);

  // Where an agent that comes back goes on.
  static Stage ResumeAt(Stage stage);

 private:
  struct Step;  // one call of TakeStep; execution_step.h
  Runtime& runtime_;
  Clock& clock_;
  ExecutionOptions options_;
};

}  // namespace tallyman
