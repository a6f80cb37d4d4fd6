// What may pass by itself is tried again; what is told names the step and how it ended.
#include "agent/execution.h"
#include "agent/testing_agent.h"
#include "base/text.h"

namespace tallyman::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class ExecutionRetryTest : public AgentTest {
 protected:
  // The step fails so often, with this.
  void FailTimes(RuntimeStep step, Code code, int times) {
    auto left = std::make_shared<int>(times);
    machine_.SetHook([=](RuntimeStep taken, const NodeSpec&) -> Status {
      if (taken == step && (*left)-- > 0) return Fail(Error(code, "TOOL_FAILED", "away or busy"));
      return {};
    });
  }
  const std::string& OnlyMessage() {
    EXPECT_EQ(control_.outcomes.size(), 1u);
    return control_.outcomes[0].message();
  }
};

TEST_F(ExecutionRetryTest, WhatMayPassIsTriedAgainAtEveryStep) {
  for (Code code : {Code::kUnavailable, Code::kResourceExhausted}) {
    for (RuntimeStep step :
         {RuntimeStep::kPrepare, RuntimeStep::kStop, RuntimeStep::kInstall, RuntimeStep::kStart}) {
      SCOPED_TRACE(static_cast<int>(step));
      NodeSpec old = Spec(ids_.New<NodeId>());
      Create(old);
      FailTimes(step, code, 15);
      NodeSpec spec = Spec(old.node_id, 2);
      HandOut(Command(v1::COMMAND_KIND_UPGRADE, spec));
      const Time begun = clock_.Now();
      Settle();
      ASSERT_EQ(control_.outcomes.size(), 1u);
      EXPECT_EQ(control_.outcomes[0].result(), v1::OUTCOME_RESULT_OK);
      EXPECT_TRUE(Runs(spec));
      // With pauses that grow, but not beyond half a minute.
      EXPECT_GT(clock_.Now() - begun, minutes(4));
      EXPECT_LT(clock_.Now() - begun, minutes(10));
      control_.outcomes.clear();
    }
  }
}

TEST_F(ExecutionRetryTest, WhatDoesNotPassInTimeIsUndoneAndNamed) {
  NodeSpec old = Spec(node_);
  Create(old);
  NodeSpec spec = Spec(node_, 2);
  machine_.SetHook([=](RuntimeStep step, const NodeSpec& of) -> Status {
    if (step != RuntimeStep::kInstall || of.config_id != spec.config_id) return {};
    return Fail(Error(Code::kUnavailable, "DEVICE_BUSY", "/dev/loop0: Device or resource busy"));
  });
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, spec));
  const Time begun = clock_.Now();
  Settle();
  EXPECT_EQ(control_.outcomes[0].result(), v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK);
  EXPECT_TRUE(OnlyMessage().starts_with(
      "while making its disk larger: /dev/loop0: Device or resource busy (tried again for "))
      << OnlyMessage();
  EXPECT_GE(clock_.Now() - begun, minutes(10));
  EXPECT_LT(clock_.Now() - begun, minutes(12));
  EXPECT_TRUE(Runs(old));
}

TEST_F(ExecutionRetryTest, WhatCannotPassIsNotTriedAgain) {
  NodeSpec old = Spec(node_);
  Create(old);
  FailTimes(RuntimeStep::kPrepare, Code::kInternal, 1);
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, Spec(node_, 2)));
  Settle();
  EXPECT_EQ(control_.outcomes[0].result(), v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK);
  EXPECT_EQ(OnlyMessage(), "while fetching its image: away or busy");
}

TEST_F(ExecutionRetryTest, UndoingIsTriedForMuchLonger) {
  NodeSpec old = Spec(node_);
  Create(old);
  NodeSpec spec = Spec(node_, 2);
  const SteadyTime begun = clock_.SteadyNow();
  machine_.SetHook([=, this](RuntimeStep step, const NodeSpec& of) -> Status {
    if (step == RuntimeStep::kHealth && of.config_id == spec.config_id)
      return Fail(Internal("TOOL_FAILED", "unhealthy"));
    const bool passed = clock_.SteadyNow() - begun > minutes(45);
    if (step == RuntimeStep::kInstall && of.config_id == old.config_id && !passed)
      return Fail(Error(Code::kUnavailable, "DEVICE_BUSY", "busy"));
    return {};
  });
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, spec));
  Settle();
  EXPECT_EQ(control_.outcomes[0].result(), v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK);
  EXPECT_TRUE(Runs(old));
}

// A call for a node ends another one that is under way for it, so steps must not take turns.
TEST_F(ExecutionRetryTest, StepsThatTakeTimeAreDoneAndUndoneAllTheSame) {
  machine_.SetSlowness([](RuntimeStep, const NodeSpec&) { return 3; });
  NodeSpec old = Spec(node_);
  Create(old);
  NodeSpec spec = Spec(node_, 2);
  machine_.SetHook([=](RuntimeStep step, const NodeSpec& of) -> Status {
    if (step != RuntimeStep::kStart || of.config_id != spec.config_id) return {};
    return Fail(Internal("NODE_BROKEN", "it does not start"));
  });
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, spec));
  Settle();
  EXPECT_EQ(control_.outcomes[0].result(), v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK);
  EXPECT_TRUE(Runs(old));
}

TEST_F(ExecutionRetryTest, AFailedCreateSaysHowItsContainerEnded) {
  struct Case {
    ReportedEnd end;
    std::string says;
  };
  for (const Case& a :
       {Case{{.exit_code = 3, .output = "no such file: x.toml\n"},
             "it exited with code 3; it printed last: no such file: x.toml"},
        Case{{.exit_code = 139, .signal = 11}, "it was terminated by signal 11 (SIGSEGV)"},
        Case{{.exit_code = 137, .signal = 9, .out_of_memory = true},
             "the kernel killed it because it exceeded its memory limit"}}) {
    NodeSpec spec = Spec(ids_.New<NodeId>());
    machine_.SetHook([&](RuntimeStep step, const NodeSpec& of) -> Status {
      if (step == RuntimeStep::kHealth) machine_.Crash(of.node_id, a.end);
      return {};
    });
    HandOut(Command(v1::COMMAND_KIND_CREATE, spec));
    Settle();
    EXPECT_EQ(control_.outcomes[0].result(), v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK);
    EXPECT_NE(OnlyMessage().find(a.says), std::string::npos) << OnlyMessage();
    control_.outcomes.clear();
  }
}

TEST_F(ExecutionRetryTest, AnUpgradeThatStaysUnhealthySaysWhatItsHealthCommandSaid) {
  Create(Spec(node_));
  NodeSpec spec = Spec(node_, 2);
  machine_.SetHook([&](RuntimeStep step, const NodeSpec& of) -> Status {
    if (step == RuntimeStep::kHealth)
      machine_.SetUnhealthy(node_, of.config_id == spec.config_id ? "exit code 7: no peers" : "");
    return {};
  });
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, spec));
  Settle();
  EXPECT_EQ(OnlyMessage(), "it did not become healthy within 300 s: exit code 7: no peers");
}

// A report that cannot be read would be refused for ever, and all others behind it.
TEST_F(ExecutionRetryTest, NoTextOfAToolCanMakeAReportUnreadable) {
  Create(Spec(node_));
  std::string umlauts;
  while (umlauts.size() < 5000) umlauts += "\u00e4";
  for (const std::string& text :
       {umlauts, "a" + umlauts, "aa" + umlauts, std::string("\xff\xfe\0x", 4),
        std::string(998, 'a') + "\u20ac\u20ac"}) {
    machine_.SetHook([&](RuntimeStep step, const NodeSpec&) -> Status {
      if (step == RuntimeStep::kPrepare) return Fail(Internal("TOOL_FAILED", text));
      return {};
    });
    HandOut(Command(v1::COMMAND_KIND_UPGRADE, Spec(node_, 2)));
    Settle();
    const std::string& message = OnlyMessage();
    EXPECT_TRUE(CheckText("message", message, 1000).has_value()) << message.size();
    control_.outcomes.clear();
  }
}

}  // namespace
}  // namespace tallyman::agent
