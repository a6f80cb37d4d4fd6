// Stops all nodes of a machine that is about to go down.
#pragma once

#include <chrono>
#include <functional>

#include "agent/runtime.h"
#include "base/log.h"

namespace tallyman {

void SleepFor(std::chrono::milliseconds pause);

// Stops everything that `runtime` finds, side by side, each by its own signal and grace, and
// returns when all of it has ended. What should run is in the journal, which this does not touch:
// the next agent starts it again. One node that cannot be stopped keeps no other from being
// stopped; then the error is INTERNAL NODES_NOT_STOPPED, and the log says which and why. REQUIRES:
// no agent works with the same runtime. `wait` lets the time between two looks pass.
Status StopAllNodes(Runtime& runtime, Log& log,
                    const std::function<void(std::chrono::milliseconds)>& wait = SleepFor);

}  // namespace tallyman
