// The machines' side of an audit: what hosts reported last, beside the books.
#include "lifecycle/host.h"

namespace tallyman {
namespace {

class Machines : public Lifecycle {
 protected:
  // Everything as it is to be, so that a test can say one thing otherwise.
  v1::ReportRequest AsBooked() {
    room.clock.Advance(std::chrono::seconds(1));
    v1::ReportRequest report = TestHost::StatusOf(Id(), first, {});
    report.mutable_status()->set_complete(true);
    v1::NodeStatus& node = *report.mutable_status()->mutable_nodes(0);
    node.set_image_uri("docker://chain:" + N().semantic_version());
    node.set_container_id("c-1");
    *node.mutable_limits() = N().resources();
    return report;
  }
  // The only finding; its kind is UNSPECIFIED when there is none.
  v1::MachineFinding Finding() {
    auto audit = room.RunAudit();
    EXPECT_EQ(audit.total_drifts(), 0);
    EXPECT_EQ(audit.total_machine(), audit.machine_size());
    EXPECT_EQ(audit.balanced(), audit.machine_size() == 0);
    EXPECT_LE(audit.machine_size(), 1);
    return audit.machine_size() == 0 ? v1::MachineFinding() : audit.machine(0);
  }
};

TEST_F(Machines, AreComparedOnceTheirHostHasReported) {
  ASSERT_OK(room.Create("elsewhere", "host-2", "1.0.0"));
  auto audit = room.RunAudit();
  EXPECT_TRUE(audit.balanced());
  EXPECT_EQ(audit.reported_host_count(), 0);
  EXPECT_EQ(audit.unreported_node_count(), 2);
  host->Report(AsBooked());
  audit = room.RunAudit();
  EXPECT_TRUE(audit.balanced());
  EXPECT_EQ(audit.reported_host_count(), 1);
  EXPECT_EQ(audit.compared_node_count(), 1);
  EXPECT_EQ(audit.unreported_node_count(), 1);
}

TEST_F(Machines, ThatWereNeverReportedWholeAreNotCompared) {
  ASSERT_OK(room.Create("unnamed", "host-1", "1.0.0"));
  host->Obey("unnamed");
  v1::ReportRequest report = AsBooked();
  report.mutable_status()->set_complete(false);
  host->Report(report);
  auto audit = room.RunAudit();
  EXPECT_TRUE(audit.balanced());
  EXPECT_EQ(audit.reported_host_count(), 0);
  EXPECT_EQ(audit.unreported_node_count(), 2);
}

TEST_F(Machines, WithAWrongLimitAreFound) {
  v1::ReportRequest report = AsBooked();
  report.mutable_status()->mutable_nodes(0)->mutable_limits()->set_cpu_cores(1);
  host->Report(report);
  v1::MachineFinding finding = Finding();
  EXPECT_EQ(finding.kind(), v1::MACHINE_KIND_LIMIT);
  EXPECT_EQ(finding.host(), "host-1");
  EXPECT_EQ(finding.node(), "n");
  EXPECT_EQ(finding.dimension(), "cpu_cores");
  EXPECT_EQ(finding.booked(), "2");
  EXPECT_EQ(finding.found(), "1");
  // A repair of the books says what mends it, and changes nothing.
  auto repair = room.Repair();
  ASSERT_OK(repair);
  EXPECT_EQ(repair->corrections_size(), 0);
  ASSERT_EQ(repair->machine_size(), 1);
  EXPECT_EQ(repair->machine(0).mend(), "tallyman node restart n");
}

TEST_F(Machines, WithAnotherImageAreFound) {
  v1::ReportRequest report = AsBooked();
  report.mutable_status()->mutable_nodes(0)->set_image_uri("docker://chain:0.9.9");
  host->Report(report);
  EXPECT_EQ(Finding().kind(), v1::MACHINE_KIND_IMAGE);
}

TEST_F(Machines, ThatRunNothingOfANodeAreFound) {
  v1::ReportRequest report = AsBooked();
  report.mutable_status()->clear_nodes();
  host->Report(report);
  room.clock.Advance(std::chrono::seconds(1));
  host->Report(report);  // the first one has changed the node's state
  EXPECT_EQ(Finding().kind(), v1::MACHINE_KIND_GHOST);
}

TEST_F(Machines, ThatRunWhatNobodyIsChargedForAreFound) {
  v1::ReportRequest report = AsBooked();
  v1::NodeStatus& orphan = *report.mutable_status()->add_nodes();
  orphan = report.status().nodes(0);
  orphan.set_node_id("00000000-0000-7000-8000-000000000001");
  host->Report(report);
  v1::MachineFinding finding = Finding();
  EXPECT_EQ(finding.kind(), v1::MACHINE_KIND_ORPHAN);
  EXPECT_EQ(finding.node(), "");
  EXPECT_EQ(finding.node_id(), orphan.node_id());
}

TEST_F(Machines, WhatWasDeletedSinceTheReportIsNoOrphanYet) {
  host->Report(AsBooked());
  const v1::ReportRequest old = AsBooked();
  ASSERT_OK(room.Delete("n"));
  const v1::HandedCommand command = host->Take("n");
  ASSERT_EQ(host->Say(command, v1::OUTCOME_RESULT_OK), "");
  EXPECT_TRUE(room.RunAudit().balanced());
  host->Report(old);
  EXPECT_EQ(Finding().kind(), v1::MACHINE_KIND_ORPHAN);
}

TEST_F(Machines, ANodeInMotionIsLeftOut) {
  host->Report(AsBooked());
  Upgrade("2.0.0");
  auto audit = room.RunAudit();
  EXPECT_TRUE(audit.balanced());
  EXPECT_EQ(audit.compared_node_count(), 0);
  EXPECT_EQ(audit.unsettled_node_count(), 1);
}

}  // namespace
}  // namespace tallyman
