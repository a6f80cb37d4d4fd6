// The order in which nodes of one host may be changed, one after another, so that no change is
// without room. Pure.
//
// To release a change takes (after - before) of the host, and to settle it gives (before - after)
// back, both per dimension and where positive. So what shrinks goes first, and what grows goes into
// the room that this leaves.
#pragma once

#include <span>
#include <vector>

#include "model/ids.h"
#include "model/resources.h"

namespace tallyman::planner {

// What a node is charged for before and after its change; no amount is negative.
struct CapacityMove {
  NodeId node;
  Resources before;
  Resources after;
};

// A node for which the others leave too little room.
struct BlockedMove {
  NodeId node;
  Dimension dimension;  // the first that lacks room
  int64_t need;         // how much more the node takes there
  int64_t free;         // what is left there when all of `order` are done; may be below zero

  friend bool operator==(const BlockedMove&, const BlockedMove&) = default;
};

struct CapacityOrder {
  std::vector<NodeId> order;
  std::vector<BlockedMove> blocked;
};

// Each node of `moves` is in one of the two lists. Done in `order`, each is settled before the next
// is released, and fits; a dimension that does not grow needs no room, even where
// `free` is below zero. None of `blocked` fits afterwards.
//
// First come those that grow nowhere, then those that grow in one dimension and shrink in another,
// as soon as they fit, the ones that free most first, then those that only grow, the smallest
// first: cores decide, then memory, then disk, then the id. If no node both grows and shrinks, all
// are ordered whenever the end state fits; else a better order may exist.
CapacityOrder OrderByCapacity(const Resources& free, std::span<const CapacityMove> moves);

}  // namespace tallyman::planner
