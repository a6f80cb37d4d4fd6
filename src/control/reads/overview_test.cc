#include "control/reads/overview.h"

#include <gtest/gtest.h>

#include <set>

namespace tallyman::control {
namespace {

std::set<std::string_view> ReasonsOf(const FleetOverview& overview, bool any_host_heard = true) {
  std::set<std::string_view> reasons;
  for (const Concern& concern : ConcernsOf(overview, any_host_heard)) {
    EXPECT_TRUE(reasons.insert(concern.reason).second);
    EXPECT_TRUE(concern.message.starts_with(std::to_string(concern.count) + " "))
        << concern.message;
  }
  return reasons;
}

FleetOverview WellFleet() {
  FleetOverview overview{.hosts = {.total = 9, .cordoned = 2},
                         .commands = {.open = 3, .taken = 1, .oldest_open_at = Time()}};
  overview.nodes[static_cast<size_t>(NodeState::kRunning)] = 40;
  overview.nodes[static_cast<size_t>(NodeState::kStopped)] = 2;
  return overview;
}

TEST(ConcernsOf, AWellFleetIsNothing) { EXPECT_TRUE(ReasonsOf(WellFleet()).empty()); }

TEST(ConcernsOf, EachThingThatIsNotWellIsOne) {
  using Spoil = void (*)(FleetOverview&);
  const std::pair<std::string_view, Spoil> kCases[] = {
      {"BOOKS_DRIFTED", [](FleetOverview& o) { o.hosts.drifted = 1; }},
      {"HOSTS_SILENT", [](FleetOverview& o) { o.hosts.silent = 1; }},
      {"HOSTS_NEVER_HEARD", [](FleetOverview& o) { o.hosts.never_heard = 2; }},
      {"HOSTS_WITH_PROBLEMS", [](FleetOverview& o) { o.hosts.with_problems = 1; }},
      {"HOSTS_OVER_CAPACITY", [](FleetOverview& o) { o.hosts.over_capacity = 3; }},
      {"NODES_FAILED",
       [](FleetOverview& o) { o.nodes[static_cast<size_t>(NodeState::kFailed)] = 1; }},
      {"NODES_UNHEALTHY", [](FleetOverview& o) { o.unhealthy_nodes = 1; }},
      {"NODES_WITH_PROBLEMS", [](FleetOverview& o) { o.nodes_with_problems = 1; }},
      {"COMMANDS_UNKNOWN", [](FleetOverview& o) { o.commands.unknown = 1; }},
      {"COMMANDS_LATE", [](FleetOverview& o) { o.commands.late = 1; }},
  };
  for (const auto& [reason, spoil] : kCases) {
    FleetOverview overview = WellFleet();
    spoil(overview);
    EXPECT_EQ(ReasonsOf(overview), std::set{reason});
  }
}

TEST(ConcernsOf, WithoutAgentsNothingIsExpectedOfHosts) {
  FleetOverview overview = WellFleet();
  overview.hosts.never_heard = 9;
  overview.commands.late = 3;
  EXPECT_TRUE(ReasonsOf(overview, false).empty());
  EXPECT_EQ(ReasonsOf(overview, true),
            (std::set<std::string_view>{"HOSTS_NEVER_HEARD", "COMMANDS_LATE"}));
}

}  // namespace
}  // namespace tallyman::control
