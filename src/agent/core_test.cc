// The rules of core.h, by name.
#include "agent/core.h"

#include "agent/testing_agent.h"

namespace tallyman::agent {
namespace {

using CoreTest = AgentTest;

const v1::Outcome& Only(const TestingControl& control) {
  static const v1::Outcome kNone;
  EXPECT_EQ(control.outcomes.size(), 1u);
  return control.outcomes.empty() ? kNone : control.outcomes.front();
}

TEST_F(CoreTest, ExecutesNothingBeforeTheAcknowledgementIsAccepted) {
  NodeSpec spec = Spec(node_);
  HandOut(Command(v1::COMMAND_KIND_CREATE, spec));
  control_.before = [](std::string_view method) -> Status {
    if (method.ends_with("/Report")) return Fail(Error(Code::kUnavailable, "CUT", "no network"));
    return {};
  };
  EXPECT_FALSE(core_->Talk().has_value());
  while (core_->WorkOnce()) {
  }
  EXPECT_FALSE(Machine(node_).has_value());
  // Nor does an answer that is lost count, though the control plane has taken it.
  control_.before = nullptr;
  control_.after = [](std::string_view method) -> Status {
    if (method.ends_with("/Report")) return Fail(Error(Code::kUnavailable, "CUT", "no network"));
    return {};
  };
  EXPECT_FALSE(core_->Talk().has_value());
  while (core_->WorkOnce()) {
  }
  EXPECT_FALSE(Machine(node_).has_value());
  control_.after = nullptr;
  Settle();
  EXPECT_TRUE(Runs(spec));
}

TEST_F(CoreTest, DropsACommandWhoseAcknowledgementIsRefused) {
  NodeSpec spec = Spec(node_);
  control_.refused[HandOut(Command(v1::COMMAND_KIND_CREATE, spec))] = "COMMAND_ENDED";
  Settle();
  EXPECT_FALSE(Machine(node_).has_value());
  EXPECT_TRUE(core_->Remembered().commands.empty());
  EXPECT_TRUE(control_.outcomes.empty());
}

TEST_F(CoreTest, WorksTheCommandsOfANodeOffInOrderAndReportsThemInOrder) {
  NodeSpec first = Spec(node_);
  NodeSpec second = Spec(node_, 2);
  NodeSpec third = Spec(node_, 3);
  std::vector<std::string> wanted = {HandOut(Command(v1::COMMAND_KIND_CREATE, first)),
                                     HandOut(Command(v1::COMMAND_KIND_UPGRADE, second)),
                                     HandOut(Command(v1::COMMAND_KIND_UPGRADE, third))};
  std::vector<ConfigId> installed;
  machine_.SetHook([&](RuntimeStep step, const NodeSpec& spec) -> Status {
    if (step == RuntimeStep::kInstall) installed.push_back(spec.config_id);
    return {};
  });
  Settle();
  EXPECT_EQ(installed, (std::vector{first.config_id, second.config_id, third.config_id}));
  std::vector<std::string> told;
  for (const v1::Outcome& outcome : control_.outcomes) told.push_back(outcome.command_id());
  EXPECT_EQ(told, wanted);
  EXPECT_TRUE(Runs(third));
}

TEST_F(CoreTest, WaitsForAnEarlierCommandThatIsFetchedAndNotAcknowledged) {
  Create(Spec(node_));
  v1::HandedCommand earlier = Command(v1::COMMAND_KIND_UPGRADE, Spec(node_, 2));
  v1::HandedCommand later = Command(v1::COMMAND_KIND_UPGRADE, Spec(node_, 3));
  // As if the acknowledgement of the earlier one were still on its way.
  JournalChange change;
  for (const auto& [handed, stage] :
       {std::pair(earlier, Stage::kFetched), std::pair(later, Stage::kAccepted)}) {
    change.put_commands.push_back({.id = *CommandId::Parse(handed.command_id()),
                                   .node_id = node_,
                                   .seq = handed.seq(),
                                   .kind = CommandKind::kUpgrade,
                                   .payload = handed.payload(),
                                   .stage = stage});
  }
  ASSERT_TRUE(journal_->Save(change).has_value());
  StartAgent();
  while (core_->WorkOnce()) {
  }
  EXPECT_EQ(core_->Remembered().commands.at(*CommandId::Parse(later.command_id())).stage,
            Stage::kAccepted);
}

TEST_F(CoreTest, WhatHasBegunEndsBeforeAnOlderOneThatIsHandedOutAgain) {
  const NodeSpec old = Spec(node_);
  const NodeSpec target = Spec(node_, 2);
  Create(old);
  // The node was busy when it was to restart, and is not any more.
  v1::HandedCommand restart = Command(v1::COMMAND_KIND_RESTART, old);
  restart.set_attempt(2);
  const std::string upgrade = HandOut(Command(v1::COMMAND_KIND_UPGRADE, target));
  ASSERT_TRUE(core_->Talk().has_value());
  const auto stage = [&] {
    return core_->Remembered().commands.at(*CommandId::Parse(upgrade)).stage;
  };
  while (stage() < Stage::kInstall) ASSERT_TRUE(core_->WorkOnce());
  HandOut(restart);
  std::vector<ConfigId> started;
  machine_.SetHook([&](RuntimeStep step, const NodeSpec& spec) -> Status {
    if (step == RuntimeStep::kStart) started.push_back(spec.config_id);
    return {};
  });
  Settle();
  EXPECT_EQ(started, (std::vector{target.config_id, target.config_id}));
  ASSERT_EQ(control_.outcomes.size(), 2u);
  for (const v1::Outcome& outcome : control_.outcomes)
    EXPECT_EQ(outcome.result(), v1::OUTCOME_RESULT_OK);
  EXPECT_TRUE(Runs(target));
}

TEST_F(CoreTest, SendsAnOutcomeAgainWithAFreshNumberUntilItWasProcessed) {
  std::string id = HandOut(Command(v1::COMMAND_KIND_CREATE, Spec(node_)));
  control_.after = [&](std::string_view method) -> Status {
    bool has_outcome = !control_.outcomes.empty();
    if (method.ends_with("/Report") && has_outcome && control_.outcomes.size() < 3)
      return Fail(Error(Code::kUnavailable, "CUT", "the answer is lost"));
    return {};
  };
  Settle();
  ASSERT_EQ(control_.outcomes.size(), 3u);
  for (const v1::Outcome& outcome : control_.outcomes) EXPECT_EQ(outcome.command_id(), id);
  int64_t last = 0;
  for (const v1::ReportRequest& report : control_.reports) {
    EXPECT_GT(report.sequence(), last);
    last = report.sequence();
  }
  EXPECT_TRUE(core_->Remembered().commands.empty());
}

TEST_F(CoreTest, TakesTheNumberThatTheControlPlaneAsksFor) {
  control_.last_sequence = 500;
  Create(Spec(node_));
  EXPECT_GT(control_.reports.front().sequence(), 500);
}

TEST_F(CoreTest, NeverUsesANumberTwiceThoughItIsKilledBeforeItSends) {
  // It is killed when the number is written down and the report not sent.
  int kills = 0;
  control_.before = [&](std::string_view method) -> Status {
    if (method.ends_with("/Report") && ++kills <= 3) throw Killed();
    return {};
  };
  HandOut(Command(v1::COMMAND_KIND_CREATE, Spec(node_)));
  SettleThroughKills();
  EXPECT_EQ(control_.reports.front().sequence(), 4);
}

TEST_F(CoreTest, AStatusNamesWhatRunsItsLimitsAndWhatIsPending) {
  NodeSpec spec = Spec(node_, 2);
  HandOut(Command(v1::COMMAND_KIND_CREATE, spec));
  ASSERT_TRUE(core_->Talk().has_value());
  const v1::NodeStatus* status = control_.LastStatusOf(node_);
  ASSERT_NE(status, nullptr);
  EXPECT_TRUE(status->pending());
  EXPECT_EQ(status->config_id(), "");

  Settle();
  clock_.Advance(std::chrono::seconds(40));
  Settle();
  status = control_.LastStatusOf(node_);
  ASSERT_NE(status, nullptr);
  EXPECT_FALSE(status->pending());
  EXPECT_EQ(status->config_id(), spec.config_id.ToString());
  EXPECT_EQ(status->image_uri(), spec.image_uri);
  EXPECT_EQ(status->run_state(), v1::RUN_STATE_RUNNING);
  EXPECT_EQ(status->limits().cpu_cores(), 2);
  EXPECT_EQ(status->limits().memory_bytes(), 2'000'000'000);
  EXPECT_EQ(status->limits().disk_bytes(), 20'000'000'000);
  EXPECT_TRUE(control_.reports.back().status().complete());
  EXPECT_EQ(control_.reports.back().status().capacity().cpu_cores(), 64);
}

TEST_F(CoreTest, CountsANodeAsPendingFromTheFetchUntilTheOutcome) {
  NodeSpec old = Spec(node_);
  Create(old);
  NodeSpec spec = Spec(node_, 2);
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, spec));
  clock_.Advance(std::chrono::seconds(40));
  ASSERT_TRUE(core_->Talk().has_value());  // fetched; the acknowledgement goes with the status
  EXPECT_TRUE(control_.LastStatusOf(node_)->pending());
  clock_.Advance(std::chrono::seconds(40));
  ASSERT_TRUE(core_->Talk().has_value());  // accepted, not begun
  EXPECT_TRUE(control_.LastStatusOf(node_)->pending());
  Settle();
  clock_.Advance(std::chrono::seconds(40));
  ASSERT_TRUE(core_->Talk().has_value());
  EXPECT_FALSE(control_.LastStatusOf(node_)->pending());
  EXPECT_EQ(control_.LastStatusOf(node_)->config_id(), spec.config_id.ToString());
}

TEST_F(CoreTest, LooksAtWhatIsPendingBeforeItLooksAtTheMachine) {
  NodeSpec old = Spec(node_);
  Create(old);
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, Spec(node_, 2)));
  ASSERT_TRUE(core_->Talk().has_value());
  // The upgrade ends while the machine is being looked at, after the node was.
  machine_.SetListHook([&] {
    machine_.SetListHook(nullptr);
    for (int i = 0; i < 20; ++i) {
      core_->WorkOnce();
      clock_.Advance(std::chrono::seconds(1));
    }
    EXPECT_EQ(core_->Remembered().commands.begin()->second.stage, Stage::kDone);
  });
  clock_.Advance(std::chrono::seconds(40));
  control_.reports.clear();
  ASSERT_TRUE(core_->Talk().has_value());
  int seen = 0;
  for (const v1::ReportRequest& report : control_.reports) {
    for (const v1::NodeStatus& status : report.status().nodes()) {
      if (status.config_id() != old.config_id.ToString()) continue;
      EXPECT_TRUE(status.pending());
      ++seen;
    }
  }
  EXPECT_EQ(seen, 1);
}

TEST_F(CoreTest, ABusyNodeIsNotDisturbedAndTheHintIsHandedOn) {
  NodeSpec old = Spec(node_);
  Create(old);
  machine_.SetBlockingJob(node_, BlockingJob{3600, "a snapshot"});
  v1::HandedCommand command = Command(v1::COMMAND_KIND_UPGRADE, Spec(node_, 2));
  HandOut(command);
  Settle();
  const v1::Outcome& outcome = Only(control_);
  EXPECT_EQ(outcome.result(), v1::OUTCOME_RESULT_BLOCKING_JOB_RUNNING);
  EXPECT_EQ(outcome.retry_after().seconds(), 3600);
  EXPECT_EQ(outcome.running_config_id(), old.config_id.ToString());
  EXPECT_TRUE(Runs(old));

  // It is begun only after a new hand-out and a new acknowledgement.
  while (core_->WorkOnce()) {
  }
  EXPECT_TRUE(Runs(old));
  machine_.SetBlockingJob(node_, std::nullopt);
  command.set_attempt(2);
  HandOut(command);
  Settle();
  ASSERT_EQ(control_.outcomes.size(), 2u);
  EXPECT_EQ(control_.outcomes[1].attempt(), 2);
  EXPECT_EQ(control_.outcomes[1].result(), v1::OUTCOME_RESULT_OK);
}

TEST_F(CoreTest, AnUnsentHintIsForgottenWhenTheCommandIsHandedOutAnew) {
  Create(Spec(node_));
  machine_.SetBlockingJob(node_, BlockingJob{60, "a snapshot"});
  v1::HandedCommand command = Command(v1::COMMAND_KIND_UPGRADE, Spec(node_, 2));
  HandOut(command);
  ASSERT_TRUE(core_->Talk().has_value());
  while (core_->WorkOnce()) {
  }
  machine_.SetBlockingJob(node_, std::nullopt);
  command.set_attempt(2);
  HandOut(command);
  Settle();
  ASSERT_FALSE(control_.outcomes.empty());
  EXPECT_EQ(control_.outcomes.back().attempt(), 2);
  EXPECT_EQ(control_.outcomes.back().result(), v1::OUTCOME_RESULT_OK);
}

TEST_F(CoreTest, WorksOnWithoutTheControlPlaneAndCatchesUp) {
  NodeSpec spec = Spec(node_);
  HandOut(Command(v1::COMMAND_KIND_CREATE, spec));
  ASSERT_TRUE(core_->Talk().has_value());
  control_.before = [](std::string_view) -> Status {
    return Fail(Error(Code::kUnavailable, "CUT", "no network"));
  };
  Settle();
  EXPECT_TRUE(Runs(spec));
  // It crashes while nobody hears of it, and is looked after all the same.
  machine_.Crash(node_);
  clock_.Advance(std::chrono::hours(5));
  Settle();
  EXPECT_TRUE(Runs(spec));
  EXPECT_TRUE(control_.outcomes.empty());
  control_.before = nullptr;
  Settle();
  EXPECT_EQ(Only(control_).result(), v1::OUTCOME_RESULT_OK);
}

TEST_F(CoreTest, StartsANodeThatEndsAgainAndAgainWithGrowingPauses) {
  NodeSpec spec = Spec(node_);
  Create(spec);
  std::vector<std::chrono::microseconds> pauses;
  SteadyTime last = clock_.SteadyNow();
  for (int i = 0; i < 14; ++i) {
    machine_.Crash(node_);
    while (!Runs(spec)) {
      ASSERT_TRUE(core_->NextWorkAt().has_value());
      clock_.Advance(
          std::max(*core_->NextWorkAt() - clock_.SteadyNow(), std::chrono::microseconds(0)));
      while (core_->WorkOnce()) {
      }
    }
    pauses.push_back(clock_.SteadyNow() - last);
    last = clock_.SteadyNow();
  }
  EXPECT_LE(pauses[1], std::chrono::seconds(2));
  EXPECT_GE(pauses[5], pauses[4] * 2 - std::chrono::seconds(1));
  EXPECT_EQ(pauses.back(), std::chrono::minutes(5));
}

TEST_F(CoreTest, MakesAgainWhatIsGoneFromTheMachine) {
  NodeSpec spec = Spec(node_);
  Create(spec);
  ASSERT_TRUE(machine_.Remove(node_).has_value());
  clock_.Advance(std::chrono::seconds(20));
  Settle();
  EXPECT_TRUE(Runs(spec));
}

TEST_F(CoreTest, LeavesAloneWhatItCannotRead) {
  Create(Spec(node_));
  v1::HandedCommand command = Command(v1::COMMAND_KIND_UPGRADE, Spec(node_, 2));
  v1::HandedCommand broken = command;
  broken.set_command_id("../../etc/passwd");
  HandOut(broken);
  broken = command;
  broken.set_kind(static_cast<v1::CommandKind>(99));
  HandOut(broken);
  ASSERT_TRUE(core_->Talk().has_value());
  EXPECT_TRUE(core_->Remembered().commands.empty());

  control_.open.clear();
  broken = command;
  broken.set_payload("{\"node_id\":\"../..\"}");
  HandOut(broken);
  Settle();
  EXPECT_EQ(Only(control_).result(), v1::OUTCOME_RESULT_NOT_SUPPORTED);
}

TEST_F(CoreTest, WorksOnManyNodesAtOnceButOnOneNodeAtATime) {
  std::vector<NodeSpec> specs;
  for (int i = 0; i < 20; ++i) {
    specs.push_back(Spec(ids_.New<NodeId>()));
    HandOut(Command(v1::COMMAND_KIND_CREATE, specs.back()));
  }
  ASSERT_TRUE(core_->Talk().has_value());
  std::mutex mutex;
  std::map<NodeId, int> inside;
  std::atomic<int> together = 0;
  std::atomic<int> most = 0;
  machine_.SetHook([&](RuntimeStep, const NodeSpec& spec) -> Status {
    {
      std::lock_guard lock(mutex);
      EXPECT_EQ(++inside[spec.node_id], 1);
    }
    int now = ++together;
    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
    }
    std::this_thread::yield();
    --together;
    std::lock_guard lock(mutex);
    --inside[spec.node_id];
    return {};
  });
  std::vector<std::thread> workers;
  std::atomic<bool> stop = false;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&] {
      while (!stop) {
        if (!core_->WorkOnce()) {
          clock_.Advance(std::chrono::milliseconds(100));
          std::this_thread::yield();
        }
      }
    });
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (std::chrono::steady_clock::now() < deadline && control_.outcomes.size() < specs.size())
    ASSERT_TRUE(core_->Talk().has_value());
  stop = true;
  for (std::thread& worker : workers) worker.join();
  for (const NodeSpec& spec : specs) EXPECT_TRUE(Runs(spec));
  EXPECT_GT(most, 1);
}

}  // namespace
}  // namespace tallyman::agent
