// What becomes of each kind of command when each step of it fails, and when the agent is killed at
// each step of it.
#include "agent/execution.h"

#include "agent/testing_agent.h"

namespace tallyman::agent {
namespace {

class ExecutionTest : public AgentTest {
 protected:
  // The new version fills its larger disk beyond the old one's, and does not become healthy.
  void FillLargerDisk(const NodeSpec& old, const NodeSpec& spec) {
    machine_.SetHook([=, this](RuntimeStep step, const NodeSpec& of) -> Status {
      if (step != RuntimeStep::kHealth || of.config_id != spec.config_id) return {};
      machine_.SetDataBytes(node_, old.resources.disk_bytes + 1);
      return Fail(Internal("TOOL_FAILED", "unhealthy"));
    });
  }
};

class Expected {
 public:
  Expected(v1::OutcomeResult result, const std::string& config, v1::RunState state)
      : result_(result), config_(config), state_(state) {}
  void Check(const std::vector<v1::Outcome>& outcomes) const {
    ASSERT_EQ(outcomes.size(), 1u);
    EXPECT_EQ(outcomes[0].result(), result_) << outcomes[0].DebugString();
    EXPECT_EQ(outcomes[0].running_config_id(), config_) << outcomes[0].DebugString();
    EXPECT_EQ(outcomes[0].run_state(), state_) << outcomes[0].DebugString();
  }

 private:
  v1::OutcomeResult result_;
  std::string config_;
  v1::RunState state_;
};

Expected Runs(const NodeSpec& spec, v1::OutcomeResult result = v1::OUTCOME_RESULT_OK) {
  return {result, spec.config_id.ToString(), v1::RUN_STATE_RUNNING};
}

TEST_F(ExecutionTest, EveryFailedStepOfAnUpgradePutsTheOldOneBack) {
  NodeSpec old = Spec(node_, 2);
  Create(old);
  for (RuntimeStep step : {RuntimeStep::kPrepare, RuntimeStep::kInstall, RuntimeStep::kStart}) {
    NodeSpec spec = Spec(node_, 4);
    FailStep(step, spec.config_id);
    HandOut(Command(v1::COMMAND_KIND_UPGRADE, spec));
    Settle();
    ::tallyman::agent::Runs(old, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK).Check(control_.outcomes);
    EXPECT_NE(control_.outcomes[0].message().find("while "), std::string::npos);
    EXPECT_NE(control_.outcomes[0].message().find(": made to fail"), std::string::npos);
    EXPECT_TRUE(AgentTest::Runs(old));
    control_.outcomes.clear();
  }
}

TEST_F(ExecutionTest, AnUpgradeThatDoesNotBecomeHealthyInTimeIsUndone) {
  NodeSpec old = Spec(node_, 2);
  Create(old);
  NodeSpec spec = Spec(node_, 4);
  FailStep(RuntimeStep::kHealth, spec.config_id);
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, spec));
  Time begun = clock_.Now();
  Settle();
  ::tallyman::agent::Runs(old, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK).Check(control_.outcomes);
  EXPECT_NE(control_.outcomes[0].message().find("did not become healthy within 300 s"),
            std::string::npos);
  EXPECT_GE(clock_.Now() - begun, std::chrono::minutes(5));
  EXPECT_TRUE(AgentTest::Runs(old));
}

TEST_F(ExecutionTest, AnUpgradeWhoseContainerEndsAtOnceIsUndoneAtOnce) {
  NodeSpec old = Spec(node_, 2);
  Create(old);
  NodeSpec spec = Spec(node_, 4);
  machine_.SetHook([&](RuntimeStep step, const NodeSpec& of) -> Status {
    if (step == RuntimeStep::kHealth && of.config_id == spec.config_id) machine_.Crash(node_);
    return {};
  });
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, spec));
  Time begun = clock_.Now();
  Settle();
  ::tallyman::agent::Runs(old, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK).Check(control_.outcomes);
  EXPECT_LT(clock_.Now() - begun, std::chrono::seconds(10));
}

TEST_F(ExecutionTest, ANodeHasToStayHealthyForAWhile) {
  NodeSpec spec = Spec(node_, 2);
  int probes = 0;
  machine_.SetHook([&](RuntimeStep step, const NodeSpec&) -> Status {
    // Every third probe fails, up to the twelfth.
    if (step == RuntimeStep::kHealth && ++probes % 3 == 0 && probes <= 12)
      return Fail(Internal("TOOL_FAILED", "not yet"));
    return {};
  });
  Create(spec);
  EXPECT_GT(probes, 12);
}

TEST_F(ExecutionTest, WhenTheOldOneCannotBePutBackItSaysSoAndGoesOnTrying) {
  for (RuntimeStep step : {RuntimeStep::kInstall, RuntimeStep::kStart}) {
    SCOPED_TRACE(static_cast<int>(step));
    NodeId node = ids_.New<NodeId>();
    NodeSpec old = Spec(node, 2);
    Create(old);
    machine_.SetHook([=](RuntimeStep taken, const NodeSpec& of) -> Status {
      if (taken == step && of.node_id == node) return Fail(Internal("TOOL_FAILED", "broken"));
      return {};
    });
    HandOut(Command(v1::COMMAND_KIND_UPGRADE, Spec(node, 4)));
    Settle();
    Expected(v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE, "", v1::RUN_STATE_FAILED)
        .Check(control_.outcomes);
    EXPECT_NE(control_.outcomes[0].message().find(": broken; and undoing that failed: while "),
              std::string::npos);

    // It says what it is, tries for hours, and puts it back when it can be.
    control_.outcomes.clear();
    clock_.Advance(std::chrono::hours(1));
    Settle();
    EXPECT_FALSE(Machine(node)->running);
    EXPECT_EQ(control_.LastStatusOf(node)->config_id(), "");
    EXPECT_EQ(control_.LastStatusOf(node)->run_state(), v1::RUN_STATE_FAILED);
    EXPECT_TRUE(control_.LastStatusOf(node)->remains());
    machine_.SetHook(nullptr);
    for (int i = 0; i < 10; ++i) {
      clock_.Advance(std::chrono::minutes(1));
      Settle();
    }
    EXPECT_TRUE(AgentTest::Runs(old));
    EXPECT_TRUE(control_.outcomes.empty());
    EXPECT_EQ(control_.LastStatusOf(node)->config_id(), old.config_id.ToString());
    NodeSpec retry = Spec(node, 4);
    HandOut(Command(v1::COMMAND_KIND_UPGRADE, retry));
    Settle();
    ::tallyman::agent::Runs(retry).Check(control_.outcomes);
    control_.outcomes.clear();
  }
}

TEST_F(ExecutionTest, WhenTheNewOneStaysInPlaceTheNextFailureGoesBackToIt) {
  Create(Spec(node_, 2));
  const NodeSpec second = Spec(node_, 4);
  machine_.SetHook([&](RuntimeStep step, const NodeSpec& of) -> Status {
    // It is never healthy, and cannot be stopped.
    if (step == RuntimeStep::kHealth || step == RuntimeStep::kStop)
      if (of.config_id == second.config_id) return Fail(Internal("TOOL_FAILED", "broken"));
    return {};
  });
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, second));
  Settle();
  ::tallyman::agent::Runs(second, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE).Check(control_.outcomes);

  control_.outcomes.clear();
  const NodeSpec third = Spec(node_, 1);
  FailStep(RuntimeStep::kStart, third.config_id);
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, third));
  Settle();
  ::tallyman::agent::Runs(second, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK)
      .Check(control_.outcomes);
  EXPECT_TRUE(AgentTest::Runs(second));
}

TEST_F(ExecutionTest, WhatACreateThatCouldNotBeUndoneLeftRunningCanBeUpgraded) {
  const NodeSpec first = Spec(node_);
  machine_.SetHook([&](RuntimeStep step, const NodeSpec&) -> Status {
    if (step != RuntimeStep::kHealth && step != RuntimeStep::kRemove) return {};
    return Fail(Internal("TOOL_FAILED", "broken"));
  });
  HandOut(Command(v1::COMMAND_KIND_CREATE, first));
  Settle();
  ::tallyman::agent::Runs(first, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE).Check(control_.outcomes);

  control_.outcomes.clear();
  const NodeSpec second = Spec(node_, 4);
  FailStep(RuntimeStep::kStart, second.config_id);
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, second));
  Settle();
  ::tallyman::agent::Runs(first, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK).Check(control_.outcomes);
  EXPECT_TRUE(AgentTest::Runs(first));
  // It works now, so that it is looked after.
  machine_.Crash(node_);
  clock_.Advance(std::chrono::hours(1));
  Settle();
  EXPECT_TRUE(AgentTest::Runs(first));
}

TEST_F(ExecutionTest, WhatRunsOfANodeThatTheJournalDoesNotKnowIsNamed) {
  const NodeSpec spec = Spec(node_);
  ASSERT_TRUE(machine_.Prepare(spec).has_value());
  ASSERT_TRUE(machine_.Install(spec).has_value());
  ASSERT_TRUE(machine_.Start(node_).has_value());
  for (v1::CommandKind kind : {v1::COMMAND_KIND_START, v1::COMMAND_KIND_STOP,
                               v1::COMMAND_KIND_RESTART, v1::COMMAND_KIND_UPGRADE}) {
    control_.outcomes.clear();
    HandOut(Command(kind, Spec(node_, 4)));
    Settle();
    ::tallyman::agent::Runs(spec, v1::OUTCOME_RESULT_NOT_SUPPORTED).Check(control_.outcomes);
  }
}

TEST_F(ExecutionTest, AStopOrStartThatFailsSaysWhatIsStillThere) {
  const NodeSpec spec = Spec(node_);
  Create(spec);
  HandOut(Command(v1::COMMAND_KIND_STOP, spec));
  Settle();
  control_.outcomes.clear();
  FailStep(RuntimeStep::kStart, spec.config_id);
  HandOut(Command(v1::COMMAND_KIND_START, spec));
  Settle();
  Expected(v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE, spec.config_id.ToString(), v1::RUN_STATE_FAILED)
      .Check(control_.outcomes);
}

TEST_F(ExecutionTest, WhenTheNewOneFilledItsLargerDiskTheOldOneRunsOnItAndTheOutcomeSaysSo) {
  NodeSpec old = Spec(node_, 2);
  Create(old);
  NodeSpec spec = Spec(node_, 4);
  FillLargerDisk(old, spec);
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, spec));
  Settle();
  ::tallyman::agent::Runs(old, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE).Check(control_.outcomes);
  auto seen = Machine(node_);
  EXPECT_TRUE(seen->running);
  EXPECT_EQ(seen->config_id, old.config_id);
  EXPECT_EQ(seen->limits.cpu_cores, old.resources.cpu_cores);
  EXPECT_EQ(seen->limits.disk_bytes, spec.resources.disk_bytes);
}

// The control plane goes on holding what has failed, and lets go of it with a rollback.
TEST_F(ExecutionTest, ADiskThatWasKeptLargerIsAFailureUntilItIsGivenBack) {
  NodeSpec old = Spec(node_, 2);
  Create(old);
  NodeSpec spec = Spec(node_, 4);
  FillLargerDisk(old, spec);
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, spec));
  Settle();
  control_.outcomes.clear();
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, Spec(node_, 1)));
  Settle();
  ::tallyman::agent::Runs(old, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE).Check(control_.outcomes);
  control_.outcomes.clear();

  // Made again it is what it was.
  machine_.LoseContainer(node_);
  HandOut(Command(v1::COMMAND_KIND_RESTART, old));
  Settle();
  EXPECT_EQ(Machine(node_)->limits.disk_bytes, spec.resources.disk_bytes);
  control_.outcomes.clear();

  machine_.SetDataBytes(node_, 0);
  NodeSpec next = Spec(node_, 4);
  FailStep(RuntimeStep::kStart, next.config_id);
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, next));
  Settle();
  ::tallyman::agent::Runs(old, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK).Check(control_.outcomes);
  EXPECT_EQ(Machine(node_)->limits, old.resources);
  control_.outcomes.clear();
  machine_.SetDataBytes(node_, old.resources.disk_bytes);
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, Spec(node_, 1)));
  Settle();
  ::tallyman::agent::Runs(old, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK).Check(control_.outcomes);
}

// The undo failed after the old one had got the larger disk.
TEST_F(ExecutionTest, ADiskThatWasKeptLargerIsKnownAlthoughTheUndoFailed) {
  const NodeSpec old = Spec(node_, 2);
  Create(old);
  const NodeSpec spec = Spec(node_, 4);
  machine_.SetHook([=, this](RuntimeStep step, const NodeSpec& of) -> Status {
    if (step != RuntimeStep::kHealth) return {};
    if (of.config_id == spec.config_id) machine_.SetDataBytes(node_, old.resources.disk_bytes + 1);
    return Fail(Internal("TOOL_FAILED", "unhealthy"));
  });
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, spec));
  Settle();
  ::tallyman::agent::Runs(old, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE).Check(control_.outcomes);
  EXPECT_EQ(Machine(node_)->limits.disk_bytes, spec.resources.disk_bytes);
  control_.outcomes.clear();

  machine_.SetHook(nullptr);
  HandOut(Command(v1::COMMAND_KIND_RESTART, old));
  Settle();
  ::tallyman::agent::Runs(old).Check(control_.outcomes);
  control_.outcomes.clear();
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, Spec(node_, 1)));
  Settle();
  ::tallyman::agent::Runs(old, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE).Check(control_.outcomes);
}

// A status would say that the old one runs, and the control plane would let go of the larger disk.
TEST_F(ExecutionTest, WhatIsPutBackGetsTheLargerDiskWhereItsDataNeedIt) {
  const NodeSpec old = Spec(node_, 2);
  Create(old);
  const NodeSpec spec = Spec(node_, 4);
  machine_.SetHook([=, this](RuntimeStep step, const NodeSpec& of) -> Status {
    if (step == RuntimeStep::kHealth && of.config_id == spec.config_id) {
      machine_.SetDataBytes(node_, old.resources.disk_bytes + 1);
      return Fail(Internal("TOOL_FAILED", "unhealthy"));
    }
    if (step != RuntimeStep::kPrepare || of.config_id != old.config_id) return {};
    machine_.Break(node_);
    return Fail(Internal("TOOL_FAILED", "broken"));
  });
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, spec));
  Settle();
  Expected(v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE, "", v1::RUN_STATE_UNSPECIFIED)
      .Check(control_.outcomes);
  control_.outcomes.clear();

  machine_.SetHook(nullptr);
  for (int i = 0; i < 10; ++i) {
    clock_.Advance(std::chrono::minutes(1));
    Settle();
  }
  EXPECT_TRUE(Machine(node_)->running);
  EXPECT_EQ(Machine(node_)->config_id, old.config_id);
  EXPECT_EQ(Machine(node_)->limits.disk_bytes, spec.resources.disk_bytes);
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, Spec(node_, 1)));
  Settle();
  ::tallyman::agent::Runs(old, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE).Check(control_.outcomes);
}

// The control plane holds what ran before a failed command, and what that command asked for, until
// a later one settles or is rolled back.
TEST_F(ExecutionTest, AnUpgradeOfAFailedNodeThatIsRefusedIsNoRollback) {
  const NodeSpec old = Spec(node_, 2);
  Create(old);
  const NodeSpec second = Spec(node_, 4);
  const NodeSpec third = Spec(node_, 1);
  machine_.SetHook([=](RuntimeStep step, const NodeSpec& of) -> Status {
    const bool breaks = step == RuntimeStep::kInstall ||
                        (step == RuntimeStep::kPrepare && of.config_id == third.config_id);
    return breaks ? Fail(Internal("TOOL_FAILED", "broken")) : Status();
  });
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, second));
  Settle();
  control_.outcomes.clear();
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, third));
  Settle();
  Expected(v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE, "", v1::RUN_STATE_UNSPECIFIED)
      .Check(control_.outcomes);
}

TEST_F(ExecutionTest, AStartOfAFailedNodeStartsWhatRanBefore) {
  for (v1::CommandKind kind : {v1::COMMAND_KIND_START, v1::COMMAND_KIND_RESTART}) {
    const NodeId node = ids_.New<NodeId>();
    const NodeSpec old = Spec(node, 2);
    Create(old);
    const NodeSpec spec = Spec(node, 4);
    machine_.SetHook([=](RuntimeStep step, const NodeSpec& of) -> Status {
      const bool breaks = of.config_id == spec.config_id ? step == RuntimeStep::kHealth
                                                         : step == RuntimeStep::kInstall;
      return breaks ? Fail(Internal("TOOL_FAILED", "broken")) : Status();
    });
    HandOut(Command(v1::COMMAND_KIND_UPGRADE, spec));
    Settle();
    EXPECT_EQ(Machine(node)->config_id, spec.config_id);
    control_.outcomes.clear();
    machine_.SetHook(nullptr);
    HandOut(Command(kind, old));
    Settle();
    ::tallyman::agent::Runs(old).Check(control_.outcomes);
    EXPECT_EQ(Machine(node)->config_id, old.config_id);
    control_.outcomes.clear();
  }
}

TEST_F(ExecutionTest, DataThatDoNotFitTheSmallerDiskAreFoundBeforeTheNodeIsStopped) {
  NodeSpec old = Spec(node_, 4);
  Create(old);
  machine_.SetDataBytes(node_, old.resources.disk_bytes);
  int stops = 0;
  machine_.SetHook([&](RuntimeStep step, const NodeSpec&) -> Status {
    stops += step == RuntimeStep::kStop ? 1 : 0;
    return {};
  });
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, Spec(node_, 2)));
  Settle();
  ::tallyman::agent::Runs(old, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK).Check(control_.outcomes);
  EXPECT_EQ(stops, 0);
}

TEST_F(ExecutionTest, ACreateThatFailsLeavesNothingBehind) {
  for (RuntimeStep step :
       {RuntimeStep::kPrepare, RuntimeStep::kInstall, RuntimeStep::kStart, RuntimeStep::kHealth}) {
    NodeSpec spec = Spec(ids_.New<NodeId>());
    FailStep(step, spec.config_id);
    HandOut(Command(v1::COMMAND_KIND_CREATE, spec));
    Settle();
    Expected(v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK, "", v1::RUN_STATE_UNSPECIFIED)
        .Check(control_.outcomes);
    EXPECT_FALSE(Machine(spec.node_id).has_value());
    control_.outcomes.clear();
  }
}

TEST_F(ExecutionTest, WhatThisHostHasNothingOfIsNotFound) {
  for (v1::CommandKind kind :
       {v1::COMMAND_KIND_UPGRADE, v1::COMMAND_KIND_UPDATE, v1::COMMAND_KIND_DELETE,
        v1::COMMAND_KIND_START, v1::COMMAND_KIND_STOP, v1::COMMAND_KIND_RESTART}) {
    HandOut(Command(kind, Spec(ids_.New<NodeId>())));
    Settle();
    Expected(v1::OUTCOME_RESULT_NODE_NOT_FOUND, "", v1::RUN_STATE_UNSPECIFIED)
        .Check(control_.outcomes);
    control_.outcomes.clear();
  }
}

TEST_F(ExecutionTest, StopStartAndRestartDoWhatTheySay) {
  NodeSpec spec = Spec(node_);
  Create(spec);
  auto order = [&](v1::CommandKind kind) {
    HandOut(Command(kind, spec));
    Settle();
    std::vector<v1::Outcome> told = std::exchange(control_.outcomes, {});
    return told;
  };
  Expected stopped(v1::OUTCOME_RESULT_OK, spec.config_id.ToString(), v1::RUN_STATE_STOPPED);
  stopped.Check(order(v1::COMMAND_KIND_STOP));
  EXPECT_FALSE(Machine(node_)->running);
  // And it stays stopped, on purpose, as its status says; also through an upgrade.
  clock_.Advance(std::chrono::hours(1));
  Settle();
  EXPECT_FALSE(Machine(node_)->running);
  EXPECT_EQ(control_.LastStatusOf(node_)->run_state(), v1::RUN_STATE_STOPPED);
  EXPECT_EQ(control_.LastStatusOf(node_)->config_id(), spec.config_id.ToString());
  spec = Spec(node_, 2);
  Expected(v1::OUTCOME_RESULT_OK, spec.config_id.ToString(), v1::RUN_STATE_STOPPED)
      .Check(order(v1::COMMAND_KIND_UPGRADE));
  EXPECT_FALSE(Machine(node_)->running);

  ::tallyman::agent::Runs(spec).Check(order(v1::COMMAND_KIND_START));
  EXPECT_TRUE(AgentTest::Runs(spec));
  ::tallyman::agent::Runs(spec).Check(order(v1::COMMAND_KIND_RESTART));
  EXPECT_TRUE(AgentTest::Runs(spec));
}

TEST_F(ExecutionTest, DeleteRemovesEverythingAndADeleteThatFailsSaysWhatRuns) {
  NodeSpec spec = Spec(node_);
  Create(spec);
  FailStep(RuntimeStep::kRemove, spec.config_id);
  HandOut(Command(v1::COMMAND_KIND_DELETE, spec));
  Settle();
  ::tallyman::agent::Runs(spec, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE).Check(control_.outcomes);
  EXPECT_TRUE(Machine(node_)->running);

  machine_.SetHook(nullptr);
  control_.outcomes.clear();
  HandOut(Command(v1::COMMAND_KIND_DELETE, spec));
  Settle();
  Expected(v1::OUTCOME_RESULT_OK, "", v1::RUN_STATE_UNSPECIFIED).Check(control_.outcomes);
  EXPECT_FALSE(Machine(node_).has_value());
  EXPECT_TRUE(core_->Remembered().nodes.empty());
}

// Counts the agent's deeds (steps of the machine, writes of the journal) and ends it at one.
class KillAt {
 public:
  explicit KillAt(int at) : at_(at) {}
  void Deed() {
    if (++deeds_ == at_) throw Killed();
  }
  bool reached() const { return deeds_ >= at_; }

 private:
  int at_;
  int deeds_ = 0;
};

// kill -9 before each step of the machine, and before and after each statement of the journal: the
// node ends as if nothing had happened, and what was told is what is there.
TEST_F(ExecutionTest, AnAgentThatIsKilledAtAnyStepFinishesWhatItBegan) {
  options_.execution = {.health_deadline = std::chrono::seconds(1),
                        .settle_time = std::chrono::seconds(1),
                        .health_interval = std::chrono::seconds(1)};
  StartAgent();
  int points = 0;
  for (bool failing : {false, true}) {
    bool reached = true;
    for (int at = 1; reached; ++at, points += reached ? 1 : 0) {
      SCOPED_TRACE(testing::Message() << "killed at deed " << at << ", failing " << failing);
      NodeSpec old = Spec(node_, 2);
      Create(old);
      NodeSpec spec = Spec(node_, 4);
      KillAt kill(at);
      machine_.SetHook([&](RuntimeStep step, const NodeSpec& of) -> Status {
        kill.Deed();
        if (failing && step == RuntimeStep::kHealth && of.config_id == spec.config_id)
          return Fail(Internal("TOOL_FAILED", "unhealthy"));
        return {};
      });
      control_.before = control_.after = [&](std::string_view) -> Status {
        kill.Deed();
        return {};
      };
      hook_ = [&](std::string_view) {
        kill.Deed();
        return 0;
      };
      HandOut(Command(v1::COMMAND_KIND_UPGRADE, spec));
      SettleThroughKills();
      reached = kill.reached();

      const NodeSpec& end = failing ? old : spec;
      EXPECT_TRUE(AgentTest::Runs(end));
      EXPECT_FALSE(control_.outcomes.empty());
      // An outcome whose answer was lost is told again, and is the same.
      for (const v1::Outcome& outcome : control_.outcomes) {
        EXPECT_EQ(outcome.running_config_id(), end.config_id.ToString());
        EXPECT_EQ(outcome.result(),
                  failing ? v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK : v1::OUTCOME_RESULT_OK);
      }
      EXPECT_TRUE(core_->Remembered().commands.empty());

      // The next round begins with nothing.
      machine_.SetHook(nullptr);
      control_.before = control_.after = nullptr;
      hook_ = nullptr;
      HandOut(Command(v1::COMMAND_KIND_DELETE, end));
      StartAgent();
      Settle();
      control_.outcomes.clear();
      control_.reports.clear();
    }
  }
  EXPECT_GT(points, 100);
}

TEST_F(ExecutionTest, APullThatEndsWithTheAgentIsNoFailureOfTheCommand) {
  NodeSpec old = Spec(node_, 2);
  Create(old);
  bool ending = true;
  machine_.SetHook([&](RuntimeStep step, const NodeSpec&) -> Status {
    if (ending && step == RuntimeStep::kPrepare)
      return Fail(Error(Code::kCanceled, "TOOL_STOPPED", "the agent is stopping"));
    return {};
  });
  NodeSpec spec = Spec(node_, 4);
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, spec));
  ASSERT_TRUE(core_->Talk().has_value());
  EXPECT_TRUE(core_->WorkOnce());
  EXPECT_TRUE(core_->WorkOnce());
  EXPECT_FALSE(core_->HasNews());
  EXPECT_TRUE(AgentTest::Runs(old));
  ending = false;
  StartAgent();
  Settle();
  ::tallyman::agent::Runs(spec).Check(control_.outcomes);
}

TEST_F(ExecutionTest, AJournalThatCannotBeWrittenStopsTheWorkAndNotTheAgent) {
  NodeSpec old = Spec(node_, 2);
  Create(old);
  bool full = false;
  hook_ = [&](std::string_view sql) {
    return full && sql.starts_with("INSERT") ? 13 /* SQLITE_FULL */ : 0;
  };
  StartAgent();
  NodeSpec spec = Spec(node_, 4);
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, spec));
  ASSERT_TRUE(core_->Talk().has_value());
  full = true;
  EXPECT_TRUE(core_->WorkOnce());
  EXPECT_FALSE(core_->WorkOnce());
  EXPECT_TRUE(AgentTest::Runs(old));
  full = false;
  clock_.Advance(std::chrono::seconds(2));
  Settle();
  ::tallyman::agent::Runs(spec).Check(control_.outcomes);
}

}  // namespace
}  // namespace tallyman::agent
