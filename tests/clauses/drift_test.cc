// "When the books are already wrong": requirement 5.2, faults 6 and 10.
#include <thread>

#include "support/api_room.h"

namespace tallyman {
namespace {

class Drift : public testing::Test {
 protected:
  void SetUp() override { Fill(room); }

  static void Fill(ApiRoom& to) {
    to.AddFleet(2);
    to.AddImage("1.0.0", Needs(2, 4, 100));
    to.AddImage("2.0.0", Needs(4, 8, 200));
    ASSERT_OK(to.Create("a", "host-1", "1.0.0"));
    ASSERT_OK(to.Create("b", "host-1", "1.0.0"));
    ASSERT_OK(to.Create("c", "host-2", "1.0.0"));
  }

  // How often the log says that `dimension` of a subject was found wrong.
  int Logged(const std::string& subject, const std::string& dimension, const std::string& stored,
             const std::string& true_value) {
    int count = 0;
    for (const LogLine& line : room.log.lines()) {
      if (line.event != "drift_found") continue;
      EXPECT_EQ(line.level, LogLevel::kError);
      std::map<std::string, std::string> fields(line.fields.begin(), line.fields.end());
      count += fields["subject"] == subject && fields["dimension"] == dimension &&
               fields["stored"] == stored && fields["true"] == true_value;
    }
    return count;
  }

  ApiRoom room;
};

TEST_F(Drift, R5_2_ACounterTooLowIsHealedNotClamped) {
  // Subtracting the old value from this counter would go below zero.
  room.Sql("UPDATE hosts SET node_cpu_cores = 1 WHERE name = 'host-1'");
  auto answer = room.Upgrade({"a"}, "chain/full@2.0.0");
  ASSERT_OK(answer);
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{2, Needs(6, 12, 300)}));
  EXPECT_EQ(Logged("host host-1", "cpu_cores", "1", "4"), 1);
  ASSERT_EQ(answer->changes().hosts(0).corrections_size(), 1);
  EXPECT_EQ(answer->changes().hosts(0).corrections(0).stored(), 1);
  EXPECT_EQ(answer->changes().hosts(0).corrections(0).true_value(), 4);
  room.ExpectBalanced();
}

TEST_F(Drift, ACounterTooHighIsFoundByTheProofAndHealed) {
  room.Sql(
      "UPDATE hosts SET node_memory_bytes = node_memory_bytes + 5, node_count = 9 WHERE name = "
      "'host-1'");
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@2.0.0"));
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{2, Needs(6, 12, 300)}));
  EXPECT_EQ(Logged("host host-1", "memory_bytes", "8000000005", "8000000000"), 1);
  EXPECT_EQ(Logged("host host-1", "node_count", "9", "2"), 1);
  EXPECT_EQ(room.metrics.drift_found, 2);
  EXPECT_EQ(room.metrics.drift_healed, 2);
  // The correction stands in the ledger with both values; its delta is zero: the ledger was right.
  auto ledger = room.Ledger("host-1");
  const v1::LedgerEntry& correction = ledger.entries(ledger.entries_size() - 2);
  EXPECT_EQ(correction.kind(), v1::LEDGER_KIND_DRIFT_CORRECTION);
  EXPECT_EQ(FromMessage(correction.delta()), (Books{}));
  EXPECT_EQ(correction.detail_size(), 2);
  room.ExpectBalanced();
}

TEST_F(Drift, AHostUpdateShowsInItsPlanTheBooksThatItWillLeave) {
  room.Sql("UPDATE hosts SET node_cpu_cores = 9 WHERE name = 'host-1'");
  v1::UpdateHostRequest request;
  request.set_host("host-1");
  request.set_capacity_policy(v1::CAPACITY_POLICY_ENFORCE);
  request.set_dry_run(true);
  auto send = [&] { return room.Send<v1::UpdateHostResponse>("HostService/UpdateHost", request); };
  auto plan = send();
  ASSERT_OK(plan);
  EXPECT_EQ(FromMessage(plan->host().books()), (Books{2, Needs(4, 8, 200)}));
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{2, Needs(9, 8, 200)}));

  control::ControlOptions abort;
  abort.policies.drift = planner::DriftPolicy::kAbort;
  room.Restart(abort);
  EXPECT_REFUSED(send(), Code::kFailedPrecondition, "HOST_BOOKS_DRIFTED");

  room.Restart({});
  request.set_dry_run(false);
  request.set_plan_token(plan->plan_token());
  auto applied = send();
  ASSERT_OK(applied);
  EXPECT_EQ(FromMessage(applied->host().books()), FromMessage(plan->host().books()));
  room.ExpectBalanced();
}

TEST_F(Drift, APlanThatShowedNoCorrectionIsStaleOnceThereIsOne) {
  auto plan = room.Upgrade({"a"}, "chain/full@2.0.0", "", "", true);
  ASSERT_OK(plan);
  // The counter stays right, so neither the host before nor the host after tells of it.
  room.Sql("UPDATE nodes SET cpu_cores = 9 WHERE name = 'a'");
  EXPECT_REFUSED(room.Upgrade({"a"}, "chain/full@2.0.0", "", plan->changes().plan_token()),
                 Code::kAborted, "PLAN_STALE");
}

TEST_F(Drift, ANodeThatRunsWhatFailedStillHoldsBothEnds) {
  room.Obey("a");
  room.AddImage("0.1.0", Needs(1, 1, 10));
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@0.1.0"));
  room.Sql("UPDATE commands SET state = 'failed' WHERE state = 'open' AND kind = 'node_upgrade'");
  room.Report("a", room.Node("a").config_id());
  EXPECT_EQ(FromMessage(room.Node("a").held()), Needs(1, 3, 90));
  room.ExpectBalanced();
  // The next one that settles ends it.
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@2.0.0"));
  room.Obey("a");
  EXPECT_EQ(FromMessage(room.Node("a").held()), (Resources{}));
  room.ExpectBalanced();
}

TEST_F(Drift, ACounterThatWouldOverflowIsHealed) {
  room.Sql("UPDATE hosts SET node_disk_bytes = 9223372036854775807 WHERE name = 'host-1'");
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@2.0.0"));
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{2, Needs(6, 12, 300)}));
  room.ExpectBalanced();
}

TEST_F(Drift, ANegativeCounterIsHealed) {
  room.Sql("UPDATE hosts SET node_cpu_cores = -7, node_count = -1 WHERE name = 'host-1'");
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@2.0.0"));
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{2, Needs(6, 12, 300)}));
  room.ExpectBalanced();
}

TEST_F(Drift, NodeFieldsAreTakenFromTheConfigFirstThenTheCounters) {
  // What older software left: the node's fields and the counters both say the old image.
  room.Sql("UPDATE nodes SET cpu_cores = 1, disk_bytes = 7 WHERE name = 'a'");
  room.Sql(
      "UPDATE hosts SET node_cpu_cores = node_cpu_cores - 1, node_disk_bytes = node_disk_bytes - "
      "100000000000 + 7 "
      "WHERE name = 'host-1'");
  EXPECT_FALSE(room.RunAudit().balanced());
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@2.0.0"));
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{2, Needs(6, 12, 300)}));
  EXPECT_EQ(Logged("node a", "cpu_cores", "1", "2"), 1);
  EXPECT_EQ(Logged("host host-1", "cpu_cores", "3", "4"), 1);
  room.ExpectBalanced();
}

TEST_F(Drift, AHoldThatIsWrongIsHealed) {
  room.Sql("UPDATE hosts SET held_cpu_cores = 40 WHERE name = 'host-1'");
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@2.0.0"));
  EXPECT_EQ(room.Host("host-1").held().cpu_cores(), 0);
  room.ExpectBalanced();
}

TEST_F(Drift, TheLogOutlivesARequestThatIsRefusedInTheEnd) {
  room.AddImage("3.0.0", Needs(60, 8, 200));
  v1::UpdateHostRequest enforce;
  enforce.set_host("host-1");
  enforce.set_capacity_policy(v1::CAPACITY_POLICY_ENFORCE);
  ASSERT_OK(room.Send<v1::UpdateHostResponse>("HostService/UpdateHost", enforce));
  room.Sql("UPDATE nodes SET cpu_cores = 1 WHERE name = 'a'");
  room.Sql("UPDATE hosts SET node_cpu_cores = 3 WHERE name = 'host-1'");
  room.AddImage("4.0.0", Needs(63, 8, 200));
  std::string before = room.Dump();
  EXPECT_REFUSED(room.Upgrade({"a"}, "chain/full@4.0.0"), Code::kResourceExhausted,
                 "HOST_CAPACITY_EXCEEDED");
  EXPECT_EQ(room.Dump(), before);
  EXPECT_EQ(Logged("node a", "cpu_cores", "1", "2"), 1);
  EXPECT_EQ(room.metrics.drift_found, 2);
  EXPECT_EQ(room.metrics.drift_healed, 0);
}

TEST_F(Drift, PolicyAbortRefusesAndOnlyOnTheDriftedHost) {
  control::ControlOptions options;
  options.policies.drift = planner::DriftPolicy::kAbort;
  room.Restart(options);
  room.Sql("UPDATE hosts SET node_count = 5 WHERE name = 'host-1'");
  std::string before = room.Dump();
  auto answer = room.Upgrade({"a"}, "chain/full@2.0.0");
  EXPECT_REFUSED(answer, Code::kFailedPrecondition, "HOST_BOOKS_DRIFTED");
  EXPECT_EQ(answer.error().Fact("stored"), "5");
  EXPECT_EQ(answer.error().Fact("true"), "2");
  EXPECT_NE(answer.error().message.find("tallyman audit --host host-1 --repair"),
            std::string::npos);
  EXPECT_EQ(room.Dump(), before);
  EXPECT_EQ(Logged("host host-1", "node_count", "5", "2"), 1);
  ASSERT_OK(room.Upgrade({"c"}, "chain/full@2.0.0"));
}

TEST_F(Drift, ANodeIsNotTurnedAwayByACounterThatIsWrong) {
  // The story that this program exists for: the counters say full, the host is half empty.
  room.Sql("UPDATE hosts SET node_cpu_cores = 64 WHERE name = 'host-1'");
  ASSERT_OK(room.Create("d", "host-1", "1.0.0"));
  room.ExpectBalanced();
}

TEST_F(Drift, Fault6_DeletingFindsAWrongCounterInsteadOfClampingIt) {
  room.Sql("UPDATE hosts SET node_cpu_cores = 1 WHERE name = 'host-1'");
  auto answer = room.Delete("a");
  ASSERT_OK(answer);
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{1, Needs(2, 4, 100)}));
  EXPECT_EQ(Logged("host host-1", "cpu_cores", "1", "4"), 1) << "by how much it was wrong is known";
  room.ExpectBalanced();
}

TEST_F(Drift, AuditNamesWhatIsWrongAndRepairMendsIt) {
  room.Sql("UPDATE nodes SET memory_bytes = 1 WHERE name = 'a'");
  room.Sql("UPDATE hosts SET node_cpu_cores = 50, held_disk_bytes = 3 WHERE name = 'host-2'");
  room.Sql(
      "UPDATE ledger SET delta_cpu_cores = delta_cpu_cores + 1 WHERE seq = 1 AND host_id = (SELECT "
      "id FROM hosts "
      "WHERE name = 'host-2')");
  auto audit = room.RunAudit();
  EXPECT_FALSE(audit.balanced());
  std::set<std::string> found;
  for (const v1::Drift& drift : audit.drifts()) {
    found.insert(v1::DriftKind_Name(drift.kind()) + " " +
                 (drift.node().empty() ? drift.host() : drift.node()) + " " + drift.dimension());
    EXPECT_EQ(drift.difference(), drift.true_value() - drift.stored());
  }
  EXPECT_TRUE(found.contains("DRIFT_KIND_NODE_FIELDS a memory_bytes"));
  EXPECT_TRUE(found.contains("DRIFT_KIND_HOST_BOOKS host-2 cpu_cores"));
  EXPECT_TRUE(found.contains("DRIFT_KIND_HOST_HOLD host-2 disk_bytes"));
  EXPECT_TRUE(found.contains("DRIFT_KIND_LEDGER host-2 cpu_cores"));
  std::string before = room.Dump();
  auto plan = room.Repair(true);
  ASSERT_OK(plan);
  EXPECT_FALSE(plan->applied());
  EXPECT_EQ(room.Dump(), before);
  auto repaired = room.Repair();
  ASSERT_OK(repaired);
  EXPECT_TRUE(repaired->applied());
  EXPECT_EQ(repaired->corrections_size(), plan->corrections_size());
  EXPECT_GT(repaired->corrections(0).ledger_seq(), 0);
  room.ExpectBalanced();
  auto nothing = room.Repair();
  ASSERT_OK(nothing);
  EXPECT_EQ(nothing->corrections_size(), 0) << "repair is idempotent";
}

TEST_F(Drift, Fault10_RepairBesideLiveTrafficLosesNoUpdate) {
  std::atomic<bool> stop{false};
  std::thread traffic([&] {
    bool up = true;
    while (!stop) {
      auto answer = room.Upgrade({"a"}, up ? "chain/full@2.0.0" : "chain/full@1.0.0");
      EXPECT_TRUE(answer.has_value()) << answer.error().message;
      up = !up;
    }
  });
  for (int i = 0; i < 20; ++i) {
    room.Sql("UPDATE hosts SET node_cpu_cores = node_cpu_cores + 1 WHERE name = 'host-1'");
    auto repaired = room.Repair();
    EXPECT_TRUE(repaired.has_value()) << repaired.error().message;
  }
  stop = true;
  traffic.join();
  room.ExpectBalanced();
}

}  // namespace
}  // namespace tallyman
