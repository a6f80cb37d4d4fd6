// Stops all nodes of a machine that is about to go down.
#pragma once

#include <chrono>
#include <functional>

#include "agent/runtime.h"
#include "base/log.h"

namespace tallyman::agent {

void SleepFor(std::chrono::milliseconds pause);

// Stops all nodes that `runtime` lists, concurrently, each with its own signal and grace period,
// and returns when all have ended. It does not touch the journal, so the next agent starts them
// again. A node that cannot be stopped does not prevent stopping the others; the error is then
// INTERNAL NODES_NOT_STOPPED, and the log says which and why. REQUIRES: no agent works with the
// same runtime. `wait` waits between two polls.
Status StopAllNodes(Runtime& runtime, Log& log,
                    const std::function<void(std::chrono::milliseconds)>& wait = SleepFor);

}  // namespace tallyman::agent
