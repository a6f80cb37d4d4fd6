// What a host's capacity may be, and what to say of a host that carries more than it has.
#pragma once

#include <vector>

#include "base/result.h"
#include "model/host.h"
#include "planner/policy.h"

namespace tallyman::planner {

// Beyond any machine that there is; keeps sums over a fleet within 64 bits.
inline constexpr Resources kHostMax = {1'000'000, 1024 * kTebi, 1024 * 1024 * kTebi};

// INVALID_ARGUMENT INVALID_CAPACITY names dimension and value unless each is 1 to kHostMax.
Status CheckCapacityAmounts(const Resources& capacity);

// One OVER_CAPACITY per dimension in which books and holds exceed the capacity.
std::vector<Warning> OverCapacity(const Host& host);

}  // namespace tallyman::planner
