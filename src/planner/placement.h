// Placement: chooses the hosts of new nodes. Pure; the store supplies the candidates.
//
// A new node always fits: needed <= free in every dimension, an exact fit included.
#pragma once

#include <span>
#include <vector>

#include "model/host.h"
#include "model/placement.h"

namespace tallyman::planner {

// Chooses hosts for `count` nodes of `need` each, one after another, each accounting for the
// earlier ones. A host that was never heard is chosen only while none that was heard has room.
// REQUIRES: `candidates` are the best `count` hosts of the strategy that fit one node (or all that
// do). RESOURCE_EXHAUSTED NO_HOST_FITS says how many fit and what each needs.
Result<std::vector<HostId>> PlaceInRegion(std::span<const Host* const> candidates,
                                          const Resources& need, int64_t count,
                                          PlacementStrategy strategy, std::string_view region);

// Checks that nodes that the caller places on one host fit it: RESOURCE_EXHAUSTED HOST_FULL names
// dimension, need and free.
Status CheckFits(const Host& host, const Resources& need, int64_t count);

}  // namespace tallyman::planner
