// Holds: resources reserved for a node while a transition of it is open.
#pragma once

#include <optional>
#include <span>

#include "model/command.h"

namespace tallyman::planner {

// Per dimension the largest of what runs, of the targets of all pending transitions and of both
// ends of each failed one, minus what the books charge, never below zero.
Resources HoldFor(const Resources& charged, const std::optional<Resources>& running,
                  std::span<const Transition> transitions);

}  // namespace tallyman::planner
