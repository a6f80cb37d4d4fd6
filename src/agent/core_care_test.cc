// Looking after nodes: what is broken is made again, one broken node harms no other.
#include "agent/core.h"
#include "agent/testing_agent.h"

namespace tallyman::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class CoreCareTest : public AgentTest {
 protected:
  void Pass(std::chrono::seconds time) {
    for (seconds passed{0}; passed < time; passed += seconds(1)) {
      (void)core_->Talk().has_value();
      while (core_->WorkOnce()) {
      }
      clock_.Advance(seconds(1));
    }
    (void)core_->Talk().has_value();
  }
  const v1::NodeStatus& StatusOf(const NodeId& node) {
    static const v1::NodeStatus kNone;
    const v1::NodeStatus* status = control_.LastStatusOf(node);
    EXPECT_NE(status, nullptr);
    return status == nullptr ? kNone : *status;
  }
};

TEST_F(CoreCareTest, ANodeThatCannotBeReadIsPendingWithItsProblemAndMadeAgain) {
  NodeSpec spec = Spec(node_);
  NodeSpec other = Spec(ids_.New<NodeId>());
  Create(spec);
  Create(other);
  machine_.Break(node_);
  // It cannot be mended yet.
  FailStep(RuntimeStep::kPrepare, spec.config_id);
  Pass(seconds(60));
  EXPECT_TRUE(StatusOf(node_).pending());
  EXPECT_EQ(StatusOf(node_).config_id(), "");
  EXPECT_NE(StatusOf(node_).problem().find("its state is empty"), std::string::npos);
  EXPECT_FALSE(StatusOf(other.node_id).pending());
  EXPECT_EQ(StatusOf(other.node_id).config_id(), other.config_id.ToString());
  EXPECT_TRUE(control_.reports.back().status().complete());
  machine_.Crash(other.node_id);
  Pass(seconds(20));
  EXPECT_TRUE(Runs(other));

  machine_.SetHook(nullptr);
  Pass(minutes(7));
  EXPECT_TRUE(Runs(spec));
  EXPECT_FALSE(StatusOf(node_).pending());
  EXPECT_EQ(StatusOf(node_).problem(), "");
}

TEST_F(CoreCareTest, AStoppedNodeThatCannotBeReadIsMadeAgainAndStaysStopped) {
  NodeSpec spec = Spec(node_);
  Create(spec);
  HandOut(Command(v1::COMMAND_KIND_STOP, spec));
  Settle();
  machine_.Break(node_);
  Pass(minutes(2));
  ASSERT_TRUE(Machine(node_).has_value());
  EXPECT_EQ(Machine(node_)->unreadable, "");
  EXPECT_FALSE(Machine(node_)->running);
  EXPECT_EQ(StatusOf(node_).run_state(), v1::RUN_STATE_STOPPED);
}

TEST_F(CoreCareTest, WhatADeleteCouldNotRemoveNorReadCanBeSeenAgainAndStaysStopped) {
  NodeSpec spec = Spec(node_);
  Create(spec);
  bool broken = true;
  machine_.SetHook([&](RuntimeStep step, const NodeSpec&) -> Status {
    if (broken && step != RuntimeStep::kHealth) return Fail(Internal("TOOL_FAILED", "broken"));
    return {};
  });
  machine_.Break(node_);
  HandOut(Command(v1::COMMAND_KIND_DELETE, spec));
  Settle();
  ASSERT_EQ(control_.outcomes.size(), 1u);
  EXPECT_EQ(control_.outcomes[0].result(), v1::OUTCOME_RESULT_INTERNAL_ERROR);
  Pass(minutes(1));
  EXPECT_TRUE(StatusOf(node_).pending());
  broken = false;
  Pass(minutes(6));
  EXPECT_FALSE(StatusOf(node_).pending());
  EXPECT_TRUE(StatusOf(node_).remains());
  EXPECT_EQ(StatusOf(node_).config_id(), "");
  EXPECT_FALSE(Machine(node_)->running);
}

TEST_F(CoreCareTest, ANodeWhoseContainerIsLostIsMadeAgain) {
  NodeSpec spec = Spec(node_);
  Create(spec);
  machine_.LoseContainer(node_);
  machine_.CutPower([](const ImageId&) { return false; });
  StartAgent();
  Pass(seconds(20));
  EXPECT_TRUE(Runs(spec));
}

// What ran before is what will run: it stays held until then.
TEST_F(CoreCareTest, ANodeWhoseContainerIsLostIsInMotionUntilItIsMadeAgain) {
  Create(Spec(node_));
  machine_.LoseContainer(node_);
  StartAgent();
  ASSERT_TRUE(core_->Talk().has_value());
  EXPECT_TRUE(StatusOf(node_).pending());
  EXPECT_EQ(StatusOf(node_).problem(), "its container is gone: it is made again");
  EXPECT_TRUE(machine_.Remove(node_).has_value());
  StartAgent();
  ASSERT_TRUE(core_->Talk().has_value());
  EXPECT_TRUE(StatusOf(node_).pending());
  Pass(seconds(60));
  EXPECT_FALSE(StatusOf(node_).pending());
  EXPECT_EQ(StatusOf(node_).problem(), "");
  EXPECT_EQ(StatusOf(node_).run_state(), v1::RUN_STATE_RUNNING);
}

TEST_F(CoreCareTest, ARestartByAPersonMakesABrokenNodeAgain) {
  NodeSpec spec = Spec(node_);
  Create(spec);
  machine_.Break(node_);
  HandOut(Command(v1::COMMAND_KIND_RESTART, spec));
  ASSERT_TRUE(core_->Talk().has_value());
  Settle();
  ASSERT_EQ(control_.outcomes.size(), 1u);
  EXPECT_EQ(control_.outcomes[0].result(), v1::OUTCOME_RESULT_OK);
  EXPECT_EQ(control_.outcomes[0].running_config_id(), spec.config_id.ToString());
  EXPECT_TRUE(Runs(spec));
}

TEST_F(CoreCareTest, WhatACreateCouldNotRemoveIsRemovedLater) {
  NodeSpec spec = Spec(node_);
  bool broken = true;
  machine_.SetHook([&](RuntimeStep step, const NodeSpec&) -> Status {
    const bool fails = step == RuntimeStep::kStart || (broken && step == RuntimeStep::kRemove);
    return fails ? Fail(Internal("TOOL_FAILED", "broken")) : Status();
  });
  HandOut(Command(v1::COMMAND_KIND_CREATE, spec));
  Settle();
  EXPECT_EQ(control_.outcomes[0].result(), v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE);
  EXPECT_TRUE(Machine(node_).has_value());
  StartAgent();
  Pass(minutes(2));
  EXPECT_TRUE(StatusOf(node_).remains());
  broken = false;
  Pass(minutes(6));
  EXPECT_FALSE(Machine(node_).has_value());
  EXPECT_TRUE(core_->Remembered().nodes.empty());
}

TEST_F(CoreCareTest, APutBackThatGoesOnIsEndedByTheNextCommand) {
  NodeSpec old = Spec(node_);
  Create(old);
  machine_.SetHook([&](RuntimeStep step, const NodeSpec&) -> Status {
    return step == RuntimeStep::kStart ? Fail(Internal("TOOL_FAILED", "broken")) : Status();
  });
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, Spec(node_, 2)));
  Settle();
  StartAgent();
  Pass(minutes(1));
  machine_.SetHook(nullptr);
  control_.outcomes.clear();
  HandOut(Command(v1::COMMAND_KIND_DELETE, old));
  Pass(seconds(5));
  ASSERT_EQ(control_.outcomes.size(), 1u);
  EXPECT_EQ(control_.outcomes[0].result(), v1::OUTCOME_RESULT_OK);
  Pass(minutes(10));
  EXPECT_FALSE(Machine(node_).has_value());
}

TEST_F(CoreCareTest, AHostWhoseNodesCannotBeListedStillReportsTheRest) {
  NodeSpec spec = Spec(node_);
  Create(spec);
  machine_.SetListError(Internal("TOOL_FAILED", "cannot open /run"));
  Pass(seconds(40));
  const v1::HostStatus& status = control_.reports.back().status();
  EXPECT_NE(status.problem().find("cannot open /run"), std::string::npos);
  EXPECT_FALSE(status.complete());
  EXPECT_EQ(status.nodes_size(), 0);
  EXPECT_EQ(status.capacity().cpu_cores(), 64);
  machine_.Crash(node_);
  Pass(seconds(20));
  machine_.SetListError(std::nullopt);
  EXPECT_TRUE(Runs(spec));
}

TEST_F(CoreCareTest, LeftoversOfANodeAreDroppedAfterEachOfItsCommandsAndNotAllTheTime) {
  Create(Spec(node_));
  Create(Spec(ids_.New<NodeId>()));
  Pass(minutes(1));
  const int64_t before = machine_.tidied();
  Pass(minutes(5));
  EXPECT_EQ(machine_.tidied(), before);
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, Spec(node_, 2)));
  Pass(minutes(5));
  EXPECT_EQ(machine_.tidied(), before + 1);
}

}  // namespace
}  // namespace tallyman::agent
