// Creating, moving and deleting nodes; usage per org.
#include <thread>

#include "support/api_room.h"

namespace tallyman {
namespace {

class CreateDelete : public testing::Test {
 protected:
  void SetUp() override {
    room.AddFleet(3);
    room.AddImage("1.0.0", Needs(2, 4, 100));
    room.AddImage("2.0.0", Needs(4, 8, 200));
  }

  ApiRoom room;
};

TEST_F(CreateDelete, CreateChargesAtOnceAndDeleteOfWhatWasNeverHandedOutGivesBackAtOnce) {
  ASSERT_OK(room.Create("a", "host-1", "1.0.0"));
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{1, Needs(2, 4, 100)}));
  auto answer = room.Delete("a");
  ASSERT_OK(answer);
  EXPECT_TRUE(answer->changes().nodes(0).released());
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{}));
  EXPECT_EQ(room.Commands("node=a state=cancelled").size(), 1u);
  EXPECT_EQ(room.Commands("node=a kind=node_delete").size(), 0u) << "the host never heard of it";
  EXPECT_REFUSED(room.Delete("a"), Code::kNotFound, "NODE_NOT_FOUND");
  room.ExpectBalanced();
}

TEST_F(CreateDelete, DeleteOfARunningNodeStaysChargedUntilTheHostSaysThatNothingRuns) {
  ASSERT_OK(room.Create("a", "host-1", "1.0.0"));
  room.Obey("a");
  auto answer = room.Delete("a");
  ASSERT_OK(answer);
  EXPECT_FALSE(answer->changes().nodes(0).released());
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{1, Needs(2, 4, 100)}));
  EXPECT_REFUSED(room.Delete("a"), Code::kFailedPrecondition, "NODE_BEING_DELETED");
  room.Obey("a");
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{}));
  room.ExpectBalanced();
}

TEST_F(CreateDelete, DeleteWithdrawsUntakenCommandsAndTheirHold) {
  ASSERT_OK(room.Create("a", "host-1", "2.0.0"));
  room.Obey("a");
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@1.0.0"));
  EXPECT_EQ(FromMessage(room.Host("host-1").held()), Needs(2, 4, 100));
  ASSERT_OK(room.Delete("a"));
  EXPECT_EQ(room.Commands("node=a state=cancelled kind=node_upgrade").size(), 1u);
  EXPECT_EQ(room.Commands("node=a state=open").size(), 1u);
  EXPECT_EQ(FromMessage(room.Host("host-1").held()), Needs(2, 4, 100))
      << "the larger one still runs";
  room.ExpectBalanced();
  room.Obey("a");
  EXPECT_EQ(FromMessage(room.Host("host-1").held()), Needs(0, 0, 0));
  room.ExpectBalanced();
}

TEST_F(CreateDelete, ADeleteThatWaitsForItsHostSaysWhatItWithdrawsAndWhatStaysHeld) {
  room.AddImage("9.0.0", Needs(1, 1, 10));
  ASSERT_OK(room.Create("a", "host-1", "1.0.0"));
  room.Obey("a");
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@9.0.0"));
  auto restart = [&] {
    v1::RestartNodesRequest request;
    request.add_nodes("a");
    return room.Send<v1::RestartNodesResponse>("NodeService/RestartNodes", request);
  };
  ASSERT_OK(restart());
  auto deleted = room.Delete("a");
  ASSERT_OK(deleted);
  const v1::NodeChange& change = deleted->changes().nodes(0);
  EXPECT_EQ(change.withdrawn_command_ids_size(), 2);
  EXPECT_EQ(change.to_image(), "");
  EXPECT_FALSE(change.released());
  EXPECT_EQ(FromMessage(change.held()), FromMessage(room.Node("a").held()));
  room.ExpectBalanced();
}

TEST_F(CreateDelete, ADeleteShowsTheHoldThatItLeaves) {
  room.AddImage("9.0.0", Needs(8, 16, 400));
  ASSERT_OK(room.Create("a", "host-1", "9.0.0"));
  room.Obey("a");
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@1.0.0"));
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@9.0.0"));
  room.Sql("UPDATE commands SET state = 'taken' WHERE state = 'open'");
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@1.0.0"));
  auto deleted = room.Delete("a");
  ASSERT_OK(deleted);
  EXPECT_EQ(FromMessage(deleted->changes().nodes(0).held()), FromMessage(room.Node("a").held()));
  room.ExpectBalanced();
}

TEST_F(CreateDelete, ANodeGetsNoNameByWhichNobodyCouldCallIt) {
  EXPECT_REFUSED(room.Create("01900000-0000-7000-8000-0123456789ab", "host-1", "1.0.0"),
                 Code::kInvalidArgument, "INVALID_NAME");
  auto with_prefix = [&](size_t length) {
    v1::CreateNodesRequest request;
    request.set_image("chain/full@1.0.0");
    request.set_org("acme");
    request.set_name_prefix(std::string(length, 'p'));
    request.mutable_by_region()->set_region("eu");
    return room.Send<v1::CreateNodesResponse>("NodeService/CreateNodes", request);
  };
  EXPECT_REFUSED(with_prefix(100), Code::kInvalidArgument, "INVALID_NAME");
  auto longest = with_prefix(98);
  ASSERT_OK(longest);
  EXPECT_EQ(room.Node(longest->changes().nodes(0).node()).name(), std::string(98, 'p') + "-1");
}

v1::CreateNodesRequest Named(const std::vector<std::string>& names) {
  v1::CreateNodesRequest request;
  request.set_image("chain/full@1.0.0");
  request.set_org("acme");
  request.mutable_by_region()->set_region("eu");
  for (const std::string& name : names) request.add_names(name);
  return request;
}

TEST_F(CreateDelete, NodesGetExactlyTheNamesThatAreAskedFor) {
  ASSERT_OK(room.Create("w-2", "host-1", "1.0.0"));
  ASSERT_OK(room.Create("w-7", "host-1", "1.0.0"));
  ASSERT_OK(room.Delete("w-2"));
  auto made = room.Send<v1::CreateNodesResponse>("NodeService/CreateNodes", Named({"w-3", "w-2"}));
  ASSERT_OK(made);
  ASSERT_EQ(made->changes().nodes_size(), 2);
  EXPECT_EQ(room.Node("w-2").image(), "chain/full@1.0.0+1");
  EXPECT_EQ(room.Node("w-3").image(), "chain/full@1.0.0+1");
  room.ExpectBalanced();
}

TEST_F(CreateDelete, NamesGoToTheHostsInTheirOrder) {
  v1::CreateNodesRequest request = Named({"c", "a", "b"});
  for (const auto& [host, count] : {std::pair("host-2", 2), std::pair("host-1", 1)}) {
    v1::HostCount& item = *request.mutable_by_hosts()->add_hosts();
    item.set_host(host);
    item.set_count(count);
  }
  ASSERT_OK(room.Send<v1::CreateNodesResponse>("NodeService/CreateNodes", request));
  EXPECT_EQ(room.Node("c").host(), "host-2");
  EXPECT_EQ(room.Node("a").host(), "host-2");
  EXPECT_EQ(room.Node("b").host(), "host-1");
}

TEST_F(CreateDelete, OneTakenNameOfManyIsNamedAndNothingIsCreated) {
  ASSERT_OK(room.Create("b", "host-1", "1.0.0"));
  const std::string before = room.Dump();
  auto refused =
      room.Send<v1::CreateNodesResponse>("NodeService/CreateNodes", Named({"a", "b", "c"}));
  EXPECT_REFUSED(refused, Code::kAlreadyExists, "NODE_NAME_TAKEN");
  EXPECT_EQ(refused.error().resource, "node b");
  EXPECT_EQ(refused.error().Fact("field"), "names[1]");
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(CreateDelete, NamesThatDoNotFitTheRequestAreRefused) {
  v1::CreateNodesRequest fewer = Named({"a", "b"});
  fewer.set_count(3);
  v1::CreateNodesRequest beside = Named({"a", "b"});
  beside.set_name_prefix("c");
  const std::tuple<v1::CreateNodesRequest, const char*, const char*> cases[] = {
      {Named({"a", "b", "a"}), "DUPLICATE_NAME", "names[2]"},
      {Named({"a", ""}), "INVALID_NAME", "names[1]"},
      {Named({"01900000-0000-7000-8000-0123456789ab"}), "INVALID_NAME", "names[0]"},
      {fewer, "INVALID_COUNT", "count"},
      {beside, "NAMES_AND_NAME", "names"},
  };
  for (const auto& [request, reason, field] : cases) {
    auto refused = room.Send<v1::CreateNodesResponse>("NodeService/CreateNodes", request);
    EXPECT_REFUSED(refused, Code::kInvalidArgument, reason);
    EXPECT_EQ(refused.error().Fact("field"), field);
  }
}

// Else two who publish the same image at the same time make two builds of it.
TEST_F(CreateDelete, AnImageWithoutADateIsPublishedOnce) {
  v1::CreateImagesRequest request;
  request.set_skip_existing(true);
  request.set_create_missing(true);
  v1::ImageSpec& spec = *request.add_images();
  spec.set_protocol("once");
  spec.set_variant("full");
  spec.set_semantic_version("1.0.0");
  spec.set_image_uri("once:1");
  spec.mutable_minimum()->set_cpu_cores(1);
  auto publish = [&] {
    room.clock.Advance(std::chrono::seconds(1));
    return room.Send<v1::CreateImagesResponse>("CatalogService/CreateImages", request);
  };
  EXPECT_EQ(publish()->created_count(), 1);
  EXPECT_EQ(publish()->skipped_count(), 1);
  request.mutable_images(0)->set_image_uri("once:2");
  EXPECT_EQ(publish()->created_count(), 1) << "other content is another build";
  request.set_skip_existing(false);
  EXPECT_EQ(publish()->created_count(), 1) << "only where it is asked for";
}

TEST_F(CreateDelete, SpreadAndPackPlaceWhereTheyFit) {
  auto spread = room.AddNodes("1.0.0", "s", 3);
  ASSERT_OK(spread);
  std::set<std::string> hosts;
  for (const control::NodeChange& node : spread->nodes) hosts.insert(node.host);
  EXPECT_EQ(hosts.size(), 3u);
  v1::CreateNodesRequest pack;
  pack.set_image("chain/full@1.0.0");
  pack.set_org("acme");
  pack.set_name_prefix("p");
  pack.set_count(10);
  pack.mutable_by_region()->set_region("eu");
  pack.mutable_by_region()->set_strategy(v1::PLACEMENT_STRATEGY_PACK);
  auto packed = room.Send<v1::CreateNodesResponse>("NodeService/CreateNodes", pack);
  ASSERT_OK(packed);
  hosts.clear();
  for (const auto& node : packed->changes().nodes()) hosts.insert(node.host());
  EXPECT_EQ(hosts.size(), 1u);
  room.ExpectBalanced();
}

TEST_F(CreateDelete, WhenTheRegionIsFullNothingIsPlacedAndItIsSaid) {
  room.AddImage("9.0.0", Needs(64, 4, 100));
  std::string before = room.Dump();
  auto answer = room.AddNodes("9.0.0", "big", 4);
  EXPECT_REFUSED(answer, Code::kResourceExhausted, "NO_HOST_FITS");
  EXPECT_EQ(answer.error().Fact("placed"), "3");
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(CreateDelete, TheLastFreeCoresAreGivenOnce) {
  room.AddImage("9.0.0", Needs(64, 4, 100));
  std::atomic<int> created{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&, i] {
      if (room.Create("race-" + std::to_string(i), "host-1", "9.0.0").has_value()) ++created;
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(created, 1);
  room.ExpectBalanced();
}

TEST_F(CreateDelete, Fault11_UsageOfAnOrgFollowsAMove) {
  v1::CreateOrgRequest org;
  org.set_name("other");
  ASSERT_OK(room.Send<v1::CreateOrgResponse>("OrgService/CreateOrg", org));
  ASSERT_OK(room.Create("a", "host-1", "1.0.0"));
  v1::MoveNodesRequest move;
  move.add_nodes("a");
  move.set_org("other");
  EXPECT_REFUSED(room.Send<v1::MoveNodesResponse>("NodeService/MoveNodes", move),
                 Code::kFailedPrecondition, "TRANSITION_OPEN");
  room.Obey("a");
  ASSERT_OK(room.Send<v1::MoveNodesResponse>("NodeService/MoveNodes", move));
  auto usage = [&](const std::string& name) {
    v1::GetOrgRequest request;
    request.set_org(name);
    return FromMessage(room.Send<v1::GetOrgResponse>("OrgService/GetOrg", request)->usage());
  };
  EXPECT_EQ(usage("acme"), (Books{}));
  EXPECT_EQ(usage("other"), (Books{1, Needs(2, 4, 100)}));
  room.ExpectBalanced();
}

}  // namespace
}  // namespace tallyman
