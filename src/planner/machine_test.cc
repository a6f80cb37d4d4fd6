#include "planner/machine.h"

#include <gtest/gtest.h>

#include "planner/test_fleet.h"

namespace tallyman::planner {
namespace {

// Host "h" with node "n" (config 2, 4 cores), which its host reports as it is to be.
MachineAudit Alike() {
  MachineAudit audit;
  audit.host.host_id = IdOf<HostId>(1);
  audit.host.status_at = Time(std::chrono::microseconds(10));
  audit.host_name = "h";
  audit.booked.push_back({.id = IdOf<NodeId>(5),
                          .name = "n",
                          .org_id = IdOf<OrgId>(1),
                          .config_id = IdOf<ConfigId>(2),
                          .image_uri = "docker://chain:1",
                          .resources = {4, 40, 400},
                          .node_state = NodeState::kRunning,
                          .in_motion = false,
                          .updated_at = Time(std::chrono::microseconds(10))});
  SeenNode& seen = audit.seen.emplace_back();
  seen.name = "n";
  seen.report.node_id = IdOf<NodeId>(5);
  seen.report.config_id = IdOf<ConfigId>(2);
  seen.report.image_uri = "docker://chain:1";
  seen.report.container_id = "c";
  seen.report.run_state = ReportedRun::kRunning;
  seen.report.limits = {4, 40, 400};
  return audit;
}

MachineFinding OnlyFinding(const MachineAudit& audit) {
  MachineComparison result = CompareMachine(audit);
  EXPECT_EQ(result.findings.size(), 1u);
  return result.findings.empty() ? MachineFinding() : result.findings.front();
}

TEST(CompareMachine, FindsNothingWhereBothAgree) {
  MachineComparison result = CompareMachine(Alike());
  EXPECT_EQ(result.findings.size(), 0u);
  EXPECT_EQ(result.compared, 1);
  EXPECT_EQ(result.unsettled, 0);
}

TEST(CompareMachine, FindsEveryWrongLimit) {
  for (Dimension dimension : kDimensions) {
    MachineAudit audit = Alike();
    audit.seen[0].report.limits.at(dimension) -= 1;
    MachineFinding finding = OnlyFinding(audit);
    EXPECT_EQ(finding.kind, MachineKind::kLimit);
    EXPECT_EQ(finding.dimension, ToText(dimension));
    EXPECT_EQ(finding.booked, std::to_string(audit.booked[0].resources.get(dimension)));
    EXPECT_EQ(finding.mend, "tallyman node restart n");
    audit.seen[0].report.limits.at(dimension) = 0;
    EXPECT_EQ(OnlyFinding(audit).found, "no limit");
    // What does not run has none.
    audit.seen[0].report.run_state = ReportedRun::kStopped;
    EXPECT_EQ(CompareMachine(audit).findings.size(), 0u);
  }
}

TEST(CompareMachine, FindsAnotherConfigAndAnotherImage) {
  MachineAudit audit = Alike();
  audit.seen[0].report.config_id = IdOf<ConfigId>(3);
  audit.seen[0].report.limits = {1, 1, 1};
  MachineFinding finding = OnlyFinding(audit);
  EXPECT_EQ(finding.kind, MachineKind::kConfig);
  EXPECT_EQ(finding.found, IdOf<ConfigId>(3).ToString());
  EXPECT_EQ(finding.mend, "inspect n on h by hand");
  audit.booked[0].node_state = NodeState::kFailed;
  EXPECT_EQ(OnlyFinding(audit).mend, "tallyman node upgrade n --retry");
  audit = Alike();
  audit.seen[0].report.image_uri = "docker://chain:0";
  finding = OnlyFinding(audit);
  EXPECT_EQ(finding.kind, MachineKind::kImage);
  EXPECT_EQ(finding.booked, "docker://chain:1");
  EXPECT_EQ(finding.found, "docker://chain:0");
}

TEST(CompareMachine, FindsGhosts) {
  MachineAudit audit = Alike();
  audit.seen.clear();
  EXPECT_EQ(OnlyFinding(audit).kind, MachineKind::kGhost);
  audit = Alike();
  audit.seen[0].report.config_id.reset();
  audit.booked[0].node_state = NodeState::kFailed;
  EXPECT_EQ(OnlyFinding(audit).kind, MachineKind::kGhost);
  EXPECT_EQ(OnlyFinding(audit).mend, "tallyman node delete n");
  audit.seen[0].report.remains = true;
  EXPECT_EQ(OnlyFinding(audit).mend, "tallyman node upgrade n --retry");
}

TEST(CompareMachine, FindsOrphansBeforeAndBehindTheBookedNodes) {
  for (int number : {1, 9}) {
    MachineAudit audit = Alike();
    SeenNode orphan = audit.seen[0];
    orphan.name.clear();
    orphan.report.node_id = IdOf<NodeId>(number);
    audit.seen.insert(number == 1 ? audit.seen.begin() : audit.seen.end(), orphan);
    MachineFinding finding = OnlyFinding(audit);
    EXPECT_EQ(finding.kind, MachineKind::kOrphan);
    EXPECT_EQ(finding.node_id, IdOf<NodeId>(number));
    EXPECT_EQ(CompareMachine(audit).compared, 1);
    // Nothing of it is there.
    SeenNode& seen = audit.seen[number == 1 ? 0 : 1];
    seen.report.config_id.reset();
    seen.report.container_id.clear();
    EXPECT_EQ(CompareMachine(audit).findings.size(), 0u);
    seen.report.remains = true;
    EXPECT_EQ(OnlyFinding(audit).kind, MachineKind::kOrphan);
    seen.updated_at = Time(std::chrono::microseconds(10));
    EXPECT_EQ(OnlyFinding(audit).kind, MachineKind::kOrphan);
    // Released since the report.
    seen.updated_at = Time(std::chrono::microseconds(11));
    EXPECT_EQ(CompareMachine(audit).findings.size(), 0u);
  }
}

TEST(CompareMachine, LeavesAloneWhatIsInMotionOrChangedSinceTheReport) {
  for (int why = 0; why < 3; ++why) {
    MachineAudit audit = Alike();
    audit.seen[0].report.limits = {};
    if (why == 0) audit.booked[0].in_motion = true;
    if (why == 1) audit.booked[0].updated_at += std::chrono::microseconds(1);
    if (why == 2) audit.seen[0].report.pending = true;
    MachineComparison result = CompareMachine(audit);
    EXPECT_EQ(result.findings.size(), 0u) << why;
    EXPECT_EQ(result.unsettled, 1) << why;
    EXPECT_EQ(result.compared, 0) << why;
  }
}

}  // namespace
}  // namespace tallyman::planner
