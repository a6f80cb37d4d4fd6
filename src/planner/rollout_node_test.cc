#include "planner/rollout_node.h"

#include <gtest/gtest.h>

#include "base/time.h"
#include "planner/test_fleet.h"

namespace tallyman::planner {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

const Time kBegun = FromMicros(1'000'000'000);

// A node whose upgrade has settled ten minutes after it was taken.
RolloutNodeFacts Settled() {
  RolloutNodeFacts node;
  node.row.state = RolloutNodeState::kReleased;
  node.row.from_config_id = IdOf<ConfigId>(1);
  node.config_id = IdOf<ConfigId>(2);
  node.target = node.config_id;
  node.command = CommandState::kSettled;
  node.taken_at = kBegun;
  node.ended_at = kBegun + minutes(10);
  node.reported_config = node.target;
  node.run_state = ReportedRun::kRunning;
  node.status_at = kBegun + minutes(12);
  node.heard_at = node.status_at;
  return node;
}

const RolloutSpec kSpec;

std::string Judged(const RolloutNodeFacts& node, Time now = kBegun + minutes(12)) {
  const auto verdict = JudgeReleased(node, kSpec, now);
  if (!verdict) return "";
  return std::string(ToText(verdict->state)) + " " + std::string(verdict->why);
}

TEST(RolloutNode, IsHealthyOnceItsHostHasSeenItRunForItsSoak) {
  RolloutNodeFacts node = Settled();
  EXPECT_EQ(Judged(node), "healthy ");
  node.status_at = kBegun + minutes(12) - seconds(1);
  EXPECT_EQ(Judged(node), "") << "seen before its soak was over";
  node.status_at.reset();
  EXPECT_EQ(Judged(node), "");
}

TEST(RolloutNode, WhatWasSaidOfTheConfigBeforeSaysNothing) {
  RolloutNodeFacts node = Settled();
  node.reported_config = node.row.from_config_id;
  node.restarts = 5;
  EXPECT_EQ(Judged(node), "");
  EXPECT_EQ(Judged(node, kBegun + minutes(33)), "failed SILENT");
}

TEST(RolloutNode, ARestartFailsIt) {
  RolloutNodeFacts node = Settled();
  node.restarts = 1;
  EXPECT_EQ(Judged(node), "failed RESTARTED");
}

TEST(RolloutNode, UnhealthyItHasUntilHealthyWithin) {
  RolloutNodeFacts node = Settled();
  node.health = ReportedHealth::kUnhealthy;
  EXPECT_EQ(Judged(node), "");
  EXPECT_EQ(Judged(node, kBegun + minutes(32) - seconds(1)), "");
  EXPECT_EQ(Judged(node, kBegun + minutes(32)), "failed UNHEALTHY");
  node.health = ReportedHealth::kHealthy;
  EXPECT_EQ(Judged(node, kBegun + minutes(32)), "healthy ");
  node.node_state = NodeState::kFailed;
  EXPECT_EQ(Judged(node, kBegun + minutes(32)), "failed UNHEALTHY");
}

TEST(RolloutNode, AStoppedOneIsWellAtOnce) {
  RolloutNodeFacts node = Settled();
  node.node_state = NodeState::kStopped;
  node.status_at.reset();
  EXPECT_EQ(Judged(node), "healthy STOPPED");
}

TEST(RolloutNode, WhatSomebodyElseChangedIsLeftAlone) {
  RolloutNodeFacts node = Settled();
  node.config_id = IdOf<ConfigId>(3);
  EXPECT_EQ(Judged(node), "skipped NODE_CHANGED");
  node.live = false;
  EXPECT_EQ(Judged(node), "skipped NODE_GONE");
}

TEST(RolloutNode, EachStateOfItsCommandHasAVerdict) {
  const std::pair<CommandState, std::string> rows[] = {
      {CommandState::kOpen, ""},
      {CommandState::kTaken, ""},
      {CommandState::kSettled, "healthy "},
      {CommandState::kReverted, "failed ROLLED_BACK"},
      {CommandState::kFailed, "failed FAILED"},
      {CommandState::kUnknown, "failed UNKNOWN"},
      {CommandState::kSuperseded, "skipped SUPERSEDED"},
      {CommandState::kCancelled, "skipped CANCELLED"},
  };
  for (const auto& [state, verdict] : rows) {
    RolloutNodeFacts node = Settled();
    node.command = state;
    EXPECT_EQ(Judged(node), verdict) << ToText(state);
    EXPECT_EQ(IsInFlight(node), state == CommandState::kOpen || state == CommandState::kTaken);
  }
  RolloutNodeFacts late = Settled();
  late.command = CommandState::kTaken;
  EXPECT_EQ(Judged(late, kBegun + minutes(30)), "");
  EXPECT_EQ(Judged(late, kBegun + minutes(30) + seconds(1)), "failed LATE");
}

TEST(RolloutNode, OneThatNoHostBeganInTimeWaitsAgain) {
  RolloutNodeFacts node = Settled();
  node.command = CommandState::kCancelled;
  node.not_after = kBegun;
  node.ended_at = kBegun + seconds(1);
  EXPECT_EQ(Judged(node), "waiting ");
  node.ended_at = kBegun;
  EXPECT_EQ(Judged(node), "skipped CANCELLED") << "withdrawn while it could still begin";
}

RolloutNodeFacts Waiting() {
  RolloutNodeFacts node;
  node.row.from_config_id = node.config_id = IdOf<ConfigId>(1);
  node.heard_at = kBegun;
  return node;
}

TEST(RolloutNode, AWaitingOneIsReleasedFromThePlannedConfigOnly) {
  RolloutNodeFacts node = Waiting();
  EXPECT_FALSE(JudgeWaiting(node));
  EXPECT_EQ(WhyNotReleased(node, kBegun, kBegun - seconds(1)), "");
  node.config_id = IdOf<ConfigId>(2);
  ASSERT_TRUE(JudgeWaiting(node));
  EXPECT_EQ(JudgeWaiting(node)->why, "NODE_CHANGED");
  node.has_pending = true;
  EXPECT_FALSE(JudgeWaiting(node)) << "it may come back";
  EXPECT_EQ(WhyNotReleased(node, kBegun, kBegun - seconds(1)), kWaitsForBusyNode);
  node.live = false;
  EXPECT_EQ(JudgeWaiting(node)->why, "NODE_GONE");
}

TEST(RolloutNode, AWaitingOneSaysWhatItWaitsFor) {
  RolloutNodeFacts node = Waiting();
  EXPECT_EQ(WhyNotReleased(node, kBegun, kBegun), kWaitsForSilentHost);
  node.is_drained = true;
  EXPECT_EQ(WhyNotReleased(node, kBegun, kBegun - seconds(1)), kWaitsForDrainedHost);
  node.is_drained = false;
  node.heard_at.reset();
  EXPECT_EQ(WhyNotReleased(node, kBegun, kBegun - seconds(1)), kWaitsForSilentHost);
  node = Waiting();
  node.row.not_before = kBegun + seconds(1);
  EXPECT_EQ(WhyNotReleased(node, kBegun, kBegun - seconds(1)), kWaitsAfterHint);
  EXPECT_EQ(WhyNotReleased(node, kBegun + seconds(1), kBegun - seconds(1)), "");
}

}  // namespace
}  // namespace tallyman::planner
