// Placement: which hosts take new nodes. Pure; the store hands in the candidates.
//
// A new node always fits: needed <= free in every dimension, an exact fit included.
#pragma once

#include <span>
#include <vector>

#include "model/host.h"
#include "model/placement.h"

namespace tallyman {

// Hosts for `count` nodes of `need` each, one after the other, each seeing the ones before. A host
// that was never heard gets one only while none that was heard has room.
// REQUIRES: `candidates` are the best `count` hosts of the strategy that fit one node (or all that
// do). RESOURCE_EXHAUSTED NO_HOST_FITS says for how many there was room and what each needs.
Result<std::vector<HostId>> PlaceInRegion(std::span<const Host* const> candidates,
                                          const Resources& need, int64_t count,
                                          PlacementStrategy strategy, std::string_view region);

// The nodes that a caller puts on one host himself fit it: RESOURCE_EXHAUSTED HOST_FULL names
// dimension, need and free.
Status CheckFits(const Host& host, const Resources& need, int64_t count);

}  // namespace tallyman
