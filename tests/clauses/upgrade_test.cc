// One upgrade, in order: clauses 1 to 13 and requirements 1 to 5.
#include <google/protobuf/util/json_util.h>

#include <set>
#include <thread>

#include "support/api_room.h"

namespace tallyman {
namespace {

class Upgrade : public testing::Test {
 protected:
  void SetUp() override {
    room.AddFleet(3);
    room.AddImage("1.0.0", Needs(2, 4, 100));
    room.AddImage("2.0.0", Needs(4, 8, 200));
    room.AddImage("3.0.0", Needs(2, 4, 100));  // the same needs as 1.0.0
    room.AddImage("4.0.0", Needs(1, 2, 50));
    ASSERT_OK(room.Create("a", "host-1", "1.0.0"));
    ASSERT_OK(room.Create("b", "host-1", "1.0.0"));
    ASSERT_OK(room.Create("c", "host-2", "1.0.0"));
  }

  ApiRoom room;
};

TEST_F(Upgrade, R1_NodeFieldsBecomeTheNewImagesRequirements) {
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@2.0.0"));
  v1::Node node = room.Node("a");
  EXPECT_EQ(FromMessage(node.resources()), Needs(4, 8, 200));           // R 1.2, 1.3
  EXPECT_EQ(FromMessage(node.config().resources()), Needs(4, 8, 200));  // R 1.1
  EXPECT_EQ(node.image(), "chain/full@2.0.0+1");
  room.ExpectBalanced();
}

TEST_F(Upgrade, R2_HostCountersMoveByTheDifferenceUpAndDown) {
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{2, Needs(4, 8, 200)}));
  auto up = room.Upgrade({"a"}, "chain/full@2.0.0");
  ASSERT_OK(up);
  EXPECT_EQ(FromMessage(up->changes().nodes(0).before()), Needs(2, 4, 100));           // R 2.1
  EXPECT_EQ(FromMessage(up->changes().nodes(0).difference()), Needs(2, 4, 100));       // R 2.2
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{2, Needs(6, 12, 300)}));  // R 2.3
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@4.0.0"));
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{2, Needs(3, 6, 150)}));  // R 2.4
  EXPECT_EQ(FromMessage(room.Host("host-2").books()), (Books{1, Needs(2, 4, 100)}))
      << "another host is left alone";
  room.ExpectBalanced();
}

TEST_F(Upgrade, R4_5_R5_1_ZeroChangeStillWritesEverything) {
  v1::Node before = room.Node("a");
  int64_t host_version = room.Host("host-1").version();
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@3.0.0"));
  v1::Node after = room.Node("a");
  EXPECT_EQ(FromMessage(after.resources()), FromMessage(before.resources()));
  EXPECT_EQ(after.version(), before.version() + 1);
  EXPECT_NE(after.config_id(), before.config_id());
  EXPECT_EQ(room.Host("host-1").version(), host_version + 1);
  v1::LedgerEntry entry = *room.Ledger("host-1").entries().rbegin();
  EXPECT_EQ(entry.kind(), v1::LEDGER_KIND_UPGRADE);
  EXPECT_EQ(FromMessage(entry.delta()), (Books{}));
  room.ExpectBalanced();
}

TEST_F(Upgrade, C1_InputIsCheckedAndNamed) {
  std::string before = room.Dump();
  EXPECT_REFUSED(room.Upgrade({}, "chain/full@2.0.0"), Code::kInvalidArgument, "NO_NODES");
  auto bad = room.Upgrade({"a", "not a name"}, "chain/full@2.0.0");
  EXPECT_REFUSED(bad, Code::kInvalidArgument, "INVALID_NAME");
  EXPECT_EQ(bad.error().Fact("field"), "nodes[1]");
  auto unknown = room.Upgrade({"a", "zebra"}, "chain/full@2.0.0");
  EXPECT_REFUSED(unknown, Code::kNotFound, "NODE_NOT_FOUND");
  EXPECT_NE(unknown.error().message.find("zebra"), std::string::npos);
  std::string id = "01900000-0000-7000-8000-000000000000";
  auto unknown_id = room.Upgrade({"a", id}, "chain/full@2.0.0");
  EXPECT_REFUSED(unknown_id, Code::kNotFound, "NODE_NOT_FOUND");
  EXPECT_NE(unknown_id.error().message.find(id), std::string::npos);
  EXPECT_REFUSED(room.Upgrade({"a"}, ""), Code::kInvalidArgument, "NO_IMAGE");
  EXPECT_REFUSED(room.Upgrade({"a"}, "chain/full@9.9.9"), Code::kNotFound, "IMAGE_NOT_FOUND");
  EXPECT_REFUSED(room.Upgrade({"a"}, "nonsense"), Code::kInvalidArgument,
                 "INVALID_IMAGE_REFERENCE");
  EXPECT_EQ(room.Dump(), before) << "a refused request changes nothing";
}

TEST_F(Upgrade, C1_ANodeGivenTwiceCountsOnce) {
  auto answer = room.Upgrade({"a", room.Node("a").id(), "a"}, "chain/full@2.0.0");
  ASSERT_OK(answer);
  EXPECT_EQ(answer->changes().nodes_size(), 1);
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{2, Needs(6, 12, 300)}));
}

TEST_F(Upgrade, C2_WantsThePermissionOnEveryNode) {
  std::string before = room.Dump();
  room.actor.role = Role::kViewer;
  EXPECT_REFUSED(room.Upgrade({"a"}, "chain/full@2.0.0"), Code::kPermissionDenied, "NOT_PERMITTED");
  room.actor.role = Role::kOperator;
  room.actor.org_id = OrgId{Uuid::V7(FromMicros(1), 2, 3)};  // an org that has none of the nodes
  EXPECT_REFUSED(room.Upgrade({"a"}, "chain/full@2.0.0"), Code::kNotFound, "NODE_NOT_FOUND");
  room.actor = {.id = "tester", .role = Role::kAdmin};
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Upgrade, C4_R5_3_AnUnreadableOldConfigAborts) {
  std::string config = room.Node("a").config_id();
  room.Sql(
      "UPDATE configs SET json = '{\"values\":' WHERE id = (SELECT config_id FROM nodes WHERE name "
      "= 'a')");
  std::string before = room.Dump();
  auto answer = room.Upgrade({"b", "a"}, "chain/full@2.0.0");
  EXPECT_REFUSED(answer, Code::kDataLoss, "OLD_CONFIG_UNREADABLE");
  EXPECT_NE(answer.error().message.find("a"), std::string::npos);
  EXPECT_EQ(answer.error().Fact("config_id"), config);
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Upgrade, C4_R5_3_AMissingOldConfigAborts) {
  std::string config = room.Node("a").config_id();
  room.Sql("DELETE FROM configs WHERE id = (SELECT config_id FROM nodes WHERE name = 'a')");
  std::string before = room.Dump();
  auto answer = room.Upgrade({"a"}, "chain/full@2.0.0");
  EXPECT_REFUSED(answer, Code::kDataLoss, "OLD_CONFIG_UNREADABLE");
  EXPECT_EQ(answer.error().Fact("config_id"), config);
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Upgrade, C5_TheSameImageIsRefused) {
  std::string before = room.Dump();
  EXPECT_REFUSED(room.Upgrade({"a"}, "chain/full@1.0.0"), Code::kAlreadyExists,
                 "UPGRADE_SAME_IMAGE");
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Upgrade, C5_ANodeBeingDeletedIsRefused) {
  room.Obey("a");
  ASSERT_OK(room.Delete("a"));
  std::string before = room.Dump();
  EXPECT_REFUSED(room.Upgrade({"a"}, "chain/full@2.0.0"), Code::kFailedPrecondition,
                 "NODE_BEING_DELETED");
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Upgrade, C5_AnyOtherStateAndProtocolIsAccepted) {
  v1::CreateImagesRequest other;
  other.set_create_missing(true);
  auto* image = other.add_images();
  image->set_protocol("other");
  image->set_variant("light");
  image->set_semantic_version("1.0.0");
  image->set_image_uri("docker://other");
  image->mutable_minimum()->set_cpu_cores(1);
  image->mutable_minimum()->set_memory_bytes(1);
  image->mutable_minimum()->set_disk_bytes(1);
  ASSERT_OK(room.Send<v1::CreateImagesResponse>("CatalogService/CreateImages", other));
  for (const char* state : {"running", "stopped", "upgrading", "failed", "starting"}) {
    room.Sql(std::string("UPDATE nodes SET node_state = '") + state + "' WHERE name = 'a'");
    ASSERT_OK(room.Upgrade({"a"}, "other/light@1.0.0"));
    EXPECT_EQ(room.Node("a").protocol(), "other");
    ASSERT_OK(room.Upgrade({"a"}, "chain/full@1.0.0"));
  }
  room.ExpectBalanced();
}

TEST_F(Upgrade, C6_ValuesCarryOverByTheRule) {
  room.AddImage("5.0.0", Needs(2, 4, 100),
                {{"archive", "", "off", Needs(0, 0, 500)},
                 {"cache", "", "small", {}},
                 {"gone", "", "x", Needs(9, 9, 9)}});
  room.AddImage("6.0.0", Needs(3, 4, 100),
                {{"archive", "", "none", Needs(1, 0, 700)}, {"cache", "", "medium", {}}});
  ASSERT_OK(room.Create("d", "host-3", "5.0.0", {{"archive", "on"}, {"gone", "y"}}));
  EXPECT_EQ(FromMessage(room.Node("d").resources()), Needs(11, 13, 609));
  ASSERT_OK(room.Upgrade({"d"}, "chain/full@6.0.0"));
  v1::Node node = room.Node("d");
  auto values = node.config().values();
  EXPECT_EQ(values["archive"], "on") << "changed: carries over";
  EXPECT_EQ(values["cache"], "medium") << "unchanged: follows the new default";
  EXPECT_EQ(values["gone"], "y") << "unknown to the new image: kept";
  EXPECT_EQ(FromMessage(node.resources()), Needs(4, 4, 800))
      << "minimum + what archive adds; 'gone' adds nothing";
  room.ExpectBalanced();
}

TEST_F(Upgrade, C7_R5_4_AnInvalidTotalIsRefusedBeforeAnythingIsWritten) {
  room.AddImage("5.0.0", {0, 1, 1});
  room.AddImage("5.0.1", {1, 1, 100 * kTebi + 1});
  room.AddImage("5.0.2", {1001, 1, 1});
  std::string before = room.Dump();
  struct Case {
    const char *version, *dimension, *value;
  };
  for (const Case& c :
       {Case{"5.0.0", "cpu_cores", "0"}, Case{"5.0.1", "disk_bytes", "109951162777601"},
        Case{"5.0.2", "cpu_cores", "1001"}}) {
    auto answer = room.Upgrade({"a", "b"}, std::string("chain/full@") + c.version);
    EXPECT_REFUSED(answer, Code::kInvalidArgument, "INVALID_IMAGE_CONFIG");
    EXPECT_EQ(answer.error().Fact("dimension"), c.dimension);
    EXPECT_EQ(answer.error().Fact("value"), c.value);
  }
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Upgrade, C7_TheLimitsAreASetting) {
  room.AddImage("5.0.0", Needs(2000, 4, 100));
  EXPECT_REFUSED(room.Upgrade({"a"}, "chain/full@5.0.0"), Code::kInvalidArgument,
                 "INVALID_IMAGE_CONFIG");
  control::ControlOptions options;
  options.policies.node_max.cpu_cores = 2000;
  room.Restart(options);
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@5.0.0"));
}

// Its transaction keeps everybody else waiting.
TEST_F(Upgrade, OneRequestChangesABoundedNumberOfNodes) {
  control::ControlOptions options;
  options.nodes_max = 2;
  room.Restart(options);
  const std::string before = room.Dump();
  const auto expect_refused = [&](const auto& answer, const char* field) {
    EXPECT_REFUSED(answer, Code::kInvalidArgument, "TOO_MANY_NODES");
    EXPECT_EQ(answer.error().Fact("field"), field);
    EXPECT_EQ(answer.error().Fact("value"), "3");
    EXPECT_EQ(answer.error().Fact("nodes_max"), "2");
  };
  v1::UpgradeNodesRequest upgrade;
  upgrade.set_image("chain/full@2.0.0");
  upgrade.mutable_selector()->set_protocol("chain");
  for (const bool dry_run : {false, true}) {
    upgrade.set_dry_run(dry_run);
    expect_refused(room.Send<v1::UpgradeNodesResponse>("NodeService/UpgradeNodes", upgrade),
                   "selector");
  }
  expect_refused(room.Upgrade({"a", "b", "c"}, "chain/full@2.0.0"), "nodes");
  const auto nodes_of = [](auto request) {
    for (const char* node : {"a", "b", "c"}) request.add_nodes(node);
    return request;
  };
  expect_refused(room.Send<v1::StartNodesResponse>("NodeService/StartNodes",
                                                   nodes_of(v1::StartNodesRequest())),
                 "nodes");
  expect_refused(
      room.Send<v1::StopNodesResponse>("NodeService/StopNodes", nodes_of(v1::StopNodesRequest())),
      "nodes");
  expect_refused(room.Send<v1::RestartNodesResponse>("NodeService/RestartNodes",
                                                     nodes_of(v1::RestartNodesRequest())),
                 "nodes");
  expect_refused(room.Send<v1::DeleteNodesResponse>("NodeService/DeleteNodes",
                                                    nodes_of(v1::DeleteNodesRequest())),
                 "nodes");
  auto move = nodes_of(v1::MoveNodesRequest());
  move.set_org("acme");
  expect_refused(room.Send<v1::MoveNodesResponse>("NodeService/MoveNodes", move), "nodes");
  v1::CreateNodesRequest create;
  create.set_image("chain/full@1.0.0");
  create.set_org("acme");
  create.set_count(3);
  create.mutable_by_region()->set_region("eu");
  create.mutable_by_region()->set_strategy(v1::PLACEMENT_STRATEGY_SPREAD);
  expect_refused(room.Send<v1::CreateNodesResponse>("NodeService/CreateNodes", create), "count");
  EXPECT_EQ(room.Dump(), before);
  ASSERT_OK(room.Upgrade({"a", "b"}, "chain/full@2.0.0"));
  room.ExpectBalanced();
}

TEST_F(Upgrade, C8_R1_4_R5_5_OverflowIsAnErrorThatNamesTheOperands) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  room.AddImage("5.0.0", Needs(2, 4, 100), {{"big", "", "off", {0, kMost, 0}}});
  room.AddImage("5.0.1", {2, 2, 2}, {{"big", "", "off", {0, kMost, 0}}});
  std::string before = room.Dump();
  auto created = room.Create("d", "host-3", "5.0.0", {{"big", "on"}});
  EXPECT_REFUSED(created, Code::kOutOfRange, "RESOURCE_OVERFLOW");
  EXPECT_EQ(created.error().Fact("dimension"), "memory_bytes");
  EXPECT_EQ(created.error().Fact("right"), std::to_string(kMost));
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Upgrade, C8_R5_5_AHostSumBeyond64BitsIsRefused) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  control::ControlOptions options;
  options.policies.node_max = {kMost, kMost, kMost};
  room.Restart(options);
  room.AddImage("5.0.0", {2, kMost, 2});
  ASSERT_OK(room.Upgrade({"c"}, "chain/full@5.0.0"));
  ASSERT_OK(room.Create("d", "host-3", "1.0.0"));
  std::string before = room.Dump();
  auto answer = room.Upgrade({"a"}, "chain/full@5.0.0");
  EXPECT_REFUSED(answer, Code::kOutOfRange, "RESOURCE_OVERFLOW");
  EXPECT_EQ(answer.error().Fact("dimension"), "memory_bytes");
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Upgrade, C10_R4_1_TheNodeRowIsWhatItWasBeforeAndMore) {
  room.clock.Advance(std::chrono::hours(1));
  v1::Node before = room.Node("a");
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@2.0.0"));
  v1::Node after = room.Node("a");
  EXPECT_NE(after.image_id(), before.image_id());
  EXPECT_NE(after.config_id(), before.config_id());
  EXPECT_EQ(after.protocol_id(), before.protocol_id());
  EXPECT_NE(after.protocol_version_id(), before.protocol_version_id());
  EXPECT_EQ(after.semantic_version(), "2.0.0");
  EXPECT_EQ(after.next_state(), v1::NEXT_STATE_UPGRADING);
  EXPECT_EQ(after.node_state(), before.node_state());
  EXPECT_EQ(after.version(), before.version() + 1);
  EXPECT_GT(after.updated_at().seconds(), before.updated_at().seconds());
  EXPECT_EQ(after.created_at().seconds(), before.created_at().seconds());
  EXPECT_EQ(after.host_id(), before.host_id());
  EXPECT_EQ(after.org_id(), before.org_id());
}

TEST_F(Upgrade, C11_TheLedgerHasAnEntryPerNodeWithDeltaAndBalance) {
  ASSERT_OK(room.Upgrade({"a", "b"}, "chain/full@2.0.0", "change-17"));
  auto ledger = room.Ledger("host-1");
  ASSERT_EQ(ledger.entries_size(), 4);  // two creates, two upgrades
  for (int i : {2, 3}) {
    const v1::LedgerEntry& entry = ledger.entries(i);
    EXPECT_EQ(entry.seq(), i + 1);
    EXPECT_EQ(entry.kind(), v1::LEDGER_KIND_UPGRADE);
    EXPECT_EQ(entry.node(), i == 2 ? "a" : "b");
    EXPECT_EQ(FromMessage(entry.delta()), (Books{0, Needs(2, 4, 100)}));
    EXPECT_EQ(entry.cause().request_id(), "change-17");
    EXPECT_EQ(entry.cause().actor(), "tester");
  }
  EXPECT_EQ(FromMessage(ledger.entries(3).balance()), FromMessage(ledger.books()));
  EXPECT_EQ(FromMessage(ledger.total()), FromMessage(ledger.books()));
}

TEST_F(Upgrade, C12_R4_2_ExactlyOneUpgradeStartedEventPerNode) {
  ASSERT_OK(room.Upgrade({"a", "c"}, "chain/full@2.0.0", "change-18"));
  for (const char* node : {"a", "c"}) {
    auto events = room.Events(std::string("kind=upgrade_started node=") + node);
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].facts().at("old_image"), "chain/full@1.0.0+1");
    EXPECT_EQ(events[0].facts().at("new_image"), "chain/full@2.0.0+1");
    EXPECT_EQ(events[0].cause().actor(), "tester");
    EXPECT_EQ(events[0].cause().request_id(), "change-18");
  }
  EXPECT_TRUE(room.Events("kind=upgrade_started node=b").empty());
}

TEST_F(Upgrade, C12_AnOlderUntakenUpgradeIsSuperseded) {
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@2.0.0"));
  auto second = room.Upgrade({"a"}, "chain/full@4.0.0");
  ASSERT_OK(second);
  EXPECT_EQ(second->changes().nodes(0).withdrawn_command_ids_size(), 1);
  EXPECT_EQ(room.Commands("node=a kind=node_upgrade state=superseded").size(), 1u);
  EXPECT_EQ(room.Commands("node=a kind=node_upgrade state=open").size(), 1u);
}

TEST_F(Upgrade, R3_2_AllNodesOfARequestOrNone) {
  room.AddImage("5.0.0", Needs(4, 8, 200));
  ASSERT_OK(room.Upgrade({"c"}, "chain/full@5.0.0"));
  std::string before = room.Dump();
  EXPECT_REFUSED(room.Upgrade({"a", "b", "c"}, "chain/full@5.0.0"), Code::kAlreadyExists,
                 "UPGRADE_SAME_IMAGE");
  EXPECT_EQ(room.Dump(), before) << "a and b are as they were although they were planned first";
}

TEST_F(Upgrade, R3_AFailingHostUpdateRollsEverythingBack) {
  // R 2.5, 3.1, 3.2: the database refuses the host row in the middle of the transaction.
  room.backend->IgnoreUpdates("hosts");
  std::string before = room.Dump();
  auto answer = room.Upgrade({"a"}, "chain/full@2.0.0");
  EXPECT_REFUSED(answer, Code::kInternal, "HOST_UPDATE_FAILED");
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Upgrade, R4_4_OtherRefusalsThereAreNone) {
  // A downgrade, another version with equal needs, one node twice in a row: all accepted as before.
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@2.0.0"));
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@1.0.0"));
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@3.0.0"));
  room.ExpectBalanced();
}

TEST_F(Upgrade, AReplayedRequestHappensOnce) {
  auto first = room.Upgrade({"a"}, "chain/full@2.0.0", "once");
  ASSERT_OK(first);
  std::string before = room.Dump();
  auto again = room.Upgrade({"a"}, "chain/full@2.0.0", "once");
  ASSERT_OK(again);
  EXPECT_EQ(first->SerializeAsString(), again->SerializeAsString());
  EXPECT_REFUSED(room.Upgrade({"b"}, "chain/full@2.0.0", "once"), Code::kInvalidArgument,
                 "REQUEST_ID_REUSED");
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Upgrade, APlanChangesNothingAndItsTokenHoldsOnlyWhileItIsTrue) {
  std::string before = room.Dump();
  auto plan = room.Upgrade({"a", "c"}, "chain/full@2.0.0", "", "", true);
  ASSERT_OK(plan);
  EXPECT_FALSE(plan->changes().applied());
  EXPECT_EQ(room.Dump(), before);
  ASSERT_OK(room.Upgrade({"b"}, "chain/full@2.0.0"));  // another node of a's host
  before = room.Dump();
  std::string token = plan->changes().plan_token();
  EXPECT_REFUSED(room.Upgrade({"a", "c"}, "chain/full@2.0.0", "", token), Code::kAborted,
                 "PLAN_STALE");
  EXPECT_EQ(room.Dump(), before);
  plan = room.Upgrade({"a", "c"}, "chain/full@2.0.0", "", "", true);
  auto done = room.Upgrade({"a", "c"}, "chain/full@2.0.0", "", plan->changes().plan_token());
  ASSERT_OK(done);
  EXPECT_EQ(FromMessage(done->changes().hosts(0).books_after()),
            FromMessage(plan->changes().hosts(0).books_after()));
  room.ExpectBalanced();
}

TEST_F(Upgrade, HoldKeepsWhatRunsUntilTheHostConfirms) {
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@2.0.0"));
  room.Obey("a");
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@4.0.0"));
  EXPECT_EQ(FromMessage(room.Node("a").held()), Needs(3, 6, 150)) << "the larger one still runs";
  EXPECT_EQ(FromMessage(room.Host("host-1").held()), Needs(3, 6, 150));
  EXPECT_EQ(FromMessage(room.Host("host-1").free()),
            Needs(64 - 3 - 3, 256 - 6 - 6, 10'000 - 150 - 150));
  room.ExpectBalanced();
  room.Obey("a");
  EXPECT_EQ(FromMessage(room.Host("host-1").held()), Needs(0, 0, 0));
  EXPECT_EQ(room.Events("kind=upgrade_succeeded node=a").size(), 2u);
  room.ExpectBalanced();
}

}  // namespace
}  // namespace tallyman
