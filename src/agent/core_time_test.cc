// Somebody sets the machine's clock: nothing waits longer or shorter for it.
#include "agent/core.h"
#include "agent/testing_agent.h"

namespace tallyman::agent {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class CoreTimeTest : public AgentTest, public testing::WithParamInterface<int> {
 protected:
  // Works and talks while so much time passes, second by second.
  void Pass(seconds time) {
    for (seconds passed{0}; passed < time; passed += seconds(1)) {
      (void)core_->Talk().has_value();
      while (core_->WorkOnce()) {
      }
      clock_.Advance(seconds(1));
    }
    (void)core_->Talk().has_value();
  }
  void JumpClock() { clock_.Jump(hours(GetParam())); }
};

TEST_P(CoreTimeTest, ACreateThatWaitsForHealthGetsItsTimeAndNotMore) {
  NodeSpec spec = Spec(node_);
  bool healthy = false;
  machine_.SetHook([&](RuntimeStep step, const NodeSpec&) -> Status {
    if (step == RuntimeStep::kHealth && !healthy) return Fail(Internal("TOOL_FAILED", "not yet"));
    return {};
  });
  HandOut(Command(v1::COMMAND_KIND_CREATE, spec));
  Pass(seconds(10));
  JumpClock();
  Pass(minutes(4));
  EXPECT_TRUE(control_.outcomes.empty());
  healthy = true;
  Pass(seconds(10));
  ASSERT_EQ(control_.outcomes.size(), 1u);
  EXPECT_EQ(control_.outcomes[0].result(), v1::OUTCOME_RESULT_OK);

  // Another one never becomes healthy: its time is over when it is.
  control_.outcomes.clear();
  healthy = false;
  HandOut(Command(v1::COMMAND_KIND_CREATE, Spec(ids_.New<NodeId>())));
  Pass(seconds(10));
  JumpClock();
  Pass(minutes(5));
  ASSERT_EQ(control_.outcomes.size(), 1u);
  EXPECT_EQ(control_.outcomes[0].result(), v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK);
}

TEST_P(CoreTimeTest, ACrashedNodeIsStartedAgainAfterItsPause) {
  NodeSpec spec = Spec(node_);
  Create(spec);
  Pass(seconds(20));
  for (int crash = 0; crash < 4; ++crash) {
    machine_.Crash(node_);
    Pass(seconds(1));
    JumpClock();
    Pass(seconds(20));
    EXPECT_TRUE(Runs(spec)) << crash;
  }
}

TEST_P(CoreTimeTest, ItFetchesWhenItWasToldToAndReportsWhenItIsTime) {
  Create(Spec(node_));
  Pass(seconds(40));
  const size_t before = control_.reports.size();
  JumpClock();
  Pass(seconds(65));
  const size_t reports = control_.reports.size() - before;
  EXPECT_GE(reports, 2u);
  EXPECT_LE(reports, 4u);
}

INSTANTIATE_TEST_SUITE_P(Jumps, CoreTimeTest, testing::Values(-2, 2),
                         [](const auto& jump) { return jump.param < 0 ? "Back" : "Forward"; });

}  // namespace
}  // namespace tallyman::agent
