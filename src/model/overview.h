// A fleet as a few numbers, counted for one answer.
#pragma once

#include <array>
#include <optional>

#include "model/node.h"

namespace tallyman {

// Without those that are retired.
struct HostCounts {
  int64_t total = 0;
  int64_t silent = 0;
  int64_t never_heard = 0;
  int64_t cordoned = 0;
  int64_t draining = 0;       // among them; at rest or not yet
  int64_t over_capacity = 0;  // charges and holds exceed the capacity in a dimension
  int64_t with_problems = 0;  // as they reported last
  int64_t drifted = 0;        // counters or holds are not the sums over the live nodes

  int64_t live() const { return total - silent - never_heard; }
};

// Of commands that have not ended.
struct CommandCounts {
  int64_t open = 0;
  int64_t taken = 0;
  int64_t unknown = 0;
  int64_t late = 0;  // open ones made before the time that was asked about
  std::optional<Time> oldest_open_at;
};

struct FleetOverview {
  HostCounts hosts;
  // Live nodes, and those being deleted, by state.
  std::array<int64_t, EnumText<NodeState>::kWords.size()> nodes = {};
  // Of the live ones, as their hosts said last.
  int64_t unhealthy_nodes = 0;
  int64_t nodes_with_problems = 0;
  CommandCounts commands;
};

}  // namespace tallyman
