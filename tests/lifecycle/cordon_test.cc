// Hosts that people keep new nodes off, and hosts that are gone for good.
#include "control/hosts/reports.h"
#include "control/tokens/tokens.h"
#include "lifecycle/host.h"
#include "tallyman/v1/token.pb.h"

namespace tallyman {
namespace {

using std::chrono::seconds;
using Names = std::vector<std::string>;

class Claims : public Lifecycle {
 protected:
  // As the operator of that name, of all orgs.
  template <class Response, class Request>
  Result<Response> SendAs(const std::string& who, const std::string& method,
                          const Request& request) {
    Actor actor{.id = who, .role = Role::kOperator};
    std::swap(room.actor, actor);
    auto answer = room.Send<Response>("HostService/" + method, request);
    std::swap(room.actor, actor);
    return answer;
  }
  Result<v1::CordonHostResponse> Cordon(const std::string& who, const std::string& reason = "",
                                        const std::string& owner = "") {
    v1::CordonHostRequest request;
    request.set_host("host-1");
    request.set_reason(reason);
    request.set_owner(owner);
    return SendAs<v1::CordonHostResponse>(who, "CordonHost", request);
  }
  Result<v1::UncordonHostResponse> Uncordon(const std::string& who, const std::string& owner = "") {
    v1::UncordonHostRequest request;
    request.set_host("host-1");
    request.set_owner(owner);
    return SendAs<v1::UncordonHostResponse>(who, "UncordonHost", request);
  }
  static Names OwnersOf(const v1::Host& claimed) {
    Names owners;
    for (const v1::HostClaim& claim : claimed.claims()) owners.push_back(claim.owner());
    return owners;
  }
};

TEST_F(Claims, ACordonedHostGetsNoNewNodesAndKeepsItsOwn) {
  const v1::Host before = room.Host("host-1");
  auto cordoned = Cordon("alice", "a disk is to be replaced");
  ASSERT_OK(cordoned);
  EXPECT_TRUE(cordoned->changed());
  const v1::Host after = room.Host("host-1");
  EXPECT_TRUE(after.cordoned());
  ASSERT_EQ(after.claims_size(), 1);
  EXPECT_EQ(after.claims(0).owner(), "alice");
  EXPECT_EQ(after.claims(0).kind(), v1::CLAIM_KIND_CORDON);
  EXPECT_EQ(after.claims(0).reason(), "a disk is to be replaced");
  EXPECT_EQ(after.claims(0).created_by(), "alice");
  EXPECT_EQ(after.version(), before.version() + 1);
  EXPECT_EQ(after.free().DebugString(), before.free().DebugString());
  EXPECT_EQ(after.books().DebugString(), before.books().DebugString());
  EXPECT_REFUSED(room.Create("named", "host-1", "1.0.0"), Code::kFailedPrecondition,
                 "HOST_CORDONED");
  v1::CreateNodesRequest in_region;
  in_region.set_image("chain/full@1.0.0");
  in_region.set_org("acme");
  in_region.set_name("placed");
  in_region.mutable_by_region()->set_region("eu");
  in_region.set_count(1);
  ASSERT_OK(room.Send<v1::CreateNodesResponse>("NodeService/CreateNodes", in_region));
  EXPECT_EQ(room.Node("placed").host(), "host-2");
  // What is there goes on.
  Upgrade("2.0.0");
  host->Obey("n");
  EXPECT_EQ(N().semantic_version(), "2.0.0");
  EXPECT_EQ(room.Events("kind=host_cordoned host=host-1").size(), 1u);
}

TEST_F(Claims, EveryOwnerHasOneAndTheLastThatGoesFreesTheHost) {
  ASSERT_OK(Cordon("alice"));
  auto again = Cordon("alice", "another reason");
  ASSERT_OK(again);
  EXPECT_FALSE(again->changed());
  EXPECT_EQ(again->host().claims(0).reason(), "");
  ASSERT_OK(Cordon("bob"));
  EXPECT_EQ(OwnersOf(room.Host("host-1")), (Names{"alice", "bob"}));
  auto one = Uncordon("alice");
  ASSERT_OK(one);
  EXPECT_TRUE(one->changed());
  EXPECT_TRUE(one->host().cordoned());
  auto other = Uncordon("bob");
  ASSERT_OK(other);
  EXPECT_FALSE(other->host().cordoned());
  EXPECT_FALSE(room.Host("host-1").cordoned());
  ASSERT_OK(room.Create("named", "host-1", "1.0.0"));
  EXPECT_EQ(CountEvents("host_cordoned"), 2u);
  EXPECT_EQ(CountEvents("host_uncordoned"), 2u);
  auto none = Uncordon("bob");
  ASSERT_OK(none);
  EXPECT_FALSE(none->changed());
}

TEST_F(Claims, OfAnotherGoesOnlyWhereItsOwnerIsNamed) {
  ASSERT_OK(Cordon("alice"));
  auto refused = Uncordon("bob");
  EXPECT_REFUSED(refused, Code::kFailedPrecondition, "CLAIM_OF_ANOTHER");
  EXPECT_EQ(refused.error().Fact("owners"), "alice");
  EXPECT_TRUE(room.Host("host-1").cordoned());
  ASSERT_OK(Uncordon("bob", "alice"));
  EXPECT_FALSE(room.Host("host-1").cordoned());
  // And may be made for another one.
  ASSERT_OK(Cordon("bob", "", "maintenance"));
  EXPECT_EQ(OwnersOf(room.Host("host-1")), (Names{"maintenance"}));
  EXPECT_EQ(room.Host("host-1").claims(0).created_by(), "bob");
  EXPECT_REFUSED(Cordon("bob", "", "no name!"), Code::kInvalidArgument, "INVALID_NAME");
  EXPECT_REFUSED(Cordon("bob", std::string(1001, 'x')), Code::kInvalidArgument, "INVALID_TEXT");
}

TEST_F(Claims, AnAuditFindsACordonThatIsNotOneAndARepairMendsIt) {
  ASSERT_OK(Cordon("alice"));
  room.Sql("UPDATE hosts SET cordoned = (1 = 0) WHERE name = 'host-1'");
  room.Sql("UPDATE hosts SET cordoned = (1 = 1) WHERE name = 'host-2'");
  const v1::RunAuditResponse audit = room.RunAudit();
  ASSERT_EQ(audit.drifts_size(), 2) << audit.DebugString();
  for (const v1::Drift& drift : audit.drifts()) {
    EXPECT_EQ(drift.kind(), v1::DRIFT_KIND_CORDON);
    EXPECT_EQ(drift.true_value(), drift.host() == "host-1" ? 1 : 0);
  }
  ASSERT_OK(room.Repair());
  EXPECT_TRUE(room.Host("host-1").cordoned());
  EXPECT_FALSE(room.Host("host-2").cordoned());
}

class Retire : public Claims {
 protected:
  Result<v1::RetireHostResponse> RetireIt(bool lost = true, bool dry_run = false,
                                          const std::string& token = "") {
    v1::RetireHostRequest request;
    request.set_host("host-1");
    request.set_lost(lost);
    request.set_dry_run(dry_run);
    request.set_plan_token(token);
    return room.Send<v1::RetireHostResponse>("HostService/RetireHost", request);
  }
  void FallSilent() {
    room.clock.Advance(seconds(91));
    ASSERT_OK(control::MarkSilentHosts(*room.control));
  }
  Names Listed(bool retired) {
    v1::ListHostsRequest request;
    request.set_show_retired(retired);
    auto answer = room.Send<v1::ListHostsResponse>("HostService/ListHosts", request);
    Names names;
    EXPECT_TRUE(answer.has_value());
    if (!answer) return names;
    for (const v1::Host& listed : answer->hosts()) names.push_back(listed.name());
    return names;
  }
};

TEST_F(Retire, IsRefusedWhileTheHostIsHeard) {
  const std::string before = room.Dump();
  EXPECT_REFUSED(RetireIt(), Code::kFailedPrecondition, "HOST_NOT_SILENT");
  EXPECT_REFUSED(RetireIt(true, true), Code::kFailedPrecondition, "HOST_NOT_SILENT");
  EXPECT_REFUSED(RetireIt(false), Code::kInvalidArgument, "NOT_LOST");
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Retire, GivesBackWhatTheNodesHoldWhateverWasAskedOfThem) {
  ASSERT_OK(room.Create("new", "host-1", "1.0.0"));
  ASSERT_OK(room.Create("going", "host-1", "1.0.0"));
  host->Obey("going");
  ASSERT_OK(room.Delete("going"));
  host->Take("going");
  Upgrade("2.0.0");
  const v1::HandedCommand upgrade = host->Take("n");
  FallSilent();
  auto retired = RetireIt();
  ASSERT_OK(retired);
  EXPECT_TRUE(retired->changes().applied());
  EXPECT_EQ(retired->changes().nodes_size(), 3);
  const v1::Host gone = room.Host(retired->name());
  EXPECT_EQ(gone.id(), host->id().ToString());
  EXPECT_TRUE(gone.name().starts_with("host-1.retired-")) << gone.name();
  EXPECT_TRUE(gone.has_retired_at());
  EXPECT_TRUE(gone.cordoned());
  ASSERT_EQ(gone.claims_size(), 1);
  EXPECT_EQ(gone.claims(0).kind(), v1::CLAIM_KIND_RETIRED);
  EXPECT_EQ(gone.books().node_count(), 0);
  EXPECT_EQ(gone.books().allocated().cpu_cores(), 0);
  EXPECT_EQ(gone.held().cpu_cores(), 0);
  EXPECT_EQ(StateOf(upgrade), v1::COMMAND_STATE_CANCELLED);
  EXPECT_TRUE(room.Commands("state=open").empty());
  EXPECT_TRUE(room.Commands("state=taken").empty());
  const auto deleted = room.Events("kind=node_deleted");
  ASSERT_EQ(deleted.size(), 3u);
  for (const v1::Event& event : deleted) EXPECT_EQ(event.facts().at("why"), "lost");
  ASSERT_EQ(room.Events("kind=host_retired").size(), 1u);
  EXPECT_EQ(room.Events("kind=host_retired").front().facts().at("name"), "host-1");
  // The ledger says why, node by node.
  int released = 0;
  const v1::ListLedgerResponse ledger = room.Ledger(retired->name());
  for (const v1::LedgerEntry& entry : ledger.entries())
    released += entry.kind() == v1::LEDGER_KIND_RELEASE ? 1 : 0;
  EXPECT_EQ(released, 3);
}

TEST_F(Retire, ShowsWhatItWouldDoAndDoesExactlyThat) {
  FallSilent();
  const std::string before = room.Dump();
  auto plan = RetireIt(true, true);
  ASSERT_OK(plan);
  EXPECT_EQ(room.Dump(), before);
  EXPECT_FALSE(plan->changes().applied());
  ASSERT_EQ(plan->changes().nodes_size(), 1);
  ASSERT_EQ(plan->changes().warnings_size(), 1);
  EXPECT_EQ(plan->changes().warnings(0).reason(), "HOST_LOST");
  ASSERT_OK(room.Create("later", "host-1", "1.0.0"));
  EXPECT_REFUSED(RetireIt(true, false, plan->changes().plan_token()), Code::kAborted, "PLAN_STALE");
  auto again = RetireIt(true, true);
  ASSERT_OK(again);
  ASSERT_OK(RetireIt(true, false, again->changes().plan_token()));
}

TEST_F(Retire, FreesTheNamesOfTheHostAndItsNodes) {
  FallSilent();
  ASSERT_OK(RetireIt());
  EXPECT_EQ(Listed(false), (Names{"host-2"}));
  EXPECT_EQ(Listed(true).size(), 2u);
  v1::CreateHostsRequest request;
  v1::HostSpec& spec = *request.add_hosts();
  spec.set_name("host-1");
  spec.set_region("eu");
  spec.mutable_capacity()->set_cpu_cores(64);
  spec.mutable_capacity()->set_memory_bytes(256 * kGiga);
  spec.mutable_capacity()->set_disk_bytes(10'000 * kGiga);
  ASSERT_OK(room.Send<v1::CreateHostsResponse>("HostService/CreateHosts", request));
  ASSERT_OK(room.Create("n", "host-1", "1.0.0"));
  EXPECT_NE(room.Host("host-1").id(), host->id().ToString());
}

TEST_F(Retire, DeletesNodesWhoseCreateFailedAsWell) {
  TestHost second(room, "host-2");
  ASSERT_OK(room.Create("m", "host-2", "1.0.0"));
  const v1::HandedCommand create = second.Take("m");
  second.Say(create, v1::OUTCOME_RESULT_NOT_SUPPORTED);
  ASSERT_EQ(room.Node("m").node_state(), v1::NODE_STATE_FAILED);
  ASSERT_TRUE(room.Node("m").has_released_at());
  room.clock.Advance(seconds(91));
  ASSERT_OK(control::MarkSilentHosts(*room.control));
  v1::RetireHostRequest request;
  request.set_host("host-2");
  request.set_lost(true);
  auto retired = room.Send<v1::RetireHostResponse>("HostService/RetireHost", request);
  ASSERT_OK(retired);
  EXPECT_EQ(retired->changes().nodes_size(), 1);
  v1::ListNodesRequest list;
  list.set_filter("name=m");
  auto listed = room.Send<v1::ListNodesResponse>("NodeService/ListNodes", list);
  ASSERT_OK(listed);
  EXPECT_EQ(listed->nodes_size(), 0);
}

TEST_F(Retire, OfAHostThatWasNeverHeard) {
  ASSERT_EQ(room.Host("host-2").liveness(), v1::LIVENESS_NEVER_HEARD);
  v1::RetireHostRequest request;
  request.set_host("host-2");
  request.set_lost(true);
  auto retired = room.Send<v1::RetireHostResponse>("HostService/RetireHost", request);
  ASSERT_OK(retired);
  EXPECT_EQ(retired->changes().nodes_size(), 0);
  EXPECT_EQ(Listed(false), (Names{"host-1"}));
}

TEST_F(Retire, HappensOnceAndForGood) {
  FallSilent();
  auto retired = RetireIt();
  ASSERT_OK(retired);
  v1::RetireHostRequest again;
  again.set_host(retired->name());
  again.set_lost(true);
  EXPECT_REFUSED(room.Send<v1::RetireHostResponse>("HostService/RetireHost", again),
                 Code::kFailedPrecondition, "HOST_RETIRED");
  v1::UncordonHostRequest uncordon;
  uncordon.set_host(retired->name());
  EXPECT_REFUSED(SendAs<v1::UncordonHostResponse>("tester", "UncordonHost", uncordon),
                 Code::kFailedPrecondition, "HOST_RETIRED");
  EXPECT_REFUSED(room.Create("x", retired->name(), "1.0.0"), Code::kFailedPrecondition,
                 "HOST_CORDONED");
}

TEST_F(Retire, RevokesTheTokensOfTheHost) {
  v1::CreateTokenRequest request;
  request.set_name("join-again");
  request.set_role(v1::ROLE_JOIN);
  request.set_host("host-1");
  auto join = room.Send<v1::CreateTokenResponse>("TokenService/CreateToken", request);
  ASSERT_OK(join);
  request.set_name("of-host");
  request.set_role(v1::ROLE_HOST);
  auto of_host = room.Send<v1::CreateTokenResponse>("TokenService/CreateToken", request);
  ASSERT_OK(of_host);
  FallSilent();
  ASSERT_OK(RetireIt());
  v1::ListTokensRequest list;
  auto tokens = room.Send<v1::ListTokensResponse>("TokenService/ListTokens", list);
  ASSERT_OK(tokens);
  for (const v1::Token& token : tokens->tokens())
    EXPECT_TRUE(token.host().empty() || token.has_revoked_at()) << token.name();
  EXPECT_EQ(CountEvents("token_revoked"), 2u);
}

}  // namespace
}  // namespace tallyman
