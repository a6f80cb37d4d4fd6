// How one command is carried out, a step at a time: decides which step comes next, takes it, and
// says what the journal has to hold before the one after it.
//
// Keeps nothing itself. Not thread-safe for one node; different nodes may be worked on side by
// side. Nothing here talks to the control plane.
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
};

// How long a node has been waited for. Not written down: an agent that comes back starts the node
// again, which does nothing where it runs, and waits anew.
struct WaitProgress {
  std::optional<Time> awaiting_since;
  std::optional<Time> healthy_since;
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
  NextStep TakeStep(const JournalCommand& command, const JournalNode* node, WaitProgress& progress);

  // Where an agent that comes back goes on.
  static Stage ResumeAt(Stage stage);

 private:
  struct Step;  // one call of TakeStep
  Runtime& runtime_;
  Clock& clock_;
  ExecutionOptions options_;
};

}  // namespace tallyman
