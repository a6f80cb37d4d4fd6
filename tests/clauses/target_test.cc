// Whom a request means, and who may mean them.
#include "clauses/around.h"

namespace tallyman {
namespace {

using namespace tallyman::api;

class Targets : public Around {};

TEST_F(Targets, ASelectorTakesTheNodesThatMatchAndCountsThoseItLeavesOut) {
  ASSERT_OK(room.Create("new", "host-1", "2.0.0"));
  ASSERT_OK(room.Create("going", "host-1", "1.0.0"));
  room.Obey("going");
  ASSERT_OK(room.Delete("going"));
  auto answer = UpgradeAll(Chain());
  ASSERT_OK(answer);
  EXPECT_EQ(answer->changes().nodes_size(), 2);  // a and b
  EXPECT_EQ(answer->same_image_count(), 1);
  EXPECT_EQ(answer->deleting_count(), 1);
  // Again: all is as it was asked for, and that is no error.
  std::string before = room.Node("a").SerializeAsString();
  answer = UpgradeAll(Chain());
  ASSERT_OK(answer);
  EXPECT_EQ(answer->changes().nodes_size(), 0);
  EXPECT_EQ(answer->same_image_count(), 3);
  EXPECT_EQ(answer->deleting_count(), 1);
  EXPECT_EQ(room.Node("a").SerializeAsString(), before);
  EXPECT_EQ(room.Events("kind=upgrade_started node=a").size(), 1u);
  room.ExpectBalanced();
}

TEST_F(Targets, ASelectorKeepsToItsRegionVersionAndOrg) {
  v1::CreateRegionRequest region;
  region.set_name("us");
  ASSERT_OK(room.Send<v1::CreateRegionResponse>("RegionService/CreateRegion", region));
  v1::NodeSelector elsewhere = Chain();
  elsewhere.set_region("us");
  EXPECT_REFUSED(UpgradeAll(elsewhere), Code::kNotFound, "NO_NODE_MATCHES");

  room.AddImage("3.0.0", Needs(3, 4, 100));
  ASSERT_OK(room.Upgrade({"b"}, "chain/full@3.0.0"));
  v1::NodeSelector version = Chain();
  version.set_variant("full");
  version.set_semantic_version("3.0.0");
  auto answer = UpgradeAll(version);
  ASSERT_OK(answer);
  ASSERT_EQ(answer->changes().nodes_size(), 1);
  EXPECT_EQ(answer->changes().nodes(0).node(), "b");

  AddOrg("other");
  v1::NodeSelector org = Chain();
  org.set_org("other");
  EXPECT_REFUSED(UpgradeAll(org), Code::kNotFound, "NO_NODE_MATCHES");
  room.actor = {.id = "theirs", .org_id = other_org, .role = Role::kOperator};
  EXPECT_REFUSED(UpgradeAll(Chain()), Code::kNotFound, "NO_NODE_MATCHES");
}

TEST_F(Targets, ASelectorTakesMoreThanAPage) {
  v1::CreateHostsRequest hosts;
  auto* host = hosts.add_hosts();
  host->set_name("big");
  host->set_region("eu");
  host->mutable_capacity()->set_cpu_cores(4'000);
  host->mutable_capacity()->set_memory_bytes(kTebi);
  host->mutable_capacity()->set_disk_bytes(kTebi);
  ASSERT_OK(room.Send<v1::CreateHostsResponse>("HostService/CreateHosts", hosts));
  room.AddImage("0.1.0", {1, 1, 1});
  v1::CreateNodesRequest nodes;
  nodes.set_image("chain/full@0.1.0");
  nodes.set_org("acme");
  nodes.set_name_prefix("many");
  auto* on = nodes.mutable_by_hosts()->add_hosts();
  on->set_host("big");
  on->set_count(600);
  on = nodes.mutable_by_hosts()->add_hosts();
  on->set_host("big");  // named twice: both counts
  on->set_count(401);
  ASSERT_OK(room.Send<v1::CreateNodesResponse>("NodeService/CreateNodes", nodes));
  EXPECT_EQ(room.Host("big").books().node_count(), 1'001);
  v1::NodeSelector selector = Chain();
  selector.set_variant("full");
  selector.set_semantic_version("0.1.0");
  v1::UpgradeNodesRequest request;
  *request.mutable_selector() = selector;
  request.set_image("chain/full@2.0.0");
  request.set_dry_run(true);
  auto answer = room.Send<v1::UpgradeNodesResponse>("NodeService/UpgradeNodes", request);
  ASSERT_OK(answer);
  EXPECT_EQ(answer->changes().nodes_size(), 1'001);
}

TEST_F(Targets, ADeletedNodeIsNotFoundByItsIdEither) {
  std::string id = room.Node("a").id();
  ASSERT_OK(room.Delete("a"));
  EXPECT_REFUSED(room.Upgrade({id}, "chain/full@2.0.0"), Code::kNotFound, "NODE_NOT_FOUND");
}

TEST_F(Targets, C2_ACallerOfOneOrgFindsNoNodeAndNoPrivateImageOfAnotherByIdEither) {
  AddOrg("other");
  std::string image = AddPrivateImage(), node = room.Node("a").id();
  OrgId acme = *OrgId::Parse(room.Node("a").org_id());
  room.actor = {.id = "ours", .org_id = acme, .role = Role::kOperator};
  for (const std::string& name : {std::string("a"), node}) {
    auto answer = room.Upgrade({name}, image);
    EXPECT_REFUSED(answer, Code::kNotFound, "IMAGE_NOT_FOUND");
    EXPECT_EQ(answer.error().message.find("7.0.0"), std::string::npos)
        << "says what the caller may not know: " << answer.error().message;
  }
  room.actor.org_id = other_org;
  EXPECT_REFUSED(room.Upgrade({node}, image), Code::kNotFound, "NODE_NOT_FOUND");
}

TEST_F(Targets, C2_AnAdminOfOneOrgIsNoAdminOfAll) {
  room.actor.org_id = *OrgId::Parse(room.Node("a").org_id());
  EXPECT_REFUSED(room.Repair(), Code::kPermissionDenied, "NOT_PERMITTED");
  EXPECT_REFUSED(Move("a", "acme"), Code::kPermissionDenied, "NOT_PERMITTED");
}

TEST_F(Targets, ANodeIsNotMovedToAnOrgThatDoesNotSeeItsImage) {
  AddOrg("other");
  std::string image = AddPrivateImage();
  v1::CreateNodesRequest create;
  create.set_image(image);
  create.set_org("other");
  create.set_name("theirs");
  auto* on = create.mutable_by_hosts()->add_hosts();
  on->set_host("host-1");
  on->set_count(1);
  ASSERT_OK(room.Send<v1::CreateNodesResponse>("NodeService/CreateNodes", create));
  room.Obey("theirs");
  std::string before = room.Dump();
  EXPECT_REFUSED(Move("theirs", "acme"), Code::kNotFound, "IMAGE_NOT_FOUND");
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Targets, ANodeBeingDeletedIsNeitherMovedNorStartedNorEdited) {
  AddOrg("other");
  room.Obey("a");
  ASSERT_OK(room.Delete("a"));
  room.Sql("UPDATE commands SET state = 'settled' WHERE state = 'open'");
  std::string before = room.Dump();
  EXPECT_REFUSED(Move("a", "other"), Code::kFailedPrecondition, "NODE_BEING_DELETED");
  v1::StartNodesRequest start;
  start.add_nodes("a");
  EXPECT_REFUSED(room.Send<v1::StartNodesResponse>("NodeService/StartNodes", start),
                 Code::kFailedPrecondition, "NODE_BEING_DELETED");
  v1::UpdateNodeRequest edit;
  edit.set_node("a");
  edit.set_auto_upgrade(true);
  EXPECT_REFUSED(room.Send<v1::UpdateNodeResponse>("NodeService/UpdateNode", edit),
                 Code::kFailedPrecondition, "NODE_BEING_DELETED");
  EXPECT_EQ(room.Dump(), before);
}

// A deadline and a withdrawal travel from the caller to the queue.
TEST_F(Targets, TheDispatcherHandsOnDeadlineAndWithdrawal) {
  Dispatcher dispatcher(*room.control);
  v1::UpgradeNodesRequest request;
  request.add_nodes("a");
  request.set_image("chain/full@2.0.0");
  std::string before = room.Dump();
  auto send = [&](const Caller& caller) {
    std::promise<Result<Reply>> promise;
    dispatcher.Dispatch("tallyman.v1.NodeService/UpgradeNodes", request, caller,
                        [&](auto answer) { promise.set_value(std::move(answer)); });
    return promise.get_future().get();
  };
  EXPECT_REFUSED(send({.actor = room.actor, .address = "", .deadline = room.clock.Now()}),
                 Code::kDeadlineExceeded, "DEADLINE_EXCEEDED");
  EXPECT_REFUSED(send({.actor = room.actor,
                       .address = "",
                       .cancelled = std::make_shared<std::atomic<bool>>(true)}),
                 Code::kCanceled, "CANCELLED");
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Targets, WhatIsReadForACallerKeepsToItsDeadline) {
  Dispatcher dispatcher(*room.control);
  for (std::string_view method :
       {"NodeService/ListNodes", "HostService/ListHosts", "EventService/ListEvents",
        "AuditService/RunAudit", "AuditService/RepairDrift", "NodeService/UpgradeNodes"}) {
    const std::string name = "tallyman.v1." + std::string(method);
    SCOPED_TRACE(name);
    auto request = dispatcher.NewRequest(name);
    ASSERT_NE(request, nullptr);
    if (auto* upgrade = dynamic_cast<v1::UpgradeNodesRequest*>(request.get())) {
      upgrade->set_image("chain/full@2.0.0");
      *upgrade->mutable_selector() = Chain();
    }
    std::optional<Result<Reply>> answer;
    dispatcher.Dispatch(name, *request,
                        {.actor = room.actor, .address = "", .deadline = room.clock.Now()},
                        [&](auto reply) { answer = std::move(reply); });
    // On this thread: nothing was queued.
    ASSERT_TRUE(answer.has_value());
    EXPECT_REFUSED(*answer, Code::kDeadlineExceeded, "DEADLINE_EXCEEDED");
  }
}

TEST_F(Targets, ACallerThatThrowsOnItsAnswerIsNotAnsweredAgain) {
  Dispatcher dispatcher(*room.control);
  int answers = 0;
  dispatcher.Dispatch("tallyman.v1.NodeService/UpgradeNodes", v1::UpgradeNodesRequest(),
                      {.actor = room.actor, .address = ""}, [&](auto) {
                        if (++answers == 1) throw std::runtime_error("not now");
                      });
  EXPECT_EQ(answers, 1);
}

}  // namespace
}  // namespace tallyman
