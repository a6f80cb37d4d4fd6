// What every backend proves and compares, whatever its SQL: pure functions over rows.
#pragma once

#include <optional>
#include <vector>

#include "model/change_set.h"

namespace tallyman {

// The hosts whose books have to balance when these changes are written, in id order.
std::vector<HostId> HostsTouched(const std::vector<ChangeSet>& changes);

// What a node's host has to keep aside for it beyond what it is charged.
Resources HoldOf(const Resources& charged, const std::optional<Resources>& running,
                 const std::vector<Transition>& transitions);

}  // namespace tallyman
