// Hosts that are drained for maintenance, and resumed.
#include "control/hosts/reports.h"
#include "lifecycle/host.h"
#include "tallyman/v1/fleet.pb.h"
#include "tallyman/v1/org.pb.h"

namespace tallyman {
namespace {

using std::chrono::seconds;
using Names = std::vector<std::string>;

class Drain : public Lifecycle {
 protected:
  template <class Response, class Request>
  Result<Response> SendAs(const std::string& who, const std::string& method,
                          const Request& request) {
    Actor actor{.id = who, .role = Role::kOperator};
    std::swap(room.actor, actor);
    auto answer = room.Send<Response>("HostService/" + method, request);
    std::swap(room.actor, actor);
    return answer;
  }
  static v1::DrainHostsRequest Drains(const Names& hosts, bool dry_run = false,
                                      const std::string& token = "") {
    v1::DrainHostsRequest request;
    for (const std::string& name : hosts) request.add_hosts(name);
    request.set_dry_run(dry_run);
    request.set_plan_token(token);
    return request;
  }
  Result<v1::DrainHostsResponse> DrainAs(const std::string& who, const Names& hosts = {"host-1"}) {
    return SendAs<v1::DrainHostsResponse>(who, "DrainHosts", Drains(hosts));
  }
  static v1::ResumeHostsRequest Resumes(const Names& hosts, bool even_if_silent = false) {
    v1::ResumeHostsRequest request;
    for (const std::string& name : hosts) request.add_hosts(name);
    request.set_even_if_silent(even_if_silent);
    return request;
  }
  Result<v1::ResumeHostsResponse> ResumeAs(const std::string& who, const Names& hosts = {"host-1"},
                                           bool even_if_silent = false) {
    return SendAs<v1::ResumeHostsResponse>(who, "ResumeHosts", Resumes(hosts, even_if_silent));
  }
  Status Start(const std::string& node) {
    v1::StartNodesRequest request;
    request.add_nodes(node);
    return Ignore(room.Send<v1::StartNodesResponse>("NodeService/StartNodes", request));
  }
  Status Stop(const std::string& node) {
    v1::StopNodesRequest request;
    request.add_nodes(node);
    return Ignore(room.Send<v1::StopNodesResponse>("NodeService/StopNodes", request));
  }
  template <class T>
  static Status Ignore(const Result<T>& result) {
    return result ? Status() : Fail(result.error());
  }
  // Carries out all that a node is asked, as a host does: a stop leaves it stopped.
  void Obey(const std::string& node) {
    while (true) {
      const v1::HandedCommand command = host->Fetch(node);
      if (command.command_id().empty()) return;
      ASSERT_EQ(host->Ack(command), "");
      v1::ReportRequest request;
      v1::Outcome& outcome = *request.add_outcomes();
      outcome = TestHost::OutcomeOf(command, v1::OUTCOME_RESULT_OK, command.config_id());
      outcome.set_run_state(command.kind() == v1::COMMAND_KIND_STOP ? v1::RUN_STATE_STOPPED
                                                                    : v1::RUN_STATE_RUNNING);
      ASSERT_EQ(host->Report(request).outcomes(0).reason(), "");
    }
  }
  void AddNode(const std::string& name) {
    ASSERT_OK(room.Create(name, "host-1", "1.0.0"));
    host->Obey(name);
  }
  // A complete status, a second later: the nodes in that state.
  void Say(const std::vector<std::pair<std::string, v1::RunState>>& nodes) {
    room.clock.Advance(seconds(1));
    v1::ReportRequest request;
    request.mutable_status()->set_complete(true);
    for (const auto& [name, state] : nodes) {
      const v1::Node node = room.Node(name);
      *request.mutable_status()->add_nodes() =
          TestHost::StatusOf(node.id(), node.config_id(), {.run_state = state}).status().nodes(0);
    }
    host->Report(request);
  }
  v1::HostDrain Shown() { return room.Host("host-1").drain(); }
  Names Listed(const std::string& filter) {
    v1::ListHostsRequest request;
    request.set_filter(filter);
    auto answer = room.Send<v1::ListHostsResponse>("HostService/ListHosts", request);
    EXPECT_TRUE(answer.has_value());
    Names names;
    for (const v1::Host& listed : answer ? answer->hosts() : v1::ListHostsResponse().hosts())
      names.push_back(listed.name());
    return names;
  }
  // What is shown of the host, and what the filter of lists says, agree.
  bool IsDrained() {
    const bool drained = Shown().drained();
    EXPECT_EQ(Listed("drain=drained"), drained ? Names{"host-1"} : Names{});
    EXPECT_EQ(Listed("drain=draining"), drained ? Names{} : Names{"host-1"});
    return drained;
  }
  v1::CommandKind Asked(const std::string& node) { return host->Fetch(node).kind(); }
};

TEST_F(Drain, StopsWhatRunsAndKeepsNewNodesOff) {
  AddNode("m");
  AddNode("stopped");
  ASSERT_OK(Stop("stopped"));
  Obey("stopped");
  AddNode("going");
  ASSERT_OK(room.Delete("going"));
  const int64_t cores = ChargedCores();
  v1::DrainHostsRequest request = Drains({"host-1"});
  request.set_reason("a disk is to be replaced");
  auto drained = SendAs<v1::DrainHostsResponse>("alice", "DrainHosts", request);
  ASSERT_OK(drained);
  ASSERT_EQ(drained->hosts_size(), 1);
  EXPECT_TRUE(drained->hosts(0).changed());
  EXPECT_EQ(drained->hosts(0).commanded_count(), 2);
  EXPECT_EQ(drained->hosts(0).left_count(), 1);
  EXPECT_EQ(drained->hosts(0).deleting_count(), 1);
  EXPECT_EQ(drained->changes().nodes_size(), 2);
  const v1::Host after = room.Host("host-1");
  EXPECT_TRUE(after.cordoned());
  ASSERT_EQ(after.claims_size(), 1);
  EXPECT_EQ(after.claims(0).owner(), "alice");
  EXPECT_EQ(after.claims(0).kind(), v1::CLAIM_KIND_DRAIN);
  EXPECT_EQ(after.claims(0).reason(), "a disk is to be replaced");
  EXPECT_EQ(after.drain().stopped_count(), 2);
  EXPECT_EQ(ChargedCores(), cores);
  EXPECT_EQ(Asked("n"), v1::COMMAND_KIND_STOP);
  EXPECT_EQ(Asked("m"), v1::COMMAND_KIND_STOP);
  EXPECT_EQ(Asked("stopped"), v1::COMMAND_KIND_UNSPECIFIED);
  EXPECT_EQ(Asked("going"), v1::COMMAND_KIND_DELETE);
  EXPECT_REFUSED(room.Create("named", "host-1", "1.0.0"), Code::kFailedPrecondition,
                 "HOST_CORDONED");
  const auto events = room.Events("kind=host_drain_started host=host-1");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events.front().facts().at("nodes"), "2");
  EXPECT_EQ(events.front().facts().at("owner"), "alice");
  v1::GetOverviewRequest overview;
  auto counted = room.Send<v1::GetOverviewResponse>("FleetService/GetOverview", overview);
  ASSERT_OK(counted);
  EXPECT_EQ(counted->hosts().draining(), 1);
  EXPECT_EQ(counted->hosts().cordoned(), 1);
}

TEST_F(Drain, IsDoneOnlyOnceAStatusAfterItShowsThatNothingRuns) {
  ASSERT_OK(DrainAs("alice"));
  EXPECT_FALSE(IsDrained());
  ASSERT_EQ(Shown().waits_size(), 1);
  EXPECT_EQ(Shown().waits(0).node(), "n");
  EXPECT_EQ(Shown().waits(0).why(), "node_stop is open");
  const v1::HandedCommand stop = host->Take("n");
  EXPECT_EQ(Shown().waits(0).why(), "node_stop is taken");
  // What a host says while it is at work is not the end.
  Say({{"n", v1::RUN_STATE_STOPPED}});
  EXPECT_TRUE(Shown().status_since());
  EXPECT_FALSE(IsDrained());
  host->SayOk(stop);
  EXPECT_TRUE(IsDrained());
  Say({{"n", v1::RUN_STATE_RUNNING}});
  EXPECT_FALSE(IsDrained());
  EXPECT_EQ(Shown().waits(0).why(), "its host says that it runs");
  Say({{"n", v1::RUN_STATE_STOPPED}});
  EXPECT_TRUE(IsDrained());
  EXPECT_EQ(Shown().wait_count(), 0);
}

TEST_F(Drain, IsNotDoneByAStatusThatCameBefore) {
  ASSERT_OK(Stop("n"));
  Obey("n");
  Say({{"n", v1::RUN_STATE_STOPPED}});
  ASSERT_OK(DrainAs("alice"));
  EXPECT_EQ(Shown().wait_count(), 0);
  EXPECT_FALSE(Shown().status_since());
  EXPECT_FALSE(IsDrained());
  Say({{"n", v1::RUN_STATE_STOPPED}});
  EXPECT_TRUE(IsDrained());
}

TEST_F(Drain, WaitsForWhatTheMachineRunsAndIsNoneOfItsNodes) {
  ASSERT_OK(DrainAs("alice"));
  Obey("n");
  Say({{"n", v1::RUN_STATE_STOPPED}});
  ASSERT_TRUE(IsDrained());
  room.clock.Advance(seconds(1));
  v1::ReportRequest request = TestHost::StatusOf("00000000-0000-7000-8000-000000000001",
                                                 "00000000-0000-7000-8000-000000000002", {});
  request.mutable_status()->set_complete(true);
  host->Report(request);
  EXPECT_FALSE(IsDrained());
  ASSERT_EQ(Shown().waits_size(), 1);
  EXPECT_EQ(Shown().waits(0).node(), "");
  EXPECT_EQ(Shown().waits(0).node_id(), "00000000-0000-7000-8000-000000000001");
}

TEST_F(Drain, ShowsAnOrgItsOwnNodesOnly) {
  ASSERT_OK(DrainAs("alice"));
  const auto seen_by = [&](const std::string& org) {
    v1::GetOrgRequest get;
    get.set_org(org);
    const auto found = room.Send<v1::GetOrgResponse>("OrgService/GetOrg", get);
    EXPECT_TRUE(found.has_value());
    Actor actor{.id = "viewer", .role = Role::kViewer};
    actor.org_id = OrgId::Parse(found->org().id());
    std::swap(room.actor, actor);
    const v1::HostDrain drain = Shown();
    std::swap(room.actor, actor);
    EXPECT_EQ(drain.wait_count(), 1);
    return drain.waits_size();
  };
  EXPECT_EQ(seen_by("acme"), 1);
  v1::CreateOrgRequest create;
  create.set_name("others");
  ASSERT_OK(room.Send<v1::CreateOrgResponse>("OrgService/CreateOrg", create));
  EXPECT_EQ(seen_by("others"), 0);
}

TEST_F(Drain, ResumeStartsExactlyWhatItStopped) {
  for (const char* name : {"mine", "started", "stopped", "again", "gone"}) AddNode(name);
  ASSERT_OK(Stop("stopped"));
  Obey("stopped");
  ASSERT_OK(DrainAs("alice"));
  for (const char* name : {"n", "mine", "started", "again", "gone"}) Obey(name);
  // Somebody has decided since.
  ASSERT_OK(Start("started"));
  Obey("started");
  ASSERT_OK(Start("again"));
  Obey("again");
  ASSERT_OK(Stop("again"));
  Obey("again");
  ASSERT_OK(room.Delete("gone"));
  Obey("gone");
  auto resumed = ResumeAs("alice");
  ASSERT_OK(resumed);
  ASSERT_EQ(resumed->hosts_size(), 1);
  EXPECT_EQ(resumed->hosts(0).commanded_count(), 2);
  EXPECT_EQ(resumed->hosts(0).left_count(), 3);
  EXPECT_FALSE(resumed->hosts(0).cordoned());
  EXPECT_EQ(Asked("n"), v1::COMMAND_KIND_START);
  EXPECT_EQ(Asked("mine"), v1::COMMAND_KIND_START);
  for (const char* name : {"started", "stopped", "again"})
    EXPECT_EQ(Asked(name), v1::COMMAND_KIND_UNSPECIFIED) << name;
  const v1::Host after = room.Host("host-1");
  EXPECT_FALSE(after.cordoned());
  EXPECT_FALSE(after.has_drain());
  EXPECT_EQ(after.claims_size(), 0);
  EXPECT_EQ(CountEvents("host_resumed"), 1u);
  // There is nothing to resume any more.
  auto again = ResumeAs("alice");
  ASSERT_OK(again);
  EXPECT_FALSE(again->hosts(0).changed());
  EXPECT_EQ(CountEvents("host_resumed"), 1u);
}

TEST_F(Drain, ResumeWithdrawsAStopThatNoHostHasTaken) {
  AddNode("m");
  ASSERT_OK(DrainAs("alice"));
  const v1::HandedCommand fetched = host->Fetch("n");
  const v1::HandedCommand taken = host->Take("m");
  auto resumed = ResumeAs("alice");
  ASSERT_OK(resumed);
  EXPECT_EQ(resumed->hosts(0).withdrawn_count(), 1);
  EXPECT_EQ(resumed->hosts(0).commanded_count(), 1);
  EXPECT_EQ(StateOf(fetched), v1::COMMAND_STATE_CANCELLED);
  EXPECT_EQ(host->Ack(fetched), "COMMAND_ENDED");
  EXPECT_EQ(Asked("n"), v1::COMMAND_KIND_UNSPECIFIED);
  EXPECT_EQ(N().next_state(), v1::NEXT_STATE_UNSPECIFIED);
  EXPECT_EQ(CountEvents("command_cancelled"), 1u);
  EXPECT_EQ(StateOf(taken), v1::COMMAND_STATE_TAKEN);
  host->SayOk(taken);
  EXPECT_EQ(Asked("m"), v1::COMMAND_KIND_START);
}

TEST_F(Drain, ResumeLeavesANodeThatDidNotStop) {
  ASSERT_OK(DrainAs("alice"));
  host->Say(host->Take("n"), v1::OUTCOME_RESULT_NOT_SUPPORTED, first);
  ASSERT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
  auto resumed = ResumeAs("alice");
  ASSERT_OK(resumed);
  EXPECT_EQ(resumed->hosts(0).commanded_count(), 0);
  EXPECT_EQ(resumed->hosts(0).left_count(), 1);
}

TEST_F(Drain, DrainedAgainStopsWhatRunsAgain) {
  AddNode("m");
  ASSERT_OK(DrainAs("alice"));
  Obey("n");
  Obey("m");
  auto same = DrainAs("alice");
  ASSERT_OK(same);
  EXPECT_FALSE(same->hosts(0).changed());
  EXPECT_EQ(same->hosts(0).left_count(), 2);
  EXPECT_EQ(CountEvents("host_drain_started"), 1u);
  ASSERT_OK(Start("m"));
  Obey("m");
  auto again = DrainAs("alice");
  ASSERT_OK(again);
  EXPECT_TRUE(again->hosts(0).changed());
  EXPECT_EQ(again->hosts(0).commanded_count(), 1);
  EXPECT_EQ(room.Host("host-1").claims_size(), 1);
  Obey("m");
  auto resumed = ResumeAs("alice");
  ASSERT_OK(resumed);
  EXPECT_EQ(resumed->hosts(0).commanded_count(), 2);
}

TEST_F(Drain, OfAnotherIsResumedByNobodyElse) {
  ASSERT_OK(DrainAs("alice"));
  const std::string before = room.Dump();
  auto refused = ResumeAs("bob");
  EXPECT_REFUSED(refused, Code::kFailedPrecondition, "CLAIM_OF_ANOTHER");
  EXPECT_EQ(refused.error().Fact("owners"), "alice");
  EXPECT_EQ(room.Dump(), before);
  v1::ResumeHostsRequest named = Resumes({"host-1"});
  named.set_owner("alice");
  ASSERT_OK(SendAs<v1::ResumeHostsResponse>("bob", "ResumeHosts", named));
  EXPECT_FALSE(room.Host("host-1").cordoned());
}

TEST_F(Drain, TheLastOfSeveralStartsTheNodes) {
  ASSERT_OK(DrainAs("alice"));
  Obey("n");
  auto bob = DrainAs("bob");
  ASSERT_OK(bob);
  EXPECT_EQ(bob->hosts(0).commanded_count(), 0);
  EXPECT_EQ(bob->hosts(0).left_count(), 1);
  auto alice = ResumeAs("alice");
  ASSERT_OK(alice);
  EXPECT_EQ(alice->hosts(0).commanded_count(), 0);
  ASSERT_EQ(alice->hosts(0).drained_by_size(), 1);
  EXPECT_EQ(alice->hosts(0).drained_by(0), "bob");
  EXPECT_TRUE(room.Host("host-1").cordoned());
  EXPECT_EQ(Shown().stopped_count(), 1);
  EXPECT_EQ(Asked("n"), v1::COMMAND_KIND_UNSPECIFIED);
  auto last = ResumeAs("bob");
  ASSERT_OK(last);
  EXPECT_EQ(last->hosts(0).commanded_count(), 1);
  EXPECT_EQ(Asked("n"), v1::COMMAND_KIND_START);
}

TEST_F(Drain, AndACordonOfTheSameOwnerAreTwoClaims) {
  v1::CordonHostRequest cordon;
  cordon.set_host("host-1");
  ASSERT_OK(SendAs<v1::CordonHostResponse>("alice", "CordonHost", cordon));
  ASSERT_OK(DrainAs("alice"));
  EXPECT_EQ(room.Host("host-1").claims_size(), 2);
  auto resumed = ResumeAs("alice");
  ASSERT_OK(resumed);
  EXPECT_TRUE(resumed->hosts(0).cordoned());
  EXPECT_TRUE(room.Host("host-1").cordoned());
  ASSERT_OK(DrainAs("alice"));
  v1::UncordonHostRequest uncordon;
  uncordon.set_host("host-1");
  ASSERT_OK(SendAs<v1::UncordonHostResponse>("alice", "UncordonHost", uncordon));
  EXPECT_TRUE(room.Host("host-1").has_drain());
  EXPECT_TRUE(room.Host("host-1").cordoned());
  EXPECT_REFUSED(SendAs<v1::UncordonHostResponse>("alice", "UncordonHost", uncordon),
                 Code::kFailedPrecondition, "CLAIM_OF_DRAIN");
}

TEST_F(Drain, OfSeveralHostsIsAllOrNothing) {
  ASSERT_OK(room.Create("m", "host-2", "1.0.0"));
  const std::string before = room.Dump();
  EXPECT_REFUSED(DrainAs("alice", {"host-1", "nowhere"}), Code::kNotFound, "HOST_NOT_FOUND");
  EXPECT_REFUSED(DrainAs("alice", {}), Code::kInvalidArgument, "NO_HOSTS");
  EXPECT_EQ(room.Dump(), before);
  auto both = DrainAs("alice", {"host-2", "host-1", "host-2"});
  ASSERT_OK(both);
  ASSERT_EQ(both->hosts_size(), 2);
  EXPECT_EQ(both->hosts(0).host(), "host-2");
  EXPECT_EQ(both->hosts(1).host(), "host-1");
  EXPECT_EQ(both->changes().nodes_size(), 2);
  ASSERT_OK(DrainAs("bob", {"host-2"}));
  v1::ResumeHostsRequest owned = Resumes({"host-1", "host-2"});
  owned.set_owner("bob");
  EXPECT_REFUSED(SendAs<v1::ResumeHostsResponse>("bob", "ResumeHosts", owned),
                 Code::kFailedPrecondition, "CLAIM_OF_ANOTHER");
  EXPECT_TRUE(room.Host("host-1").has_drain());
  EXPECT_TRUE(room.Host("host-2").has_drain());
}

TEST_F(Drain, ShowsWhatItWouldDoAndDoesExactlyThat) {
  const std::string before = room.Dump();
  auto plan = SendAs<v1::DrainHostsResponse>("alice", "DrainHosts", Drains({"host-1"}, true));
  ASSERT_OK(plan);
  EXPECT_EQ(room.Dump(), before);
  EXPECT_FALSE(plan->changes().applied());
  EXPECT_EQ(plan->hosts(0).commanded_count(), 1);
  const std::string token = plan->changes().plan_token();
  ASSERT_NE(token, "");
  AddNode("later");
  EXPECT_REFUSED(
      SendAs<v1::DrainHostsResponse>("alice", "DrainHosts", Drains({"host-1"}, false, token)),
      Code::kAborted, "PLAN_STALE");
  auto again = SendAs<v1::DrainHostsResponse>("alice", "DrainHosts", Drains({"host-1"}, true));
  ASSERT_OK(again);
  ASSERT_OK(SendAs<v1::DrainHostsResponse>(
      "alice", "DrainHosts", Drains({"host-1"}, false, again->changes().plan_token())));
}

TEST_F(Drain, ASilentHostIsResumedByWhoSaysSo) {
  ASSERT_OK(DrainAs("alice"));
  Obey("n");
  room.clock.Advance(seconds(91));
  ASSERT_OK(control::MarkSilentHosts(*room.control));
  EXPECT_REFUSED(ResumeAs("alice"), Code::kFailedPrecondition, "HOST_SILENT");
  EXPECT_TRUE(room.Host("host-1").has_drain());
  auto resumed = ResumeAs("alice", {"host-1"}, true);
  ASSERT_OK(resumed);
  EXPECT_EQ(resumed->hosts(0).commanded_count(), 1);
  // And drained, with a warning that nothing stops yet.
  auto drained = DrainAs("alice");
  ASSERT_OK(drained);
  ASSERT_EQ(drained->changes().warnings_size(), 1);
  EXPECT_EQ(drained->changes().warnings(0).reason(), "HOST_SILENT");
}

TEST_F(Drain, EndsWithAHostThatIsGivenUp) {
  ASSERT_OK(DrainAs("alice"));
  room.clock.Advance(seconds(91));
  ASSERT_OK(control::MarkSilentHosts(*room.control));
  v1::RetireHostRequest request;
  request.set_host("host-1");
  request.set_lost(true);
  auto retired = room.Send<v1::RetireHostResponse>("HostService/RetireHost", request);
  ASSERT_OK(retired);
  const v1::Host gone = room.Host(retired->name());
  EXPECT_FALSE(gone.has_drain());
  ASSERT_EQ(gone.claims_size(), 1);
  EXPECT_EQ(gone.claims(0).kind(), v1::CLAIM_KIND_RETIRED);
  EXPECT_REFUSED(DrainAs("alice", {retired->name()}), Code::kFailedPrecondition, "HOST_RETIRED");
  EXPECT_REFUSED(ResumeAs("alice", {retired->name()}), Code::kFailedPrecondition, "HOST_RETIRED");
}

TEST_F(Drain, IsAboutAsManyNodesAsOneRequestMayBe) {
  AddNode("m");
  room.Restart({.nodes_max = 1});
  EXPECT_REFUSED(DrainAs("alice"), Code::kInvalidArgument, "TOO_MANY_NODES");
  room.Restart({.nodes_max = 2});
  ASSERT_OK(DrainAs("alice"));
}

}  // namespace
}  // namespace tallyman
