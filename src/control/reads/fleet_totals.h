// The fleet as a few numbers, for whoever watches over it. Read by the server itself, so nobody is
// asked whether he may.
#pragma once

#include <array>
#include <chrono>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "control/control.h"
#include "model/command.h"
#include "model/rollout.h"

namespace tallyman::control {

// Sums over a whole fleet are for looking at, not for deciding: they are not exact beyond 2^53.
struct TotalAmounts {
  double cpu_cores = 0;
  double memory_bytes = 0;
  double disk_bytes = 0;
};

struct RegionTotals {
  std::string region;
  int64_t hosts = 0;
  int64_t silent_hosts = 0;
  int64_t never_heard_hosts = 0;
  int64_t cordoned_hosts = 0;
  int64_t nodes = 0;
  TotalAmounts capacity;
  TotalAmounts allocated;  // as the books say
  TotalAmounts held;
};

// Transitions that have not ended, by state and by how long they have been open.
struct OpenTransitions {
  CommandState state = CommandState::kOpen;
  // Younger than a minute, than ten, than an hour, than a day, and older.
  std::array<int64_t, 5> by_age{};
};
inline constexpr std::array<std::string_view, 5> kTransitionAges = {"1m", "10m", "1h", "1d",
                                                                    "older"};

// Rollouts that have not ended.
struct RolloutTotals {
  // By state and, of paused ones, by the word that says why.
  std::map<std::pair<RolloutState, std::string>, int64_t> rollouts;
  std::map<RolloutNodeState, int64_t> nodes;
  // Of the running one that was without progress for longest.
  std::chrono::microseconds without_progress{};
};

struct FleetTotals {
  std::vector<RegionTotals> regions;  // by name; those with hosts
  std::vector<OpenTransitions> transitions;
  ReportedTotals reported;
  RolloutTotals rollouts;
};

// Time that grows with the hosts and the open commands, memory that does not.
Result<FleetTotals> ReadFleetTotals(Control& control);

}  // namespace tallyman::control
