// What happens between commands is told: once, in order, in bounds.
#include "agent/core.h"
#include "agent/testing_agent.h"

namespace tallyman::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class CoreIncidentsTest : public AgentTest {
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
  // As the control plane counts them: each number once.
  std::map<int64_t, v1::Incident> Heard() {
    std::map<int64_t, v1::Incident> heard;
    for (const v1::ReportRequest& report : control_.reports) {
      int64_t last = 0;
      for (const v1::Incident& one : report.incidents()) {
        EXPECT_GT(one.number(), last);
        last = one.number();
        heard.emplace(one.number(), one);
      }
      EXPECT_LE(report.incidents_size(), 1000);
    }
    return heard;
  }
  int64_t Count(v1::IncidentKind kind) {
    int64_t count = 0;
    for (const auto& [number, one] : Heard())
      if (one.kind() == kind) count += one.count();
    return count;
  }
  const v1::NodeStatus& StatusOf(const NodeId& node) { return *control_.LastStatusOf(node); }
};

TEST_F(CoreIncidentsTest, ACrashIsToldWithItsEndAndCounted) {
  Create(Spec(node_));
  Pass(seconds(20));
  machine_.Crash(node_, {.exit_code = 3, .at = clock_.Now(), .output = "out of peers\n"});
  Pass(seconds(20));
  machine_.Crash(node_, {.exit_code = 137, .signal = 9, .out_of_memory = true, .at = clock_.Now()});
  Pass(seconds(60));
  const auto heard = Heard();
  ASSERT_EQ(heard.size(), 2u);
  const v1::Incident& first = heard.begin()->second;
  EXPECT_EQ(first.kind(), v1::INCIDENT_KIND_NODE_CRASHED);
  EXPECT_EQ(first.node_id(), node_.ToString());
  EXPECT_EQ(first.count(), 1);
  EXPECT_EQ(first.end().exit_code(), 3);
  EXPECT_NE(first.message().find("out of peers"), std::string::npos);
  EXPECT_EQ(heard.rbegin()->second.kind(), v1::INCIDENT_KIND_NODE_OUT_OF_MEMORY);
  EXPECT_EQ(StatusOf(node_).restarts(), 2);
  EXPECT_TRUE(StatusOf(node_).last_end().out_of_memory());
  // Both survive the agent, and the count ends with the next config.
  StartAgent();
  Pass(seconds(40));
  EXPECT_EQ(StatusOf(node_).restarts(), 2);
  HandOut(Command(v1::COMMAND_KIND_UPGRADE, Spec(node_, 2)));
  Pass(seconds(60));
  EXPECT_EQ(StatusOf(node_).restarts(), 0);
}

TEST_F(CoreIncidentsTest, ABootIsNoCrash) {
  NodeSpec spec = Spec(node_);
  Create(spec);
  Pass(seconds(20));
  machine_.CutPower([](const ImageId&) { return true; });
  StartAgent();
  Pass(seconds(40));
  EXPECT_TRUE(Runs(spec));
  EXPECT_TRUE(Heard().empty());
  EXPECT_EQ(StatusOf(node_).restarts(), 0);
}

TEST_F(CoreIncidentsTest, ANodeThatCannotBeStartedAgainIsToldOnce) {
  NodeSpec spec = Spec(node_);
  Create(spec);
  Pass(seconds(20));
  FailStep(RuntimeStep::kStart, spec.config_id);
  machine_.Crash(node_);
  Pass(minutes(20));
  EXPECT_EQ(Count(v1::INCIDENT_KIND_NODE_CRASHED), 1);
  EXPECT_EQ(Count(v1::INCIDENT_KIND_NODE_NOT_RESTARTED), 1);
  machine_.SetHook(nullptr);
  Pass(minutes(6));
  EXPECT_TRUE(Runs(spec));
}

TEST_F(CoreIncidentsTest, HealthIsToldWhenItChangesForGood) {
  Create(Spec(node_));
  Pass(seconds(20));
  machine_.SetUnhealthy(node_, "exit code 1: no peers");
  Pass(seconds(15));
  EXPECT_TRUE(Heard().empty());
  machine_.SetUnhealthy(node_, "");
  Pass(seconds(20));
  machine_.SetUnhealthy(node_, "exit code 1: no peers");
  Pass(minutes(3));
  EXPECT_EQ(Count(v1::INCIDENT_KIND_NODE_UNHEALTHY), 1);
  EXPECT_EQ(StatusOf(node_).health(), v1::HEALTH_UNHEALTHY);
  EXPECT_EQ(StatusOf(node_).health_message(), "exit code 1: no peers");
  machine_.SetUnhealthy(node_, "");
  Pass(minutes(1));
  EXPECT_EQ(Count(v1::INCIDENT_KIND_NODE_HEALTHY), 1);
  EXPECT_EQ(StatusOf(node_).health(), v1::HEALTH_HEALTHY);
}

TEST_F(CoreIncidentsTest, WhileANodeBeginsItMayBeUnhealthy) {
  Create(Spec(node_));
  machine_.SetUnhealthy(node_, "exit code 1: no peers", minutes(5));
  Pass(minutes(4));
  EXPECT_TRUE(Heard().empty());
  EXPECT_NE(StatusOf(node_).health(), v1::HEALTH_UNHEALTHY);
  Pass(minutes(3));
  EXPECT_EQ(Count(v1::INCIDENT_KIND_NODE_UNHEALTHY), 1);
  EXPECT_EQ(StatusOf(node_).health(), v1::HEALTH_UNHEALTHY);
}

TEST_F(CoreIncidentsTest, AnImageSaysHowOftenItIsProbedAndHowManyFailuresCount) {
  Create(Spec(node_));
  machine_.SetProbes(node_, minutes(1), 2);
  Pass(minutes(1));
  const int64_t before = machine_.CountProbes(node_);
  Pass(minutes(10));
  EXPECT_NEAR(static_cast<double>(machine_.CountProbes(node_) - before), 10, 1);
  machine_.SetUnhealthy(node_, "exit code 1: no peers");
  Pass(seconds(61));
  EXPECT_NE(StatusOf(node_).health(), v1::HEALTH_UNHEALTHY);
  Pass(minutes(2));
  EXPECT_EQ(Count(v1::INCIDENT_KIND_NODE_UNHEALTHY), 1);
  // That it has ended is seen as soon as ever.
  machine_.Crash(node_);
  Pass(seconds(15));
  EXPECT_EQ(Count(v1::INCIDENT_KIND_NODE_CRASHED), 1);
  EXPECT_TRUE(Machine(node_)->running);

  machine_.SetUnhealthy(node_, "");
  machine_.SetProbes(node_, std::chrono::milliseconds(1), 2);
  Pass(minutes(2));
  const int64_t often = machine_.CountProbes(node_);
  Pass(minutes(1));
  EXPECT_NEAR(static_cast<double>(machine_.CountProbes(node_) - often), 12, 2);
}

TEST_F(CoreIncidentsTest, DiskErrorsAndProblemsOfTheHostAreToldOncePerChange) {
  Create(Spec(node_));
  machine_.SetDiskProblem(node_, "its file system has errors");
  machine_.SetCapacity({.available = {8, 8, 8},
                        .reserved = {1, 2, 3},
                        .thin_disks = true,
                        .problem = "less than 5 GB are free"});
  Pass(minutes(5));
  EXPECT_EQ(Count(v1::INCIDENT_KIND_NODE_DISK_ERROR), 1);
  EXPECT_EQ(Count(v1::INCIDENT_KIND_HOST_PROBLEM), 1);
  EXPECT_EQ(StatusOf(node_).problem(), "its file system has errors");
  const v1::HostStatus& status = control_.reports.back().status();
  EXPECT_EQ(status.problem(), "less than 5 GB are free");
  EXPECT_TRUE(status.thin_disks());
  EXPECT_EQ(status.capacity().cpu_cores(), 8);
  EXPECT_EQ(status.reserved().disk_bytes(), 3);
}

TEST_F(CoreIncidentsTest, WhatWasProcessedIsNotToldAgainAndWhatWasNotIs) {
  control_.processes_incidents = true;
  Create(Spec(node_));
  Pass(seconds(20));
  control_.after = [&](std::string_view method) -> Status {
    if (method.ends_with("/Report")) return Fail(Error(Code::kUnavailable, "CUT", "lost"));
    return {};
  };
  machine_.Crash(node_);
  Pass(seconds(20));
  control_.after = nullptr;
  Pass(seconds(5));
  EXPECT_TRUE(core_->Remembered().incidents.empty());
  EXPECT_EQ(Count(v1::INCIDENT_KIND_NODE_CRASHED), 1);
  const size_t reports = control_.reports.size();
  Pass(minutes(2));
  for (size_t i = reports; i < control_.reports.size(); ++i)
    EXPECT_EQ(control_.reports[i].incidents_size(), 0);
}

// The last release's: it takes nothing of them, for months.
TEST_F(CoreIncidentsTest, AControlPlaneThatKnowsNoIncidentsCostsNothing) {
  Create(Spec(node_));
  Pass(seconds(20));
  for (int i = 0; i < 300; ++i) {
    machine_.Crash(node_);
    Pass(seconds(20));
    if (i % 50 == 49) clock_.Advance(minutes(30));
  }
  control_.reports.clear();
  Pass(minutes(10));
  EXPECT_LT(control_.reports.size(), 40u);
  for (const v1::ReportRequest& report : control_.reports) EXPECT_LE(report.incidents_size(), 10);
  EXPECT_LE(core_->Remembered().incidents.size(), 1000u);
}

TEST_F(CoreIncidentsTest, NeverMoreThanAThousandAreKeptWhileTheControlPlaneIsAway) {
  Create(Spec(node_));
  for (int i = 0; i < 1500; ++i) core_->AddHostProblem("the same problem");
  // Nobody was told yet: they are one.
  ASSERT_EQ(core_->Remembered().incidents.size(), 1u);
  EXPECT_EQ(core_->Remembered().incidents.begin()->second.count, 1500);
  // Those that may have been sent stay as they are.
  JournalChange more;
  for (int64_t number = 2; number <= 998; ++number)
    more.put_incidents.push_back({.number = number, .message = "the same problem"});
  more.next_incident = 999;
  ASSERT_TRUE(journal_->Save(more).has_value());
  for (int i = 0; i < 10; ++i) {
    StartAgent();
    core_->AddHostProblem("the same problem");
  }
  const auto kept = core_->Remembered().incidents;
  EXPECT_EQ(kept.size(), 1000u);
  int64_t count = 0;
  for (const auto& [number, one] : kept) count += one.count;
  EXPECT_EQ(count, 1500 + 997 + 10);
  core_->AddHostProblem("another problem");
  EXPECT_EQ(core_->Remembered().incidents.size(), 1000u);
}

TEST_F(CoreIncidentsTest, AJournalThatBeganAnewCountsOnFromWhatTheControlPlaneHas) {
  control_.processes_incidents = true;
  control_.incidents_processed = 57;
  core_->AddHostProblem("the first of a new journal");
  Settle();
  ASSERT_TRUE(core_->Talk().has_value());
  EXPECT_TRUE(core_->Remembered().incidents.empty());
  EXPECT_EQ(Heard().at(58).message(), "the first of a new journal");
}

}  // namespace
}  // namespace tallyman::agent
