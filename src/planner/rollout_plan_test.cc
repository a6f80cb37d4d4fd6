#include "planner/rollout_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planner/test_fleet.h"

namespace tallyman::planner {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Resources Cores(int64_t cores) { return {cores, kGiga, kGiga}; }

// Nodes n-1, n-2, ... in turn on so many hosts, each going from 2 cores to `after`.
struct Fleet {
  Fleet(int nodes, int host_count, int64_t after = 2, int64_t free = 100) {
    for (int i = 0; i < host_count; ++i)
      hosts.push_back({IdOf<HostId>(i + 1), "h-" + std::to_string(i + 1), {free, kTebi, kTebi}});
    for (int i = 0; i < nodes; ++i)
      candidates.push_back({.node = IdOf<NodeId>(i + 1),
                            .name = "n-" + std::to_string(i + 1),
                            .host = hosts[static_cast<size_t>(i % host_count)].id,
                            .config = IdOf<ConfigId>(i + 1),
                            .before = Cores(2),
                            .after = Cores(after)});
  }
  std::vector<RolloutHost> hosts;
  std::vector<RolloutCandidate> candidates;
};

std::vector<int64_t> Sizes(const RolloutPlan& plan) {
  std::vector<int64_t> sizes;
  for (const RolloutWave& wave : plan.waves) sizes.push_back(wave.size);
  return sizes;
}

RolloutPlan Plan(const Fleet& fleet, const RolloutRequest& request = {}) {
  auto plan = PlanRollout(request, fleet.candidates, fleet.hosts);
  EXPECT_TRUE(plan) << plan.error().message;
  return plan.value();
}

TEST(RolloutPlan, WavesByDefault) {
  const RolloutPlan plan = Plan(Fleet(250, 10));
  EXPECT_THAT(Sizes(plan), ElementsAre(1, 24, 225));
  EXPECT_EQ(plan.waves[0].max_failures, 0);
  EXPECT_EQ(plan.waves[1].max_failures, 0) << "a hundredth, rounded down";
  EXPECT_EQ(plan.waves[2].max_failures, 2);
  EXPECT_EQ(plan.spec.max_in_flight, 25);
  EXPECT_EQ(plan.spec.per_host, 1);
}

TEST(RolloutPlan, PercentagesAreOfAllNodesAndRoundedUp) {
  RolloutRequest request{.stages = {{2, false}, {33, true}}};
  EXPECT_THAT(Sizes(Plan(Fleet(10, 2), request)), ElementsAre(2, 2, 6));
  EXPECT_THAT(Sizes(Plan(Fleet(1, 1))), ElementsAre(1));
  EXPECT_THAT(Sizes(Plan(Fleet(2, 1))), ElementsAre(1, 1));
}

TEST(RolloutPlan, HostsTakeTurns) {
  const Fleet fleet(4, 2);
  const RolloutPlan plan = Plan(fleet);
  std::vector<std::string> names;
  for (const PlannedNode& node : plan.nodes) names.push_back(node.candidate->name);
  EXPECT_THAT(names, ElementsAre("n-1", "n-2", "n-3", "n-4"));
}

TEST(RolloutPlan, NodesOfAHostComeInTheOrderInWhichPeopleCount) {
  const Fleet fleet(12, 1);
  const RolloutPlan plan = Plan(fleet);
  for (size_t i = 0; i < plan.nodes.size(); ++i)
    EXPECT_EQ(plan.nodes[i].candidate->name, "n-" + std::to_string(i + 1));
}

TEST(RolloutPlan, NothingStandsInAnEarlierWaveThanWhatMakesRoomForIt) {
  Fleet fleet(4, 1, 2, 0);
  fleet.candidates[0].after = Cores(4);
  fleet.candidates[3].after = Cores(1);
  fleet.candidates[2].after = Cores(1);
  const RolloutPlan plan = Plan(fleet, {.stages = {{1, false}, {2, false}, {3, false}}});
  EXPECT_EQ(plan.nodes.back().candidate->name, "n-1");
  EXPECT_TRUE(plan.blocked.empty());
}

TEST(RolloutPlan, WhatNeverFitsIsNamedAndLast) {
  Fleet fleet(2, 1, 2, 3);
  fleet.candidates[0].after = Cores(9);
  const RolloutPlan plan = Plan(fleet);
  ASSERT_EQ(plan.blocked.size(), 1u);
  EXPECT_EQ(plan.blocked[0].candidate->name, "n-1");
  EXPECT_EQ(plan.blocked[0].dimension, "cpu_cores");
  EXPECT_EQ(plan.blocked[0].need, 7);
  EXPECT_EQ(plan.blocked[0].free, 3);
  EXPECT_EQ(plan.nodes.back().candidate->name, "n-1");
}

TEST(RolloutPlan, ACanaryIsWell) {
  Fleet fleet(3, 3);
  fleet.candidates[0].is_well = false;
  const RolloutPlan plan = Plan(fleet);
  EXPECT_EQ(plan.nodes[0].candidate->name, "n-2");
  fleet.candidates[1].is_well = fleet.candidates[2].is_well = false;
  EXPECT_EQ(Plan(fleet).nodes.size(), 3u) << "where none is, one that is not has to do";
}

TEST(RolloutPlan, PausesAfterTheWavesThatAreNamed) {
  const RolloutPlan plan = Plan(Fleet(30, 3), {.pause_after = {1}});
  EXPECT_TRUE(plan.waves[0].pause_after);
  EXPECT_FALSE(plan.waves[1].pause_after);
}

TEST(RolloutPlan, BadNumbersAreNamed) {
  const std::pair<RolloutRequest, std::string> rows[] = {
      {{.stages = {{0, false}}}, "stages[0] is 0"},
      {{.stages = {{11, false}}}, "stages[0] is 11: the rollout has 10"},
      {{.stages = {{101, true}}}, "stages[0] is 101%"},
      {{.stages = {{5, false}, {10, true}}}, "stages[1] means 1 node(s), fewer than the 5"},
      {{.max_in_flight = 0}, "max_in_flight is 0"},
      {{.max_in_flight = 501}, "max_in_flight is 501"},
      {{.per_host = 0}, "per_host is 0"},
      {{.soak = std::chrono::microseconds(-1)}, "soak is"},
      {{.begin_within = std::chrono::microseconds(0)}, "begin_within is 0"},
      {{.healthy_within = std::chrono::days(31)}, "healthy_within is"},
      {{.no_progress = std::chrono::microseconds(0)}, "no_progress is 0"},
      {{.max_failures = 11}, "max_failures is 11"},
      {{.pause_after = {4}}, "pause_after names wave 4: there are 2"},
  };
  const Fleet fleet(10, 2);
  for (const auto& [request, message] : rows) {
    const auto plan = PlanRollout(request, fleet.candidates, fleet.hosts);
    ASSERT_FALSE(plan) << message;
    EXPECT_EQ(plan.error().reason, "INVALID_ROLLOUT");
    EXPECT_THAT(plan.error().message, HasSubstr(message));
  }
}

}  // namespace
}  // namespace tallyman::planner
