// Audit and repair, and drift that other operations than an upgrade come upon.
#include <thread>

#include "clauses/around.h"
#include "clauses/gate.h"

namespace tallyman {
namespace {

using namespace tallyman::control;

class Mending : public Around {};

TEST_F(Mending, UpdateHostSettlesDriftOrRefusesAsThePolicySays) {
  ControlOptions options;
  options.policies.drift = planner::DriftPolicy::kAbort;
  room.Restart(options);
  room.Sql("UPDATE hosts SET node_cpu_cores = 50 WHERE name = 'host-1'");
  v1::UpdateHostRequest update;
  update.set_host("host-1");
  update.set_capacity_policy(v1::CAPACITY_POLICY_ENFORCE);
  EXPECT_REFUSED(room.Send<v1::UpdateHostResponse>("HostService/UpdateHost", update),
                 Code::kFailedPrecondition, "HOST_BOOKS_DRIFTED");
  room.Restart({});
  ASSERT_OK(room.Send<v1::UpdateHostResponse>("HostService/UpdateHost", update));
  EXPECT_EQ(room.Host("host-1").books().allocated().cpu_cores(), 2);
  EXPECT_EQ(room.metrics.drift_healed, 1);
  room.ExpectBalanced();
}

TEST_F(Mending, AnAuditOfNamedHostsLooksAtTheirNodesAndCountsWhatItDoesNotList) {
  room.Sql("UPDATE nodes SET cpu_cores = 7, memory_bytes = 7 WHERE name = 'a'");
  v1::RunAuditRequest request;
  request.add_hosts("host-2");
  auto answer = room.Send<v1::RunAuditResponse>("AuditService/RunAudit", request);
  ASSERT_OK(answer);
  EXPECT_TRUE(answer->balanced());
  request.set_hosts(0, "host-1");
  request.set_max_drifts(1);
  answer = room.Send<v1::RunAuditResponse>("AuditService/RunAudit", request);
  ASSERT_OK(answer);
  EXPECT_FALSE(answer->balanced());
  ASSERT_EQ(answer->drifts_size(), 1);
  EXPECT_EQ(answer->drifts(0).node(), "a");
  EXPECT_GT(answer->total_drifts(), 1);
}

TEST_F(Mending, AnAuditGoesThroughMoreHostsThanAPage) {
  v1::CreateHostsRequest hosts;
  for (int i = 0; i < 1'001; ++i) {
    auto* host = hosts.add_hosts();
    host->set_name("more-" + std::to_string(i));
    host->set_region("eu");
    host->mutable_capacity()->set_cpu_cores(1);
    host->mutable_capacity()->set_memory_bytes(1);
    host->mutable_capacity()->set_disk_bytes(1);
  }
  ASSERT_OK(room.Send<v1::CreateHostsResponse>("HostService/CreateHosts", hosts));
  room.Sql(
      "UPDATE hosts SET node_count = 1 WHERE id = (SELECT id FROM hosts ORDER BY id DESC LIMIT 1)");
  EXPECT_EQ(room.RunAudit().total_drifts(), 1);
  ASSERT_OK(room.Repair());
  room.ExpectBalanced();
}

TEST_F(Mending, ARepairMendsWhereOnlyNodesAreWrongAndLeavesATrace) {
  // The counters agree with the fields, so that no host differs from its nodes; the fields are
  // wrong.
  room.Sql("UPDATE nodes SET cpu_cores = 7, held_cpu_cores = 3 WHERE name = 'a'");
  room.Sql(
      "UPDATE hosts SET node_cpu_cores = 7, held_cpu_cores = 3 WHERE name = 'host-1'; "
      "UPDATE ledger SET delta_cpu_cores = 7, balance_cpu_cores = 7 WHERE host_id = (SELECT id "
      "FROM hosts WHERE name = 'host-1')");
  ASSERT_OK(room.Repair());
  EXPECT_EQ(room.Node("a").resources().cpu_cores(), 2);
  EXPECT_EQ(room.Node("a").held().cpu_cores(), 0);
  EXPECT_EQ(room.Events("kind=books_corrected").size(), 1u);
  auto ledger = room.Ledger("host-1");
  const v1::LedgerEntry& correction = *ledger.entries().rbegin();
  EXPECT_EQ(correction.kind(), v1::LEDGER_KIND_DRIFT_CORRECTION);
  EXPECT_EQ(correction.delta().allocated().cpu_cores(), -5);
  EXPECT_GT(correction.detail_size(), 0) << "stored and true values";
  room.ExpectBalanced();
  ASSERT_OK(room.Repair());
  EXPECT_EQ(room.Events("kind=books_corrected").size(), 1u) << "nothing is wrong any more";
}

TEST_F(Mending, ARepairGoesOnBehindALedgerThatTheHostForgot) {
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@2.0.0"));
  room.Sql("UPDATE hosts SET ledger_seq = 1 WHERE name = 'host-1'");
  ASSERT_OK(room.Repair());
  auto ledger = room.Ledger("host-1");
  EXPECT_EQ(ledger.entries().rbegin()->seq(), 3);
  room.ExpectBalanced();
}

TEST_F(Mending, HealingCountsTheNodesThatLiveAndNoOthers) {
  ASSERT_OK(room.Create("gone", "host-1", "2.0.0"));
  ASSERT_OK(room.Delete("gone"));
  room.Sql("UPDATE hosts SET node_cpu_cores = 50 WHERE name = 'host-1'");
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@2.0.0"));
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{1, Needs(4, 8, 200)}));
  room.ExpectBalanced();
}

// Clause 13 proves every host of which a node is touched, also when its books do not move.
TEST_F(Mending, C13_TheProofLooksAtTheHostOfANodeThatMovesNoBooks) {
  room.Sql("UPDATE hosts SET node_cpu_cores = 50 WHERE name = 'host-1'");
  v1::StopNodesRequest stop;
  stop.add_nodes("a");
  ASSERT_OK(room.Send<v1::StopNodesResponse>("NodeService/StopNodes", stop));
  EXPECT_EQ(room.Host("host-1").books().allocated().cpu_cores(), 2);
  EXPECT_EQ(room.metrics.drift_healed, 1);
  room.ExpectBalanced();
}

TEST_F(Mending, C13_TheProofLooksAtAHostThatOnlyTheLedgerNames) {
  LedgerEntry entry;
  entry.host_id = *HostId::Parse(room.Host("host-1").id());
  entry.seq = 2;
  entry.kind = LedgerKind::kDriftCorrection;
  entry.created_at = room.clock.Now();
  room.Sql("UPDATE hosts SET node_cpu_cores = 50 WHERE name = 'host-1'");
  Status written = room.store->Write([&](store::WriteTx& tx) -> Status {
    ChangeSet changes;
    changes.ledger = {entry};
    tx.Apply(std::move(changes));
    return {};
  });
  EXPECT_REFUSED(written, Code::kFailedPrecondition, "BOOKS_MISMATCH");
}

TEST_F(Mending, ADriftedNodeIsMendedByAnyOperationOnIt) {
  room.Sql("UPDATE nodes SET cpu_cores = 7 WHERE name = 'a'");
  v1::StopNodesRequest stop;
  stop.add_nodes("a");
  ASSERT_OK(room.Send<v1::StopNodesResponse>("NodeService/StopNodes", stop));
  EXPECT_EQ(room.Node("a").resources().cpu_cores(), 2);
  room.ExpectBalanced();
}

TEST_F(Mending, ARepairOfAHostOnWhichNothingIsWrongWritesNothing) {
  v1::RepairDriftRequest request;
  request.add_hosts("host-1");
  auto answer = room.Send<v1::RepairDriftResponse>("AuditService/RepairDrift", request);
  ASSERT_OK(answer);
  EXPECT_EQ(answer->corrections_size(), 0);
  EXPECT_EQ(room.Ledger("host-1").entries_size(), 1) << "of the create";
  EXPECT_TRUE(room.Events("kind=books_corrected").empty());
}

// Fault 10: what the scan for wrong hosts read is old by the time the repair has its lock.
TEST(Repair, Fault10_LooksAgainUnderTheLockBeforeItWrites) {
  Gate gate;
  ApiRoom room({}, Through(gate));
  room.AddFleet(1);
  room.AddImage("1.0.0", Needs(2, 4, 100));
  room.AddImage("2.0.0", Needs(4, 8, 200));
  ASSERT_OK(room.Create("a", "host-1", "1.0.0"));
  room.Sql("UPDATE ledger SET delta_cpu_cores = 9");
  gate.Shut();
  std::thread repair([&] { EXPECT_TRUE(room.Repair().has_value()); });
  gate.WaitUntilReached();
  // Another server on the same database gets in before it.
  auto store = room.backend->Another();
  Control other(*store, room.clock, room.random, room.log, room.metrics);
  UpgradeNodesRequest request{.nodes = {"a"}, .image = "chain/full@2.0.0"};
  std::promise<Result<std::string>> done;
  control::Run(
      other, room.As("NodeService/UpgradeNodes"), UpgradeNodes, request,
      [](const Changes&) { return std::string("done"); },
      [&](Result<std::string> answer) { done.set_value(std::move(answer)); });
  EXPECT_TRUE(done.get_future().get().has_value());
  gate.Open();
  repair.join();
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{1, Needs(4, 8, 200)}));
  room.ExpectBalanced();
}

}  // namespace
}  // namespace tallyman
