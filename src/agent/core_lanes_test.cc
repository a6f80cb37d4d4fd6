// Nobody waits for what takes long: neither another node, nor care, nor a command that came later.
#include <condition_variable>
#include <thread>

#include "agent/core.h"
#include "agent/testing_agent.h"

namespace tallyman::agent {
namespace {

using std::chrono::seconds;

class CoreLanesTest : public AgentTest {
 protected:
  // Steps of this kind for these nodes are never done.
  void Stall(std::set<RuntimeStep> steps, std::set<NodeId> nodes) {
    machine_.SetSlowness([=](RuntimeStep step, const NodeSpec& spec) {
      return steps.contains(step) && nodes.contains(spec.node_id) ? 1'000'000 : 1;
    });
  }
  void Pass(seconds time) {
    for (seconds passed{0}; passed < time; passed += seconds(1)) {
      (void)core_->Talk().has_value();
      while (core_->WorkOnce()) {
      }
      clock_.Advance(seconds(1));
    }
    (void)core_->Talk().has_value();
  }
  v1::OutcomeResult ResultOf(const std::string& id) {
    for (const v1::Outcome& outcome : control_.outcomes)
      if (outcome.command_id() == id) return outcome.result();
    return v1::OUTCOME_RESULT_UNSPECIFIED;
  }
};

TEST_F(CoreLanesTest, NothingThatHangsHoldsUpAnotherNode) {
  std::set<NodeId> slow;
  NodeSpec runs = Spec(node_);
  Create(runs);
  for (int i = 0; i < 10; ++i) {
    slow.insert(ids_.New<NodeId>());
  }
  Stall({RuntimeStep::kPrepare, RuntimeStep::kStop, RuntimeStep::kInstall}, slow);
  for (const NodeId& node : slow) HandOut(Command(v1::COMMAND_KIND_CREATE, Spec(node)));
  Pass(seconds(5));
  machine_.Crash(node_);
  NodeSpec other = Spec(ids_.New<NodeId>());
  const std::string create = HandOut(Command(v1::COMMAND_KIND_CREATE, other));
  Pass(seconds(15));
  EXPECT_TRUE(Runs(runs));
  EXPECT_TRUE(Runs(other));
  EXPECT_EQ(ResultOf(create), v1::OUTCOME_RESULT_OK);
  const std::string stop = HandOut(Command(v1::COMMAND_KIND_STOP, runs));
  Pass(seconds(2));
  EXPECT_EQ(ResultOf(stop), v1::OUTCOME_RESULT_OK);
}

TEST_F(CoreLanesTest, ALaneWhoseThreadsAllHangLeavesTheOthersTheirs) {
  NodeSpec runs = Spec(node_);
  Create(runs);
  clock_.Advance(seconds(20));
  while (core_->WorkOnce()) {
  }
  // Calls that really wait, though none should: as many as there may be in the lane.
  std::mutex mutex;
  std::condition_variable changed;
  int inside = 0;
  bool go_on = false;
  machine_.SetHook([&](RuntimeStep step, const NodeSpec&) -> Status {
    if (step != RuntimeStep::kPrepare) return {};
    std::unique_lock lock(mutex);
    ++inside;
    changed.notify_all();
    changed.wait(lock, [&] { return go_on; });
    return {};
  });
  for (int i = 0; i < 10; ++i) HandOut(Command(v1::COMMAND_KIND_CREATE, Spec(ids_.New<NodeId>())));
  ASSERT_TRUE(core_->Talk().has_value());
  std::vector<std::jthread> workers;
  for (int i = 0; i < options_.lane_workers_max; ++i) {
    workers.emplace_back([&] {
      while (true) {
        core_->WorkOnce();
        std::lock_guard lock(mutex);
        if (go_on) return;
      }
    });
  }
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return inside == options_.lane_workers_max; });
  }
  machine_.Crash(node_);
  clock_.Advance(seconds(20));
  // One more thread is never given to the lane, and does all else.
  for (int i = 0; i < 10 && core_->WorkOnce(); ++i) clock_.Advance(seconds(1));
  EXPECT_TRUE(Runs(runs));
  EXPECT_EQ(inside, options_.lane_workers_max);
  std::lock_guard lock(mutex);
  go_on = true;
  changed.notify_all();
}

TEST_F(CoreLanesTest, ADeleteEndsThePullThatIsUnderWay) {
  Stall({RuntimeStep::kPrepare}, {node_});
  NodeSpec spec = Spec(node_);
  const std::string create = HandOut(Command(v1::COMMAND_KIND_CREATE, spec));
  Pass(seconds(5));
  EXPECT_TRUE(control_.outcomes.empty());
  const std::string gone = HandOut(Command(v1::COMMAND_KIND_DELETE, spec));
  Pass(seconds(2));
  ASSERT_EQ(control_.outcomes.size(), 2u);
  EXPECT_EQ(control_.outcomes[0].command_id(), create);
  EXPECT_EQ(control_.outcomes[0].result(), v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK);
  EXPECT_EQ(control_.outcomes[0].running_config_id(), "");
  EXPECT_EQ(control_.outcomes[1].command_id(), gone);
  EXPECT_EQ(control_.outcomes[1].result(), v1::OUTCOME_RESULT_NODE_NOT_FOUND);
  EXPECT_FALSE(Machine(node_).has_value());
  EXPECT_TRUE(core_->Remembered().nodes.empty());
}

// At each step of an upgrade, each of which hangs: the delete does not wait, what is told is true.
TEST_F(CoreLanesTest, ADeleteEndsAnUpgradeAtAnyOfItsSteps) {
  for (RuntimeStep step : {RuntimeStep::kPrepare, RuntimeStep::kStop, RuntimeStep::kInstall,
                           RuntimeStep::kStart, RuntimeStep::kHealth}) {
    SCOPED_TRACE(static_cast<int>(step));
    NodeSpec old = Spec(ids_.New<NodeId>());
    Create(old);
    NodeSpec spec = Spec(old.node_id, 2);
    Stall({step}, {old.node_id});
    machine_.SetHook([=](RuntimeStep taken, const NodeSpec& of) -> Status {
      if (taken == RuntimeStep::kHealth && step == taken && of.config_id == spec.config_id)
        return Fail(Internal("TOOL_FAILED", "not yet"));
      return {};
    });
    HandOut(Command(v1::COMMAND_KIND_UPGRADE, spec));
    Pass(seconds(5));
    EXPECT_TRUE(control_.outcomes.empty());
    const std::string gone = HandOut(Command(v1::COMMAND_KIND_DELETE, spec));
    Pass(seconds(2));
    ASSERT_EQ(control_.outcomes.size(), 2u);
    EXPECT_EQ(control_.outcomes[0].result(), v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE);
    EXPECT_EQ(control_.outcomes[0].running_config_id(), "");
    EXPECT_EQ(control_.outcomes[1].command_id(), gone);
    EXPECT_FALSE(Machine(old.node_id).has_value());
    control_.outcomes.clear();
    machine_.SetHook(nullptr);
  }
}

TEST_F(CoreLanesTest, ADeleteDoesNotWaitForThePauseBetweenTwoTries) {
  machine_.SetHook([](RuntimeStep step, const NodeSpec&) -> Status {
    if (step != RuntimeStep::kPrepare) return {};
    return Fail(Error(Code::kUnavailable, "REGISTRY_AWAY", "503"));
  });
  NodeSpec spec = Spec(node_);
  HandOut(Command(v1::COMMAND_KIND_CREATE, spec));
  Pass(seconds(100));
  EXPECT_TRUE(control_.outcomes.empty());
  HandOut(Command(v1::COMMAND_KIND_DELETE, spec));
  ASSERT_TRUE(core_->Talk().has_value());
  while (core_->WorkOnce()) {
  }
  ASSERT_TRUE(core_->Talk().has_value());
  EXPECT_EQ(control_.outcomes.size(), 2u);
}

TEST_F(CoreLanesTest, AnUpgradeThatWaitsForItsCreateDoesNotEndIt) {
  int away = 10;
  machine_.SetHook([&](RuntimeStep step, const NodeSpec&) -> Status {
    if (step != RuntimeStep::kPrepare || away-- <= 0) return {};
    return Fail(Error(Code::kUnavailable, "REGISTRY_AWAY", "503"));
  });
  NodeSpec first = Spec(node_);
  NodeSpec second = Spec(node_, 2);
  HandOut(Command(v1::COMMAND_KIND_CREATE, first));
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, second));
  Settle();
  ASSERT_EQ(control_.outcomes.size(), 2u);
  for (const v1::Outcome& outcome : control_.outcomes)
    EXPECT_EQ(outcome.result(), v1::OUTCOME_RESULT_OK) << outcome.message();
  EXPECT_TRUE(Runs(second));
}

TEST_F(CoreLanesTest, AnUpgradeEndsThePullOfTheOneBeforeIt) {
  NodeSpec old = Spec(node_);
  Create(old);
  NodeSpec second = Spec(node_, 2);
  machine_.SetSlowness([=](RuntimeStep step, const NodeSpec& spec) {
    return step == RuntimeStep::kPrepare && spec.config_id == second.config_id ? 1'000'000 : 1;
  });
  const std::string first = HandOut(Command(v1::COMMAND_KIND_UPGRADE, second));
  Pass(seconds(5));
  NodeSpec third = Spec(node_, 3);
  const std::string later = HandOut(Command(v1::COMMAND_KIND_UPGRADE, third));
  Pass(seconds(10));
  ASSERT_EQ(control_.outcomes.size(), 2u);
  EXPECT_EQ(control_.outcomes[0].command_id(), first);
  EXPECT_EQ(control_.outcomes[0].result(), v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK);
  EXPECT_EQ(control_.outcomes[0].running_config_id(), old.config_id.ToString());
  EXPECT_EQ(control_.outcomes[1].command_id(), later);
  EXPECT_EQ(control_.outcomes[1].result(), v1::OUTCOME_RESULT_OK);
  EXPECT_TRUE(Runs(third));
}

}  // namespace
}  // namespace tallyman::agent
