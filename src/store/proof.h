// What every backend proves and compares: pure functions over rows.
#pragma once

#include <optional>
#include <vector>

#include "model/change_set.h"

namespace tallyman::store {

// The hosts whose books must balance after these changes, in id order.
std::vector<HostId> HostsTouched(const std::vector<ChangeSet>& changes);

// What a node's host must reserve for it beyond its charge.
Resources HoldOf(const Resources& charged, const std::optional<Resources>& running,
                 const std::vector<Transition>& transitions);

}  // namespace tallyman::store
