// Upgrade policies propose what docs/rollouts.md says, once, and nothing else.
#include <gmock/gmock.h>

#include <map>
#include <thread>

#include "control/hosts/reports.h"
#include "control/rollouts/policies.h"
#include "control/rollouts/rollouts.h"
#include "lifecycle/host.h"
#include "tallyman/v1/rollout.pb.h"
#include "tallyman/v1/upgrade_policy.pb.h"

namespace tallyman {
namespace {

using namespace tallyman::control;
using std::chrono::minutes;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Two hosts; nodes a-1 and a-2 of org acme on the first, b-1 of acme and o-1 of org other on the
// second. All run chain/full@1.0.0, and all but a-2 are marked for automatic upgrades.
class UpgradePolicies : public testing::Test {
 protected:
  void SetUp() override {
    room.AddFleet(2);
    ASSERT_OK((room.Run<std::string, Org>(CreateOrg, room.As("OrgService/CreateOrg"), "other")));
    room.AddImage("1.0.0", Needs(2, 4, 100));
    for (const std::string name : {"host-1", "host-2"}) hosts.emplace(name, TestHost(room, name));
    Add("a-1", "host-1");
    Add("a-2", "host-1");
    Add("b-1", "host-2");
    Add("o-1", "host-2");
    v1::MoveNodesRequest move;
    move.add_nodes("o-1");
    move.set_org("other");
    ASSERT_OK(room.Send<v1::MoveNodesResponse>("NodeService/MoveNodes", move));
    for (const std::string node : {"a-1", "b-1", "o-1"}) Mark(node);
    Beat();
  }
  void TearDown() override { room.ExpectBalanced(); }

  void Add(const std::string& node, const std::string& host) {
    ASSERT_OK(room.Create(node, host, "1.0.0"));
    hosts.at(host).Obey(node);
    host_of[node] = host;
  }
  void Mark(const std::string& node, bool on = true) {
    v1::UpdateNodeRequest request;
    request.set_node(node);
    request.set_auto_upgrade(on);
    ASSERT_OK(room.Send<v1::UpdateNodeResponse>("NodeService/UpdateNode", request));
    Work(host_of.at(node));
  }
  // The host does all that it is told.
  void Work(const std::string& host) {
    for (const auto& [node, on] : host_of)
      if (on == host) hosts.at(host).Obey(node);
  }
  void Beat() {
    for (auto& [name, host] : hosts) {
      if (silent.contains(name)) continue;
      v1::ReportRequest request;
      request.mutable_status()->set_complete(true);
      for (const auto& [node, on] : host_of) {
        if (on != name) continue;
        const v1::Node shown = room.Node(node);
        v1::NodeStatus& status = *request.mutable_status()->add_nodes();
        status.set_node_id(shown.id());
        status.set_config_id(shown.running_config_id());
        status.set_run_state(v1::RUN_STATE_RUNNING);
      }
      host.Report(request);
    }
  }
  // What the timers of a server do with policies.
  Status Look() { return ProposeUpgrades(*room.control); }
  // A minute passes; hosts that are up do what they are told, and the servers their part.
  void Minute() {
    EXPECT_TRUE(Look());
    EXPECT_TRUE(AdvanceRollouts(*room.control));
    for (auto& [name, host] : hosts)
      if (!silent.contains(name)) Work(name);
    room.clock.Advance(minutes(1));
    Beat();
    // One step judges, the next passes the gate.
    EXPECT_TRUE(AdvanceRollouts(*room.control));
    EXPECT_TRUE(AdvanceRollouts(*room.control));
  }
  void Minutes(int count) {
    for (int i = 0; i < count; ++i) Minute();
  }

  // All at once, and healthy after a minute.
  static v1::SetUpgradePolicyRequest Wanted(v1::UpgradeLevel level = v1::UPGRADE_LEVEL_MINOR) {
    v1::SetUpgradePolicyRequest request;
    request.set_name("p");
    request.set_org("acme");
    request.set_protocol("chain");
    request.set_variant("full");
    request.set_level(level);
    v1::UpgradeStrategy& strategy = *request.mutable_strategy();
    strategy.add_stages()->set_percent(100);
    strategy.set_max_in_flight(10);
    strategy.set_per_host(10);
    strategy.mutable_soak()->set_seconds(30);
    return request;
  }
  Result<v1::SetUpgradePolicyResponse> Set(const v1::SetUpgradePolicyRequest& request) {
    return room.Send<v1::SetUpgradePolicyResponse>("UpgradePolicyService/SetUpgradePolicy",
                                                   request);
  }
  Result<v1::DeleteUpgradePolicyResponse> Remove(int64_t expected_version = 0) {
    v1::DeleteUpgradePolicyRequest request;
    request.set_policy("p");
    request.set_expected_version(expected_version);
    return room.Send<v1::DeleteUpgradePolicyResponse>("UpgradePolicyService/DeleteUpgradePolicy",
                                                      request);
  }
  v1::GetUpgradePolicyResponse Shown(const std::string& policy = "p") {
    v1::GetUpgradePolicyRequest request;
    request.set_policy(policy);
    auto answer =
        room.Send<v1::GetUpgradePolicyResponse>("UpgradePolicyService/GetUpgradePolicy", request);
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    return answer ? *answer : v1::GetUpgradePolicyResponse();
  }
  std::string WhyNot() { return Shown().outlook().why_not(); }
  // "IMAGE: a-1 b-1", one for each proposal; then "WHY: a-2".
  static std::vector<std::string> Lines(const v1::UpgradeOutlook& outlook) {
    std::vector<std::string> lines;
    const auto add = [&](std::string line, const auto& names) {
      line += ':';
      for (const std::string& name : names) line += " " + name;
      lines.push_back(std::move(line));
    };
    for (const v1::UpgradeProposal& proposal : outlook.proposals())
      add(proposal.image(), proposal.first_nodes());
    for (const v1::LeftOutNodes& left : outlook.left_out()) add(left.why(), left.first_nodes());
    return lines;
  }
  std::vector<std::string> Lines() { return Lines(Shown().outlook()); }

  std::vector<v1::Rollout> Rollouts() {
    auto answer = room.Send<v1::ListRolloutsResponse>("RolloutService/ListRollouts",
                                                      v1::ListRolloutsRequest());
    EXPECT_TRUE(answer.has_value());
    return {answer->rollouts().begin(), answer->rollouts().end()};
  }
  std::vector<std::string> RolloutNames() {
    std::vector<std::string> names;
    for (const v1::Rollout& rollout : Rollouts()) names.push_back(rollout.name());
    return names;
  }
  Status Abort(const std::string& rollout) {
    v1::AbortRolloutRequest request;
    request.set_rollout(rollout);
    RETURN_IF_ERROR(room.Send<v1::AbortRolloutResponse>("RolloutService/AbortRollout", request));
    return AdvanceRollouts(*room.control);
  }
  // Versions of a-1, a-2, b-1, o-1.
  std::string Versions() {
    std::string versions;
    for (const auto& [node, host] : host_of) versions += room.Node(node).semantic_version() + " ";
    return versions;
  }

  ApiRoom room;
  std::map<std::string, TestHost> hosts;
  std::map<std::string, std::string> host_of;
  std::set<std::string> silent;
};

TEST_F(UpgradePolicies, APublishedImageIsProposedOnceAndRollsOut) {
  ASSERT_OK(Set(Wanted()));
  Minute();
  EXPECT_THAT(RolloutNames(), IsEmpty()) << "there is nothing newer";
  EXPECT_EQ(WhyNot(), "no image is higher within its bounds");

  room.AddImage("1.1.0", Needs(2, 4, 100));
  EXPECT_THAT(Lines(), ElementsAre("chain/full@1.1.0+1: a-1 b-1", "AUTO_UPGRADE_OFF: a-2"));
  EXPECT_EQ(WhyNot(), "");
  ASSERT_OK(Look());
  ASSERT_OK(Look());
  ASSERT_EQ(Rollouts().size(), 1u);
  const v1::Rollout rollout = Rollouts().front();
  EXPECT_EQ(rollout.name(), "p-1.1.0");
  EXPECT_EQ(rollout.org(), "acme");
  EXPECT_EQ(rollout.created_by(), "policy:p");
  EXPECT_EQ(rollout.policy_id(), Shown().policy().id());
  EXPECT_EQ(Shown().policy().rollout(), "p-1.1.0");
  EXPECT_THAT(WhyNot(), HasSubstr("its rollout p-1.1.0 is running"));
  EXPECT_EQ(room.Events("kind=policy_proposed").size(), 1u);
  EXPECT_EQ(room.Events("kind=policy_proposed").front().cause().actor(), "policy:p");
  Minutes(2);
  EXPECT_EQ(Rollouts().front().state(), v1::ROLLOUT_STATE_DONE);
  EXPECT_EQ(Versions(), "1.1.0 1.0.0 1.1.0 1.0.0 ");

  // The next one, to the highest there is.
  room.AddImage("1.2.0", Needs(2, 4, 100));
  room.AddImage("1.2.1", Needs(2, 4, 100));
  Minutes(3);
  EXPECT_THAT(RolloutNames(), ElementsAre("p-1.1.0", "p-1.2.1"));
  EXPECT_EQ(Versions(), "1.2.1 1.0.0 1.2.1 1.0.0 ");
}

TEST_F(UpgradePolicies, NothingIsUpgradedWithoutAPolicy) {
  room.AddImage("1.1.0", Needs(2, 4, 100));
  EXPECT_EQ(room.Node("a-1").upgrade_policy(), "");
  Minutes(2);
  EXPECT_THAT(RolloutNames(), IsEmpty());
  ASSERT_OK(Set(Wanted()));
  EXPECT_EQ(room.Node("a-1").upgrade_policy(), "p");
  EXPECT_EQ(room.Node("o-1").upgrade_policy(), "") << "it is of another org";
}

TEST_F(UpgradePolicies, NoOrgTouchesAnother) {
  // To org other only.
  CreateImagesRequest request;
  ImageSpec& spec = request.images.emplace_back();
  spec.protocol = "chain";
  spec.variant = "full";
  spec.semantic_version = "1.9.0";
  spec.uri = "docker://chain:1.9.0";
  spec.org = "other";
  spec.minimum = Needs(2, 4, 100);
  ASSERT_OK((room.Run<CreateImagesRequest, CreatedImages>(
      CreateImages, room.As("CatalogService/CreateImages"), request)));
  ASSERT_OK(Set(Wanted()));
  Minutes(2);
  EXPECT_THAT(RolloutNames(), IsEmpty());

  v1::SetUpgradePolicyRequest theirs = Wanted();
  theirs.set_name("q");
  theirs.set_org("other");
  ASSERT_OK(Set(theirs));
  Minutes(2);
  EXPECT_EQ(Versions(), "1.0.0 1.0.0 1.0.0 1.9.0 ");
  EXPECT_THAT(RolloutNames(), ElementsAre("q-1.9.0"));
  EXPECT_EQ(Rollouts().front().org(), "other");
}

TEST_F(UpgradePolicies, NothingIsProposedBeyondItsBounds) {
  room.AddImage("1.1.0", Needs(2, 4, 100));
  ASSERT_OK(Set(Wanted(v1::UPGRADE_LEVEL_PATCH)));
  EXPECT_EQ(WhyNot(), "chain/full@1.1.0+1 is more than a patch release away");
  v1::SetUpgradePolicyRequest wanted = Wanted();
  wanted.set_version_range("<1.1.0");
  ASSERT_OK(Set(wanted));
  EXPECT_EQ(WhyNot(), "chain/full@1.1.0+1 is outside of \"<1.1.0\"");
  Minutes(2);
  EXPECT_THAT(RolloutNames(), IsEmpty());

  wanted.set_version_range(">1.1.0");
  ASSERT_OK(Set(wanted));
  room.AddImage("1.2.0-rc.1", Needs(2, 4, 100));
  EXPECT_EQ(WhyNot(), "chain/full@1.2.0-rc.1+1 is a pre-release");
  Minutes(2);
  EXPECT_THAT(RolloutNames(), IsEmpty());
  wanted.set_pre_releases(true);
  ASSERT_OK(Set(wanted));
  Minutes(2);
  EXPECT_THAT(RolloutNames(), ElementsAre("p-1.2.0-rc.1"));
}

TEST_F(UpgradePolicies, AnImageHasToBeKnownForTheDelay) {
  v1::SetUpgradePolicyRequest wanted = Wanted();
  wanted.mutable_delay()->set_seconds(3600);
  ASSERT_OK(Set(wanted));
  room.AddImage("1.1.0", Needs(2, 4, 100));
  EXPECT_THAT(WhyNot(), HasSubstr("chain/full@1.1.0+1 has not been known for the delay"));
  room.clock.Advance(minutes(59));
  Beat();
  ASSERT_OK(Look());
  EXPECT_THAT(RolloutNames(), IsEmpty());
  room.clock.Advance(minutes(1));
  Beat();
  ASSERT_OK(Look());
  EXPECT_THAT(RolloutNames(), ElementsAre("p-1.1.0"));
}

TEST_F(UpgradePolicies, ATargetThatWasAbortedIsNotProposedAgainAndAHigherOneIs) {
  ASSERT_OK(Set(Wanted()));
  room.AddImage("1.1.0", Needs(2, 4, 100));
  ASSERT_OK(Look());
  ASSERT_OK(Abort("p-1.1.0"));
  EXPECT_THAT(WhyNot(), HasSubstr("a rollout to chain/full@1.1.0+1 was aborted"));
  Minutes(2);
  EXPECT_THAT(RolloutNames(), ElementsAre("p-1.1.0"));
  room.AddImage("1.1.1", Needs(2, 4, 100));
  Minutes(2);
  EXPECT_THAT(RolloutNames(), ElementsAre("p-1.1.0", "p-1.1.1"));
  EXPECT_EQ(Versions(), "1.1.1 1.0.0 1.1.1 1.0.0 ");

  // Whoever deletes the policy and sets it anew wants that it forgets.
  room.AddImage("1.1.2", Needs(2, 4, 100));
  ASSERT_OK(Look());
  ASSERT_OK(Abort("p-1.1.2"));
  ASSERT_OK(Remove());
  ASSERT_OK(Set(Wanted()));
  ASSERT_OK(Look());
  EXPECT_THAT(RolloutNames(), ElementsAre("p-1.1.0", "p-1.1.1", "p-1.1.2", "p-1.1.2-2"));
}

TEST_F(UpgradePolicies, ATargetThatWasTakenBackIsNotProposedAgain) {
  ASSERT_OK(Set(Wanted()));
  room.AddImage("1.1.0", Needs(2, 4, 100));
  Minutes(3);
  ASSERT_EQ(Versions(), "1.1.0 1.0.0 1.1.0 1.0.0 ");
  v1::RevertRolloutRequest revert;
  revert.set_rollout("p-1.1.0");
  ASSERT_OK(room.Send<v1::RevertRolloutResponse>("RolloutService/RevertRollout", revert));
  Minutes(5);
  EXPECT_EQ(Versions(), "1.0.0 1.0.0 1.0.0 1.0.0 ");
  EXPECT_THAT(RolloutNames(), ElementsAre("p-1.1.0", "p-1.1.0-revert"));
}

TEST_F(UpgradePolicies, ANodeOnWhichATargetFailedIsNotTriedAgain) {
  v1::SetUpgradePolicyRequest wanted = Wanted();
  wanted.mutable_strategy()->clear_stages();
  wanted.mutable_strategy()->add_stages()->set_nodes(1);
  wanted.mutable_strategy()->add_stages()->set_percent(100);
  wanted.mutable_strategy()->set_max_failures(5);
  ASSERT_OK(Set(wanted));
  room.AddImage("1.1.0", Needs(2, 4, 100));
  ASSERT_OK(Look());
  ASSERT_OK(AdvanceRollouts(*room.control));
  Work("host-1");
  room.clock.Advance(minutes(1));
  Beat();
  // It is judged, its gate is passed, the next one is released.
  for (int i = 0; i < 3; ++i) ASSERT_OK(AdvanceRollouts(*room.control));
  TestHost& host = hosts.at("host-2");
  EXPECT_EQ(host.Say(host.Take("b-1"), v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK,
                     room.Node("b-1").running_config_id()),
            "");
  Minutes(3);
  ASSERT_EQ(Rollouts().front().state(), v1::ROLLOUT_STATE_DONE);
  EXPECT_EQ(Versions(), "1.1.0 1.0.0 1.0.0 1.0.0 ");
  EXPECT_THAT(RolloutNames(), ElementsAre("p-1.1.0"));
  EXPECT_THAT(WhyNot(), HasSubstr("failed on these nodes"));
  // A node that was not in it is upgraded, alone.
  Mark("a-2");
  EXPECT_THAT(Lines(), ElementsAre("chain/full@1.1.0+1: a-2"));
  Minutes(3);
  EXPECT_THAT(RolloutNames(), ElementsAre("p-1.1.0", "p-1.1.0-2"));
  EXPECT_EQ(Versions(), "1.1.0 1.1.0 1.0.0 1.0.0 ");
}

TEST_F(UpgradePolicies, WhatCannotBeUpgradedNowHoldsUpNoOther) {
  ASSERT_OK(Set(Wanted()));
  Mark("a-2");
  Add("c-1", "host-1");
  Mark("c-1");
  // a-1 is in a rollout of somebody's, which does not end; b-1's host is silent.
  v1::CreateRolloutRequest own;
  own.set_name("own");
  own.add_nodes("a-1");
  room.AddImage("2.0.0", Needs(2, 4, 100));
  own.set_image("chain/full@2.0.0");
  ASSERT_OK(room.Send<v1::CreateRolloutResponse>("RolloutService/CreateRollout", own));
  silent.insert("host-2");
  for (int i = 0; i < 3; ++i) {
    room.clock.Advance(minutes(1));
    Beat();
  }
  ASSERT_OK(MarkSilentHosts(*room.control));
  // Two of these do not fit beside one another.
  room.AddImage("1.1.0", Needs(40, 4, 100));
  EXPECT_THAT(Lines(), ElementsAre("chain/full@1.1.0+1: a-2", "HOST_SILENT: b-1", "IN_ROLLOUT: a-1",
                                   "NO_ROOM: c-1"));
  ASSERT_OK(Look());
  EXPECT_THAT(RolloutNames(), ElementsAre("own", "p-1.1.0"));
}

TEST_F(UpgradePolicies, ABrokenPolicyDisturbsNeitherOthersNorThePublication) {
  v1::SetUpgradePolicyRequest theirs = Wanted();
  theirs.set_name("q");
  theirs.set_org("other");
  ASSERT_OK(Set(Wanted()));
  ASSERT_OK(Set(theirs));
  room.Sql("UPDATE upgrade_policies SET strategy = 'torn' WHERE name = 'p'");
  room.AddImage("1.1.0", Needs(2, 4, 100));
  const Status looked = Look();
  ASSERT_FALSE(looked);
  EXPECT_EQ(looked.error().reason, "POLICY_UNREADABLE");
  EXPECT_THAT(RolloutNames(), ElementsAre("q-1.1.0"));
  ASSERT_OK(Set(Wanted()));
  Minutes(2);
  EXPECT_THAT(RolloutNames(), ElementsAre("p-1.1.0", "q-1.1.0"));
  // Nor does it where it is looked at before the others.
  room.Sql("UPDATE upgrade_policies SET strategy = 'torn' WHERE name = 'q'");
  room.AddImage("1.2.0", Needs(2, 4, 100));
  EXPECT_FALSE(Look());
  EXPECT_THAT(RolloutNames(), ElementsAre("p-1.1.0", "p-1.2.0", "q-1.1.0"));
}

// What `policy set --as-before` asks for.
TEST_F(UpgradePolicies, AsBeforeMeansAllMarkedNodesOfTheOrgAtOnce) {
  v1::SetUpgradePolicyRequest wanted = Wanted();
  v1::UpgradeStrategy& strategy = *wanted.mutable_strategy();
  strategy.set_max_in_flight(500);
  strategy.set_per_host(500);
  strategy.mutable_soak()->set_seconds(0);
  ASSERT_OK(Set(wanted));
  Add("c-1", "host-1");
  Mark("c-1");
  Beat();
  room.AddImage("1.4.0", Needs(3, 4, 100));
  room.AddImage("2.0.0", Needs(3, 4, 100));
  EXPECT_EQ(Versions(), "1.0.0 1.0.0 1.0.0 1.0.0 1.0.0 ") << "publishing upgrades nobody";
  ASSERT_OK(Look());
  ASSERT_OK(AdvanceRollouts(*room.control));
  EXPECT_EQ(Versions(), "1.4.0 1.0.0 1.4.0 1.4.0 1.0.0 ");
  Minutes(2);
  EXPECT_EQ(Rollouts().front().state(), v1::ROLLOUT_STATE_DONE);
}

TEST_F(UpgradePolicies, TwoServersProposeOnce) {
  ASSERT_OK(Set(Wanted()));
  room.AddImage("1.1.0", Needs(2, 4, 100));
  SeededRandom random{43};
  Control second(*room.store, room.clock, random, room.log, room.metrics);
  std::thread other([&] { EXPECT_TRUE(ProposeUpgrades(second)); });
  EXPECT_TRUE(Look());
  other.join();
  EXPECT_THAT(RolloutNames(), ElementsAre("p-1.1.0"));
  EXPECT_EQ(room.Events("kind=policy_proposed").size(), 1u);
}

TEST_F(UpgradePolicies, ADisabledPolicyDoesNothing) {
  v1::SetUpgradePolicyRequest wanted = Wanted();
  wanted.set_disabled(true);
  ASSERT_OK(Set(wanted));
  room.AddImage("1.1.0", Needs(2, 4, 100));
  Minutes(2);
  EXPECT_THAT(RolloutNames(), IsEmpty());
  EXPECT_EQ(WhyNot(), "it is disabled");
  EXPECT_EQ(room.Node("a-1").upgrade_policy(), "");
}

TEST_F(UpgradePolicies, ArePresentAfterARestart) {
  ASSERT_OK(Set(Wanted()));
  room.AddImage("1.1.0", Needs(2, 4, 100));
  const std::string before = Shown().DebugString();
  room.Restart({});
  EXPECT_EQ(Shown().DebugString(), before);
  Minutes(2);
  EXPECT_EQ(Versions(), "1.1.0 1.0.0 1.1.0 1.0.0 ");
}

TEST_F(UpgradePolicies, AreSetAsAWholeAndByVersion) {
  v1::SetUpgradePolicyRequest wanted = Wanted();
  wanted.set_dry_run(true);
  room.AddImage("1.1.0", Needs(2, 4, 100));
  const std::string nothing = room.Dump();
  auto shown = Set(wanted);
  ASSERT_OK(shown);
  EXPECT_FALSE(shown->applied());
  EXPECT_TRUE(shown->created());
  EXPECT_EQ(shown->policy().id(), "");
  EXPECT_THAT(Lines(shown->outlook()),
              ElementsAre("chain/full@1.1.0+1: a-1 b-1", "AUTO_UPGRADE_OFF: a-2"));
  EXPECT_EQ(room.Dump(), nothing);

  wanted.set_dry_run(false);
  wanted.set_version_range(">=1.0.0");
  auto made = Set(wanted);
  ASSERT_OK(made);
  EXPECT_TRUE(made->created());
  EXPECT_EQ(made->policy().version(), 1);
  auto replaced = Set(Wanted(v1::UPGRADE_LEVEL_MAJOR));
  ASSERT_OK(replaced);
  EXPECT_FALSE(replaced->created());
  EXPECT_EQ(replaced->policy().version(), 2);
  EXPECT_EQ(replaced->policy().id(), made->policy().id());
  EXPECT_EQ(Shown().policy().version_range(), "") << "it is replaced as a whole";

  wanted.set_expected_version(1);
  auto stale = Set(wanted);
  ASSERT_FALSE(stale);
  EXPECT_EQ(stale.error().reason, "VERSION_MISMATCH");
  wanted.set_expected_version(2);
  ASSERT_OK(Set(wanted));
  auto kept = Remove(2);
  ASSERT_FALSE(kept);
  EXPECT_EQ(kept.error().reason, "VERSION_MISMATCH");
  ASSERT_OK(Remove(3));
  auto gone = Remove();
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().reason, "POLICY_NOT_FOUND");
  EXPECT_EQ(room.Events("kind=policy_set").size(), 3u);
  EXPECT_EQ(room.Events("kind=policy_deleted").size(), 1u);
}

TEST_F(UpgradePolicies, OnePolicyIsForAnOrgProtocolAndVariant) {
  ASSERT_OK(Set(Wanted()));
  v1::SetUpgradePolicyRequest second = Wanted();
  second.set_name("p2");
  auto refused = Set(second);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "POLICY_EXISTS");
  EXPECT_THAT(refused.error().message, HasSubstr("upgrade policy p is for chain/full"));
  v1::SetUpgradePolicyRequest theirs = Wanted();
  theirs.set_org("other");
  refused = Set(theirs);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "POLICY_NAME_TAKEN");
  EXPECT_EQ(Shown().policy().org(), "acme");

  second.set_variant("archive");
  auto unmatched = Set(second);
  ASSERT_OK(unmatched);
  ASSERT_EQ(unmatched->warnings_size(), 1);
  EXPECT_EQ(unmatched->warnings(0).reason(), "POLICY_MATCHES_NOTHING");
}

TEST_F(UpgradePolicies, BadBoundsAndNumbersAreRefused) {
  const auto refusal = [&](const auto& spoil) {
    v1::SetUpgradePolicyRequest request = Wanted();
    spoil(request, *request.mutable_strategy());
    auto answer = Set(request);
    return answer ? std::string("accepted") : answer.error().reason;
  };
  EXPECT_EQ(refusal([](auto& policy, auto&) { policy.set_version_range("^1.4"); }),
            "INVALID_VERSION_RANGE");
  EXPECT_EQ(refusal([](auto& policy, auto&) { policy.mutable_delay()->set_seconds(-1); }),
            "INVALID_POLICY");
  EXPECT_EQ(refusal([](auto& policy, auto&) { policy.set_variant("a/b"); }), "INVALID_NAME");
  EXPECT_EQ(refusal([](auto&, auto& strategy) { strategy.add_stages()->set_percent(101); }),
            "INVALID_ROLLOUT");
  EXPECT_EQ(refusal([](auto&, auto& strategy) { strategy.add_stages()->set_percent(50); }),
            "INVALID_ROLLOUT")
      << "100 and then 50 percent";
  EXPECT_EQ(refusal([](auto&, auto& strategy) { strategy.add_pause_after(2); }), "INVALID_ROLLOUT");
  EXPECT_EQ(refusal([](auto&, auto& strategy) { strategy.set_max_in_flight(501); }),
            "INVALID_ROLLOUT");
  EXPECT_EQ(refusal([](auto&, auto& strategy) { strategy.mutable_soak()->set_seconds(-1); }),
            "INVALID_ROLLOUT");
}

TEST_F(UpgradePolicies, ARolloutOutlivesItsPolicy) {
  ASSERT_OK(Set(Wanted()));
  room.AddImage("1.1.0", Needs(2, 4, 100));
  ASSERT_OK(Look());
  auto gone = Remove();
  ASSERT_OK(gone);
  EXPECT_EQ(gone->policy().rollout(), "p-1.1.0");
  Minutes(2);
  EXPECT_EQ(Rollouts().front().state(), v1::ROLLOUT_STATE_DONE);
  EXPECT_EQ(Versions(), "1.1.0 1.0.0 1.1.0 1.0.0 ");
}

}  // namespace
}  // namespace tallyman
