#include "planner/rollout_step.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/time.h"
#include "planner/test_fleet.h"

namespace tallyman::planner {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::StartsWith;
using enum RolloutNodeState;

const Time kNow = FromMicros(9'000'000'000);
const Time kSilentBefore = kNow - seconds(90);

// A rollout of three waves, 1, 2 and 3 nodes, in its first; every node waits.
struct Room {
  Room() {
    view.rollout.spec.max_in_flight = 2;
    view.rollout.progress_at = kNow;
    for (int64_t wave = 0; wave < 3; ++wave) {
      view.rollout.waves.push_back({.size = wave + 1});
      for (int64_t k = 0; k <= wave; ++k) Add(wave);
    }
    view.rollout.waves[0].started_at = kNow;
  }

  void Add(int64_t wave) {
    RolloutNodeFacts& node = nodes.emplace_back();
    const int number = static_cast<int>(nodes.size());
    node.row = {.node_id = IdOf<NodeId>(number),
                .host_id = IdOf<HostId>(number),
                .wave = wave,
                .place = number,
                .from_config_id = IdOf<ConfigId>(number)};
    node.config_id = node.row.from_config_id;
    node.heard_at = node.status_at = kNow;
    node.node_state = NodeState::kRunning;
  }
  void Release(size_t i, CommandState state = CommandState::kTaken) {
    RolloutNodeFacts& node = nodes[i];
    node.row.state = kReleased;
    node.command = state;
    node.taken_at = kNow - minutes(5);
    node.ended_at = kNow - minutes(3);
    node.config_id = IdOf<ConfigId>(100);
    node.target = node.reported_config = node.config_id;
    node.run_state = ReportedRun::kRunning;
  }
  void Set(size_t i, RolloutNodeState state) { nodes[i].row.state = state; }

  // What a store would read.
  RolloutStep Step() {
    std::map<std::pair<int64_t, RolloutNodeState>, RolloutCount> counts;
    view.counts.clear();
    view.released.clear();
    view.waiting.clear();
    view.waiting_for_hosts = 0;
    for (const RolloutNodeFacts& node : nodes) {
      RolloutCount& count = counts[{node.row.wave, node.row.state}];
      ++count.count;
      if (node.row.was_unwell) ++count.unwell;
      if (node.row.state == kReleased || (node.row.state == kFailed && IsInFlight(node)))
        view.released.push_back(node);
      if (node.row.state != kWaiting) continue;
      const bool all = view.rollout.state == RolloutState::kAborting;
      if (all || node.row.wave <= view.rollout.wave) view.waiting.push_back(node);
      if (node.row.wave <= view.rollout.wave && *node.heard_at <= kSilentBefore)
        ++view.waiting_for_hosts;
    }
    for (auto& [key, count] : counts) {
      count.wave = key.first;
      count.state = key.second;
      view.counts.push_back(count);
    }
    return DecideStep(view, kNow, kSilentBefore);
  }

  RolloutView view;
  std::vector<RolloutNodeFacts> nodes;
};

std::vector<NodeId> Ids(const RolloutStep& step) {
  std::vector<NodeId> ids;
  for (const RolloutNodeFacts* node : step.release) ids.push_back(node->row.node_id);
  return ids;
}

TEST(RolloutStep, ReleasesTheCanaryAndNothingElse) {
  Room room;
  const RolloutStep step = room.Step();
  EXPECT_THAT(Ids(step), testing::ElementsAre(IdOf<NodeId>(1)));
  EXPECT_FALSE(step.changes(room.view.rollout));
}

TEST(RolloutStep, WithNothingToDoItChangesNothing) {
  Room room;
  room.Release(0);
  const RolloutStep step = room.Step();
  EXPECT_TRUE(step.release.empty());
  EXPECT_FALSE(step.changes(room.view.rollout));
}

TEST(RolloutStep, AFailureOfANodeThatWasUnwellBeforePausesNothing) {
  Room room;
  room.nodes[0].row.was_unwell = true;
  room.Release(0, CommandState::kReverted);
  room.Set(1, kHealthy);
  const RolloutStep step = room.Step();
  ASSERT_EQ(step.decided.size(), 1u);
  EXPECT_EQ(step.decided[0].state, kFailed);
  EXPECT_EQ(step.after.state, RolloutState::kRunning);
  room.Set(0, kFailed);
  EXPECT_EQ(room.Step().after.state, RolloutState::kRunning) << "as it was counted";
  room.nodes[0].row.was_unwell = false;
  EXPECT_EQ(room.Step().after.state, RolloutState::kPaused);
}

TEST(RolloutStep, WhatIsNotHealthyAnyMoreAtAGateHasFailed) {
  Room room;
  room.Release(0, CommandState::kSettled);
  room.Set(0, kHealthy);
  room.view.regressed = {room.nodes[0]};
  const RolloutStep step = room.Step();
  ASSERT_EQ(step.decided.size(), 1u);
  EXPECT_EQ(step.decided[0].state, kFailed);
  EXPECT_EQ(step.decided[0].why, "REGRESSED");
  EXPECT_EQ(step.after.state, RolloutState::kPaused);
  EXPECT_EQ(step.after.wave, 0);
}

TEST(RolloutStep, AWaveThatWasWellPassesItsGate) {
  Room room;
  room.Release(0, CommandState::kSettled);
  RolloutStep step = room.Step();
  ASSERT_EQ(step.decided.size(), 1u);
  EXPECT_EQ(step.decided[0].state, kHealthy);
  EXPECT_EQ(step.after.wave, 0) << "the next step looks at the healthy ones again";
  room.Set(0, kHealthy);
  step = room.Step();
  EXPECT_EQ(step.after.wave, 1);
  EXPECT_EQ(step.after.waves[0].passed_at, kNow);
  EXPECT_EQ(step.after.waves[1].started_at, kNow);
  EXPECT_TRUE(step.release.empty()) << "the next step releases";
}

TEST(RolloutStep, NoWavePassesWhileANodeOfItIsOut) {
  Room room;
  room.view.rollout.wave = 1;
  room.Set(0, kHealthy);
  room.Set(1, kHealthy);
  room.Release(2);
  EXPECT_EQ(room.Step().after.wave, 1);
}

TEST(RolloutStep, OneFailureMoreThanTheWaveMayHavePauses) {
  Room room;
  room.Release(0, CommandState::kReverted);
  RolloutStep step = room.Step();
  EXPECT_EQ(step.after.state, RolloutState::kPaused);
  EXPECT_THAT(step.after.why, StartsWith(std::string(kPausedForFailures)));
  EXPECT_EQ(step.after.wave, 0);

  Room allowed;
  allowed.view.rollout.wave = 1;
  allowed.view.rollout.waves[1].max_failures = 1;
  allowed.Set(0, kHealthy);
  allowed.Set(1, kFailed);
  allowed.Set(2, kHealthy);
  step = allowed.Step();
  EXPECT_EQ(step.after.state, RolloutState::kRunning) << "reached, not exceeded";
  EXPECT_EQ(step.after.wave, 2);
}

TEST(RolloutStep, FailuresThatWereAcceptedDoNotPauseItAgain) {
  Room room;
  room.Set(0, kFailed);
  room.view.rollout.waves[0].accepted_failures = 1;
  const RolloutStep step = room.Step();
  EXPECT_EQ(step.after.state, RolloutState::kRunning);
  EXPECT_EQ(step.after.wave, 1);
}

TEST(RolloutStep, KeepsItsTwoBudgets) {
  Room room;
  room.view.rollout.wave = 2;
  for (size_t i : {0, 1, 2}) room.Set(i, kHealthy);
  EXPECT_EQ(Ids(room.Step()).size(), 2u);
  room.Release(3);
  EXPECT_EQ(Ids(room.Step()).size(), 1u);
  room.nodes[4].row.host_id = room.nodes[3].row.host_id;
  room.nodes[5].row.host_id = room.nodes[3].row.host_id;
  EXPECT_EQ(Ids(room.Step()).size(), 0u) << "one a host";
  // A failed one whose host is still at work keeps its place.
  room.Set(3, kFailed);
  room.view.rollout.waves[2].accepted_failures = 1;
  EXPECT_EQ(Ids(room.Step()).size(), 0u);
}

TEST(RolloutStep, NodesOfSilentHostsHoldUpNoWaveThatHasShownSomething) {
  Room room;
  room.view.rollout.wave = 1;
  room.Set(0, kHealthy);
  room.Set(1, kHealthy);
  room.nodes[2].heard_at = kSilentBefore;
  EXPECT_EQ(room.Step().after.wave, 2);
  room.Set(1, kWaiting);
  room.nodes[1].heard_at = kSilentBefore;
  EXPECT_EQ(room.Step().after.wave, 1) << "nothing of it was seen";
}

TEST(RolloutStep, TheLastWaveWaitsForAll) {
  Room room;
  room.view.rollout.wave = 2;
  for (size_t i = 0; i < 5; ++i) room.Set(i, kHealthy);
  room.nodes[5].heard_at = kSilentBefore;
  EXPECT_EQ(room.Step().after.state, RolloutState::kRunning);
  room.Set(5, kSkipped);
  const RolloutStep step = room.Step();
  EXPECT_EQ(step.after.state, RolloutState::kDone);
  EXPECT_EQ(step.after.ended_at, kNow);
}

TEST(RolloutStep, PausesWhereNothingMoves) {
  Room room;
  room.nodes[0].heard_at = kSilentBefore;
  room.view.rollout.progress_at = kNow - room.view.rollout.spec.no_progress;
  EXPECT_EQ(room.Step().after.state, RolloutState::kRunning);
  room.view.rollout.progress_at -= seconds(1);
  const RolloutStep step = room.Step();
  EXPECT_EQ(step.after.state, RolloutState::kPaused);
  EXPECT_THAT(step.after.why, StartsWith(std::string(kPausedForNoProgress)));
}

TEST(RolloutStep, AStepThatJudgesANodeHasMoved) {
  Room room;
  room.view.rollout.wave = 1;
  room.Set(0, kHealthy);
  room.Release(1, CommandState::kReverted);
  room.view.rollout.waves[1].max_failures = 1;
  room.view.rollout.progress_at = kNow - 9 * room.view.rollout.spec.no_progress;
  const RolloutStep step = room.Step();
  EXPECT_EQ(step.after.state, RolloutState::kRunning) << step.after.why;
  EXPECT_EQ(step.after.progress_at, kNow);
}

TEST(RolloutStep, PausesAfterAWaveWhereThatWasAskedFor) {
  Room room;
  room.view.rollout.waves[0].pause_after = true;
  room.Set(0, kHealthy);
  const RolloutStep step = room.Step();
  EXPECT_EQ(step.after.state, RolloutState::kPaused);
  EXPECT_THAT(step.after.why, StartsWith(std::string(kPausedAfterWave)));
  EXPECT_EQ(step.after.wave, 1);
}

TEST(RolloutStep, APausedOneReleasesNothingAndJudgesWhatIsOut) {
  Room room;
  room.view.rollout.state = RolloutState::kPaused;
  EXPECT_TRUE(room.Step().release.empty());
  room.Release(0, CommandState::kSettled);
  const RolloutStep step = room.Step();
  EXPECT_EQ(step.decided.size(), 1u);
  EXPECT_EQ(step.after.wave, 0);
}

TEST(RolloutStep, AnAbortWithdrawsWhatWaitsAndEndsWhenNothingIsOut) {
  Room room;
  room.view.rollout.state = RolloutState::kAborting;
  room.Release(0);
  RolloutStep step = room.Step();
  EXPECT_EQ(step.decided.size(), 5u);
  EXPECT_EQ(step.after.state, RolloutState::kAborting);
  for (size_t i = 1; i < 6; ++i) room.Set(i, kWithdrawn);
  room.Release(0, CommandState::kReverted);
  step = room.Step();
  EXPECT_EQ(step.after.state, RolloutState::kAborted);
  EXPECT_EQ(step.decided[0].state, kFailed);
}

TEST(RolloutStep, EachWordHasAnEffectInEachState) {
  using enum RolloutState;
  const std::tuple<RolloutWord, RolloutState, RolloutEffect> rows[] = {
      {RolloutWord::kPause, kRunning, RolloutEffect::kPause},
      {RolloutWord::kPause, kPaused, RolloutEffect::kNothing},
      {RolloutWord::kPause, kAborting, RolloutEffect::kAborting},
      {RolloutWord::kPause, kDone, RolloutEffect::kEnded},
      {RolloutWord::kPause, kAborted, RolloutEffect::kEnded},
      {RolloutWord::kResume, kRunning, RolloutEffect::kNothing},
      {RolloutWord::kResume, kPaused, RolloutEffect::kResume},
      {RolloutWord::kResume, kAborting, RolloutEffect::kAborting},
      {RolloutWord::kResume, kDone, RolloutEffect::kEnded},
      {RolloutWord::kResume, kAborted, RolloutEffect::kEnded},
      {RolloutWord::kAbort, kRunning, RolloutEffect::kAbort},
      {RolloutWord::kAbort, kPaused, RolloutEffect::kAbort},
      {RolloutWord::kAbort, kAborting, RolloutEffect::kNothing},
      {RolloutWord::kAbort, kDone, RolloutEffect::kEnded},
      {RolloutWord::kAbort, kAborted, RolloutEffect::kEnded},
      {RolloutWord::kRetry, kRunning, RolloutEffect::kNothing},
      {RolloutWord::kRetry, kPaused, RolloutEffect::kNothing},
      {RolloutWord::kRetry, kAborting, RolloutEffect::kAborting},
      {RolloutWord::kRetry, kDone, RolloutEffect::kAgain},
      {RolloutWord::kRetry, kAborted, RolloutEffect::kEnded},
      {RolloutWord::kRevert, kRunning, RolloutEffect::kAbort},
      {RolloutWord::kRevert, kPaused, RolloutEffect::kAbort},
      {RolloutWord::kRevert, kAborting, RolloutEffect::kNothing},
      {RolloutWord::kRevert, kDone, RolloutEffect::kGoBack},
      {RolloutWord::kRevert, kAborted, RolloutEffect::kGoBack},
  };
  for (const auto& [word, state, effect] : rows)
    EXPECT_EQ(EffectOf(word, state), effect) << ToText(state);
}

}  // namespace
}  // namespace tallyman::planner
