// A rollout releases, judges, pauses and ends as docs/rollouts.md says, whatever its hosts do.
#include <gmock/gmock.h>

#include <functional>
#include <map>
#include <thread>
#include <utility>

#include "control/hosts/reports.h"
#include "control/reads/fleet_totals.h"
#include "control/rollouts/rollouts.h"
#include "lifecycle/host.h"
#include "tallyman/v1/rollout.pb.h"

namespace tallyman {
namespace {

using namespace tallyman::control;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using testing::UnorderedElementsAre;

// Three hosts; nodes a-1, b-1 and c-1 run on one each, a-2 and b-2 on the first two.
class Rollouts : public testing::Test {
 protected:
  void SetUp() override {
    room.AddFleet(3);
    room.AddImage("1.0.0", Needs(2, 4, 100));
    room.AddImage("2.0.0", Needs(3, 4, 100));
    room.AddImage("3.0.0", Needs(1, 4, 100));
    for (const std::string name : {"host-1", "host-2", "host-3"})
      hosts.emplace(name, TestHost(room, name));
    Add("a-1", "host-1");
    Add("b-1", "host-2");
    Add("c-1", "host-3");
    Add("a-2", "host-1");
    Add("b-2", "host-2");
    Beat();
  }
  void TearDown() override { room.ExpectBalanced(); }

  void Add(const std::string& node, const std::string& host, const std::string& version = "1.0.0") {
    ASSERT_OK(room.Create(node, host, version));
    hosts.at(host).Obey(node);
    host_of[node] = host;
  }
  // A complete status of each host that is up, true but for what a test has set.
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
        status.set_restarts(restarts[node]);
        status.set_pending(pending.contains(node));
        if (unhealthy.contains(node)) status.set_health(v1::HEALTH_UNHEALTHY);
      }
      host.Report(request);
    }
  }
  // What the timers of a server do.
  void Advance() { ASSERT_OK(AdvanceRollouts(*room.control)); }
  void Expire() { ASSERT_OK(ExpireCommands(*room.control, minutes(60))); }
  // A minute passes; hosts that are up do what they are told, and the servers their part.
  void Minute() {
    Advance();
    for (const auto& [node, host] : host_of)
      if (!silent.contains(host) && !pending.contains(node)) hosts.at(host).Obey(node);
    room.clock.Advance(minutes(1));
    Beat();
    Expire();
    // One step judges, the next passes the gate.
    Advance();
    Advance();
  }
  void Minutes(int count) {
    for (int i = 0; i < count; ++i) Minute();
  }

  static v1::CreateRolloutRequest Wanted(const std::string& version = "2.0.0") {
    v1::CreateRolloutRequest request;
    request.set_name("r");
    request.mutable_selector()->set_protocol("chain");
    request.set_image("chain/full@" + version);
    request.set_max_in_flight(5);
    request.mutable_soak()->set_seconds(60);
    return request;
  }
  Result<v1::CreateRolloutResponse> Create(const v1::CreateRolloutRequest& request) {
    return room.Send<v1::CreateRolloutResponse>("RolloutService/CreateRollout", request);
  }
  v1::Rollout Shown(const std::string& name = "r") {
    v1::GetRolloutRequest request;
    request.set_rollout(name);
    auto answer = room.Send<v1::GetRolloutResponse>("RolloutService/GetRollout", request);
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    return answer ? answer->rollout() : v1::Rollout();
  }
  template <class Response, class Request>
  Result<Response> Change(const std::string& method) {
    Request request;
    request.set_rollout("r");
    return room.Send<Response>("RolloutService/" + method, request);
  }
  auto Pause() { return Change<v1::PauseRolloutResponse, v1::PauseRolloutRequest>("PauseRollout"); }
  auto Resume() {
    return Change<v1::ResumeRolloutResponse, v1::ResumeRolloutRequest>("ResumeRollout");
  }
  auto Abort() { return Change<v1::AbortRolloutResponse, v1::AbortRolloutRequest>("AbortRollout"); }
  Result<v1::RetryRolloutResponse> Retry(const std::function<void(v1::RetryRolloutRequest&)>& set) {
    v1::RetryRolloutRequest request;
    request.set_rollout("r");
    set(request);
    return room.Send<v1::RetryRolloutResponse>("RolloutService/RetryRollout", request);
  }
  Result<v1::RevertRolloutResponse> Revert(const std::string& rollout = "r", bool dry_run = false) {
    v1::RevertRolloutRequest request;
    request.set_rollout(rollout);
    request.set_dry_run(dry_run);
    return room.Send<v1::RevertRolloutResponse>("RolloutService/RevertRollout", request);
  }
  // "a-1 1 healthy", "b-1 2 waiting LATER_WAVE", ... in the order of the rollout.
  std::vector<std::string> Nodes(const std::string& rollout = "r") {
    v1::ListRolloutNodesRequest request;
    request.set_rollout(rollout);
    auto answer =
        room.Send<v1::ListRolloutNodesResponse>("RolloutService/ListRolloutNodes", request);
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    std::vector<std::string> rows;
    if (!answer) return rows;
    static constexpr const char* kStates[] = {"",       "waiting", "released", "healthy",
                                              "failed", "skipped", "withdrawn"};
    for (const v1::RolloutNode& node : answer->nodes()) {
      rows.push_back(node.node() + " " + std::to_string(node.wave()) + " " + kStates[node.state()]);
      if (!node.why().empty()) rows.back() += " " + node.why();
    }
    return rows;
  }
  std::string VersionOf(const std::string& node) { return room.Node(node).semantic_version(); }
  int64_t CountOf(const std::string& version) {
    return std::ranges::count_if(
        host_of, [&](const auto& entry) { return VersionOf(entry.first) == version; });
  }

  ApiRoom room;
  std::map<std::string, TestHost> hosts;
  std::map<std::string, std::string> host_of;
  std::set<std::string> silent;     // hosts
  std::set<std::string> pending;    // nodes whose hosts do not get on with them
  std::set<std::string> unhealthy;  // nodes
  std::map<std::string, int64_t> restarts;
};

TEST_F(Rollouts, ACanaryComesFirstThenTheWaves) {
  v1::CreateRolloutRequest request = Wanted();
  request.add_stages()->set_nodes(1);
  request.add_stages()->set_nodes(3);
  ASSERT_OK(Create(request));
  EXPECT_EQ(CountOf("2.0.0"), 0) << "nothing changes before the first step";
  Advance();
  EXPECT_THAT(Nodes(),
              ElementsAre("a-1 1 released", "b-1 2 waiting LATER_WAVE", "c-1 2 waiting LATER_WAVE",
                          "a-2 3 waiting LATER_WAVE", "b-2 3 waiting LATER_WAVE"));
  Minute();
  EXPECT_EQ(Shown().wave(), 2) << "its soak is over, and its host said that it runs";
  EXPECT_EQ(CountOf("2.0.0"), 1);
  Advance();
  EXPECT_EQ(CountOf("2.0.0"), 3);
  Minute();
  EXPECT_EQ(Shown().wave(), 3);
  Minute();
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_DONE);
  EXPECT_EQ(CountOf("2.0.0"), 5);
  EXPECT_EQ(room.Events("kind=upgrade_started").size(), 5u);
  EXPECT_EQ(room.Events("kind=upgrade_started").front().cause().actor(), "rollout:r");
  EXPECT_EQ(room.Events("kind=rollout_wave_passed").size(), 2u);
  EXPECT_EQ(room.Events("kind=rollout_ended").size(), 1u);
}

TEST_F(Rollouts, ABadVersionIsCaughtByItsCanary) {
  ASSERT_OK(Create(Wanted()));
  Advance();
  TestHost& host = hosts.at("host-1");
  const v1::HandedCommand command = host.Take("a-1");
  EXPECT_EQ(host.Say(command, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK,
                     room.Node("a-1").running_config_id()),
            "");
  Minutes(3);
  const v1::Rollout rollout = Shown();
  EXPECT_EQ(rollout.state(), v1::ROLLOUT_STATE_PAUSED);
  EXPECT_EQ(rollout.why(), "FAILURES: 1 failed in wave 1, and 0 may");
  EXPECT_EQ(CountOf("2.0.0"), 0);
  EXPECT_EQ(Nodes().front(), "a-1 1 failed ROLLED_BACK");
  EXPECT_EQ(room.Events("kind=rollout_paused").size(), 1u) << "once, however many steps there are";

  const auto totals = ReadFleetTotals(*room.control);
  ASSERT_OK(totals);
  EXPECT_THAT(
      totals->rollouts.rollouts,
      ElementsAre(testing::Pair(std::pair(RolloutState::kPaused, std::string("FAILURES")), 1)));
  EXPECT_EQ(totals->rollouts.nodes.at(RolloutNodeState::kFailed), 1);
  EXPECT_EQ(totals->rollouts.nodes.at(RolloutNodeState::kWaiting), 4);

  // Whoever resumes has seen it: the same failure does not pause it again.
  ASSERT_OK(Resume());
  Minutes(6);
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_DONE);
  EXPECT_EQ(CountOf("2.0.0"), 4);
}

TEST_F(Rollouts, ANodeThatIsRestartedWithinItsSoakHasFailed) {
  ASSERT_OK(Create(Wanted()));
  Advance();
  hosts.at("host-1").Obey("a-1");
  restarts["a-1"] = 1;
  Minute();
  EXPECT_EQ(Nodes().front(), "a-1 1 failed RESTARTED");
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_PAUSED);
}

TEST_F(Rollouts, AnUnhealthyNodeHasUntilHealthyWithin) {
  v1::CreateRolloutRequest request = Wanted();
  request.mutable_healthy_within()->set_seconds(300);
  ASSERT_OK(Create(request));
  unhealthy = {"a-1"};
  Minutes(5);
  EXPECT_EQ(Nodes().front(), "a-1 1 released");
  Minutes(2);
  EXPECT_EQ(Nodes().front(), "a-1 1 failed UNHEALTHY");
}

TEST_F(Rollouts, APauseTakesBackWhatNoHostHasBegun) {
  v1::CreateRolloutRequest request = Wanted();
  request.add_stages()->set_percent(100);
  request.set_per_host(2);
  ASSERT_OK(Create(request));
  Advance();
  EXPECT_EQ(CountOf("2.0.0"), 5);
  const v1::HandedCommand begun = hosts.at("host-1").Take("a-1");
  const v1::HandedCommand fetched = hosts.at("host-2").Fetch("b-1");
  const auto paused = Pause();
  ASSERT_OK(paused);
  EXPECT_TRUE(paused->changed());
  EXPECT_THAT(paused->withdrawn(), UnorderedElementsAre("a-2", "b-1", "b-2", "c-1"));
  EXPECT_THAT(paused->begun(), ElementsAre("a-1"));
  EXPECT_EQ(CountOf("2.0.0"), 1) << "books and nodes are as they were";
  EXPECT_EQ(hosts.at("host-2").Ack(fetched), "COMMAND_ENDED");
  EXPECT_EQ(room.Events("kind=command_cancelled").size(), 4u);
  EXPECT_EQ(hosts.at("host-1").SayOk(begun), "");
  Minutes(3);
  EXPECT_EQ(Nodes().front(), "a-1 1 healthy") << "what has begun is judged";
  EXPECT_EQ(CountOf("2.0.0"), 1);
  EXPECT_THAT(Shown().why(), HasSubstr("ASKED: by tester"));

  ASSERT_OK(Resume());
  Minutes(3);
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_DONE);
  EXPECT_EQ(CountOf("2.0.0"), 5);
}

TEST_F(Rollouts, WhatComesToNothingAfterAPauseDoesNotBeginAgain) {
  v1::CreateRolloutRequest request = Wanted();
  request.add_stages()->set_percent(100);
  ASSERT_OK(Create(request));
  Advance();
  TestHost& host = hosts.at("host-1");
  const v1::HandedCommand begun = host.Take("a-1");
  ASSERT_OK(Pause());
  EXPECT_EQ(host.Say(begun, v1::OUTCOME_RESULT_BLOCKING_JOB_RUNNING,
                     room.Node("a-1").running_config_id()),
            "");
  EXPECT_EQ(host.Fetch("a-1").command_id(), "");
  v1::HandedCommand again = begun;
  again.set_attempt(2);
  EXPECT_EQ(host.Ack(again), "COMMAND_LATE");
  Minute();
  EXPECT_EQ(CountOf("2.0.0"), 0) << "the node and its books are as before";
  EXPECT_EQ(Nodes().front(), "a-1 1 waiting ROLLOUT_PAUSED");
  ASSERT_OK(Resume());
  Minutes(9);
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_DONE);
  EXPECT_EQ(CountOf("2.0.0"), 5);
}

TEST_F(Rollouts, APauseTakesBackWhatOneThatPausedByItselfHasLeftOpen) {
  v1::CreateRolloutRequest request = Wanted();
  request.add_stages()->set_percent(100);
  request.set_max_failures(0);
  ASSERT_OK(Create(request));
  Advance();
  TestHost& host = hosts.at("host-1");
  const v1::HandedCommand command = host.Take("a-1");
  const v1::HandedCommand fetched = hosts.at("host-2").Fetch("b-1");
  EXPECT_EQ(host.Say(command, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK,
                     room.Node("a-1").running_config_id()),
            "");
  Advance();
  const std::string why = Shown().why();
  ASSERT_THAT(why, StartsWith("FAILURES"));
  auto paused = Pause();
  ASSERT_OK(paused);
  EXPECT_TRUE(paused->changed());
  EXPECT_EQ(hosts.at("host-2").Ack(fetched), "COMMAND_ENDED");
  EXPECT_EQ(CountOf("2.0.0"), 0);
  EXPECT_EQ(Shown().why(), why) << "it still says what was wrong";
  EXPECT_EQ(room.Events("kind=rollout_paused").size(), 2u);
  paused = Pause();
  ASSERT_OK(paused);
  EXPECT_FALSE(paused->changed());
}

TEST_F(Rollouts, OneThatPausesByItselfTakesBackWhatNoHostHasBegun) {
  v1::CreateRolloutRequest request = Wanted();
  request.add_stages()->set_percent(100);
  ASSERT_OK(Create(request));
  Advance();
  TestHost& host = hosts.at("host-1");
  const v1::HandedCommand command = host.Take("a-1");
  const v1::HandedCommand begun = hosts.at("host-3").Take("c-1");
  const v1::HandedCommand fetched = hosts.at("host-2").Fetch("b-1");
  EXPECT_EQ(host.Say(command, v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK,
                     room.Node("a-1").running_config_id()),
            "");
  Advance();
  ASSERT_THAT(Shown().why(), StartsWith("FAILURES"));
  // The next look, a second later.
  Advance();
  EXPECT_EQ(hosts.at("host-2").Ack(fetched), "COMMAND_ENDED");
  EXPECT_EQ(CountOf("2.0.0"), 1) << "what has begun goes on";
  EXPECT_EQ(hosts.at("host-3").SayOk(begun), "");
  EXPECT_EQ(room.Events("kind=rollout_paused").size(), 1u);
  EXPECT_EQ(room.Events("kind=command_cancelled").size(), 1u);
  const std::string before = room.Dump();
  Advance();
  EXPECT_EQ(room.Dump(), before);
}

// Before something is written, something else happens once.
class DisturbedStore final : public store::Store {
 public:
  DisturbedStore(store::Store& store, std::function<void()> before_write)
      : store_(store), before_write_(std::move(before_write)) {}
  Status Read(const std::function<Status(store::ReadTx&)>& body) override {
    return store_.Read(body);
  }
  Status Write(const std::function<Status(store::WriteTx&)>& body) override {
    if (const auto disturb = std::exchange(before_write_, nullptr)) disturb();
    return store_.Write(body);
  }
  Status Together(const std::function<Result<bool>(store::Store& within)>& body) override {
    return store_.Together(body);
  }
  Result<std::optional<Time>> Now() override { return store_.Now(); }

 private:
  store::Store& store_;
  std::function<void()> before_write_;
};

TEST_F(Rollouts, WhoeverResumesOneThatPausedByItselfIsNotOverruled) {
  v1::CreateRolloutRequest request = Wanted();
  request.add_stages()->set_percent(100);
  ASSERT_OK(Create(request));
  Advance();
  TestHost& host = hosts.at("host-1");
  EXPECT_EQ(host.Say(host.Take("a-1"), v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK,
                     room.Node("a-1").running_config_id()),
            "");
  Advance();
  ASSERT_THAT(Shown().why(), StartsWith("FAILURES"));
  // A server has seen that upgrades are open; somebody resumes before it takes them back.
  auto another = room.backend->Another();
  DisturbedStore store(*another, [&] { ASSERT_OK(Resume()); });
  Control other(store, room.clock, room.random, room.log, room.metrics, {});
  ASSERT_OK(AdvanceRollouts(other));
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_RUNNING) << Shown().why();
  EXPECT_EQ(CountOf("2.0.0"), 2) << "what was open stays so";
}

TEST_F(Rollouts, APauseLeavesAVerdictAsItIs) {
  v1::CreateRolloutRequest request = Wanted();
  request.add_stages()->set_percent(100);
  request.mutable_begin_within()->set_seconds(3600);
  request.mutable_healthy_within()->set_seconds(120);
  ASSERT_OK(Create(request));
  Advance();
  TestHost& host = hosts.at("host-1");
  const v1::HandedCommand command = host.Take("a-1");
  room.clock.Advance(minutes(3));
  Beat();
  Advance();
  ASSERT_EQ(Nodes().front(), "a-1 1 failed LATE");
  // Only now does it say that the node is busy.
  EXPECT_EQ(host.Say(command, v1::OUTCOME_RESULT_BLOCKING_JOB_RUNNING,
                     room.Node("a-1").running_config_id()),
            "");
  ASSERT_OK(Pause());
  EXPECT_EQ(host.Fetch("a-1").command_id(), "");
  EXPECT_EQ(Nodes().front(), "a-1 1 failed LATE");
}

TEST_F(Rollouts, AnAbortEndsWhenWhatHasBegunHasEnded) {
  v1::CreateRolloutRequest request = Wanted();
  request.add_stages()->set_percent(100);
  ASSERT_OK(Create(request));
  Advance();
  const v1::HandedCommand begun = hosts.at("host-1").Take("a-1");
  ASSERT_OK(Abort());
  Advance();
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_ABORTING);
  EXPECT_EQ(hosts.at("host-1").SayOk(begun), "");
  Minutes(2);
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_ABORTED);
  EXPECT_THAT(Nodes(), ElementsAre("a-1 1 healthy", "b-1 1 withdrawn", "c-1 1 withdrawn",
                                   "a-2 1 withdrawn", "b-2 1 withdrawn"));
  EXPECT_REFUSED(Resume(), Code::kFailedPrecondition, "ROLLOUT_ENDED");
  EXPECT_REFUSED(Abort(), Code::kFailedPrecondition, "ROLLOUT_ENDED");
  // Its nodes are free for the next one.
  v1::CreateRolloutRequest next = Wanted();
  next.set_name("next");
  ASSERT_OK(Create(next));
}

TEST_F(Rollouts, WhatNoHostBeganInTimeIsTakenBackAndWaits) {
  ASSERT_OK(Create(Wanted()));
  Advance();
  pending = {"a-1"};
  Minutes(6);
  EXPECT_EQ(Nodes().front(), "a-1 1 waiting NOT_BEFORE");
  EXPECT_EQ(CountOf("2.0.0"), 0);
  pending.clear();
  Minutes(9);
  EXPECT_EQ(Nodes().front(), "a-1 1 healthy");
}

TEST_F(Rollouts, ANodeOfASilentHostIsNotReleasedAndHoldsUpNoLaterWave) {
  silent = {"host-2"};
  room.clock.Advance(minutes(2));
  Beat();
  v1::CreateRolloutRequest request = Wanted();
  request.add_stages()->set_nodes(1);
  request.add_stages()->set_nodes(3);
  request.mutable_no_progress()->set_seconds(1800);
  ASSERT_OK(Create(request));
  Minutes(5);
  EXPECT_THAT(Nodes(), ElementsAre("a-1 1 healthy", "b-1 2 waiting HOST_SILENT", "c-1 2 healthy",
                                   "a-2 3 healthy", "b-2 3 waiting HOST_SILENT"));
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_RUNNING);
  Minutes(32);
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_PAUSED);
  EXPECT_THAT(Shown().why(), StartsWith("NO_PROGRESS"));
  silent.clear();
  Beat();
  ASSERT_OK(Resume());
  Minutes(6);
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_DONE);
}

TEST_F(Rollouts, NodesOfADrainedHostWaitAndHoldUpNoLaterWave) {
  v1::DrainHostsRequest drain;
  drain.add_hosts("host-3");
  ASSERT_OK(room.Send<v1::DrainHostsResponse>("HostService/DrainHosts", drain));
  hosts.at("host-3").Obey("c-1");
  ASSERT_OK(Create(Wanted()));
  Minutes(10);
  EXPECT_EQ(CountOf("2.0.0"), 4);
  EXPECT_EQ(VersionOf("c-1"), "1.0.0");
  EXPECT_THAT(Nodes(), testing::Contains(testing::ContainsRegex("^c-1 . waiting HOST_DRAINED$")));
  v1::ResumeHostsRequest resume;
  resume.add_hosts("host-3");
  ASSERT_OK(room.Send<v1::ResumeHostsResponse>("HostService/ResumeHosts", resume));
  Minutes(5);
  EXPECT_EQ(VersionOf("c-1"), "2.0.0");
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_DONE);
}

TEST_F(Rollouts, OneThatIsPausedForLongIsNotWithoutProgress) {
  ASSERT_OK(Create(Wanted()));
  ASSERT_OK(Pause());
  Minutes(2);
  room.clock.Advance(std::chrono::hours(5));
  Beat();
  ASSERT_OK(Resume());
  Minute();
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_RUNNING);
}

TEST_F(Rollouts, WhatSomebodyElseChangesIsLeftAlone) {
  ASSERT_OK(Create(Wanted()));
  ASSERT_OK(room.Upgrade({"c-1"}, "chain/full@3.0.0"));
  hosts.at("host-3").Obey("c-1");
  ASSERT_OK(room.Delete("b-2"));
  hosts.at("host-2").Obey("b-2");
  host_of.erase("b-2");
  Minutes(8);
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_DONE);
  EXPECT_EQ(VersionOf("c-1"), "3.0.0");
  const std::vector<std::string> nodes = Nodes();
  EXPECT_THAT(nodes, testing::Contains(HasSubstr("c-1")));
  EXPECT_THAT(nodes, testing::Contains(testing::EndsWith("skipped NODE_CHANGED")));
  EXPECT_THAT(nodes, testing::Contains(testing::EndsWith("skipped NODE_GONE")));
}

TEST_F(Rollouts, AFullHostIsUpgradedInAnOrderInWhichItFits) {
  // host-3 is full: d-1 runs 3 cores and is to have 1; c-1 has 2 and is to have 3.
  room.AddImage("4.0.0", Needs(3, 4, 100));
  Add("d-1", "host-3", "2.0.0");
  const v1::Host before = room.Host("host-3");
  v1::UpdateHostRequest update;
  update.set_host("host-3");
  *update.mutable_capacity() = before.books().allocated();
  update.set_capacity_policy(v1::CAPACITY_POLICY_ENFORCE);
  ASSERT_OK(room.Send<v1::UpdateHostResponse>("HostService/UpdateHost", update));
  EXPECT_EQ(room.Host("host-3").free().cpu_cores(), 0);

  v1::CreateRolloutRequest grow = Wanted("4.0.0");
  grow.clear_selector();
  grow.add_nodes("c-1");
  const auto blocked = Create(grow);
  ASSERT_OK(blocked);
  ASSERT_EQ(blocked->blocked_size(), 1);
  EXPECT_EQ(blocked->blocked(0).node(), "c-1");
  EXPECT_EQ(blocked->blocked(0).need(), 1);
  Minutes(3);
  EXPECT_EQ(Nodes().front(),
            "c-1 1 waiting NO_ROOM: needs 1 cpu_cores more on host-3, which has 0");
  const std::string waiting = room.Dump();
  Advance();
  EXPECT_EQ(room.Dump(), waiting);

  v1::CreateRolloutRequest shrink = Wanted("3.0.0");
  shrink.set_name("shrink");
  shrink.clear_selector();
  shrink.add_nodes("d-1");
  ASSERT_OK(Create(shrink));
  Minutes(4);
  EXPECT_EQ(VersionOf("d-1"), "3.0.0");
  EXPECT_EQ(VersionOf("c-1"), "4.0.0") << "as soon as there was room";
  EXPECT_LE(room.Host("host-3").books().allocated().cpu_cores(),
            room.Host("host-3").capacity().cpu_cores());
}

TEST_F(Rollouts, SeveralServersStepAtOnceAndReleaseEachNodeOnce) {
  v1::CreateRolloutRequest request = Wanted();
  request.add_stages()->set_percent(100);
  request.set_per_host(2);
  ASSERT_OK(Create(request));
  auto store = room.backend->Another();
  Control other(*store, room.clock, room.random, room.log, room.metrics, {});
  const auto step = [](Control& control) {
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(AdvanceRollouts(control).has_value());
  };
  std::thread thread([&] { step(other); });
  step(*room.control);
  thread.join();
  EXPECT_EQ(room.Commands("kind=node_upgrade").size(), 5u);
  EXPECT_EQ(Shown().version(), 2) << "one step had something to write";
}

TEST_F(Rollouts, NothingIsWrittenWhereThereIsNothingToDo) {
  ASSERT_OK(Create(Wanted()));
  Advance();
  const std::string before = room.Dump();
  Advance();
  Advance();
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Rollouts, APlanShowsWhatWouldHappenAndItsTokenMakesExactlyThat) {
  v1::CreateRolloutRequest request = Wanted();
  request.set_dry_run(true);
  const std::string before = room.Dump();
  const auto plan = Create(request);
  ASSERT_OK(plan);
  EXPECT_EQ(room.Dump(), before);
  EXPECT_FALSE(plan->applied());
  EXPECT_EQ(plan->rollout().id(), "");
  EXPECT_EQ(plan->node_count(), 5);
  ASSERT_EQ(plan->rollout().waves_size(), 2);
  EXPECT_EQ(plan->rollout().waves(0).growing(), 1);
  EXPECT_THAT(plan->rollout().waves(0).first_nodes(), ElementsAre("a-1"));
  request.set_dry_run(false);
  request.set_plan_token(plan->plan_token());
  ASSERT_OK(room.Upgrade({"a-2"}, "chain/full@3.0.0"));
  EXPECT_REFUSED(Create(request), Code::kAborted, "PLAN_STALE");
}

TEST_F(Rollouts, BadRequestsAreRefusedAndChangeNothing) {
  ASSERT_OK(Create(Wanted()));
  const std::string before = room.Dump();
  v1::CreateRolloutRequest request = Wanted();
  request.set_name("second");
  EXPECT_REFUSED(Create(request), Code::kFailedPrecondition, "ROLLOUT_OVERLAPS");
  request.clear_selector();
  EXPECT_REFUSED(Create(request), Code::kInvalidArgument, "NO_NODES");
  request.add_nodes("nobody");
  EXPECT_REFUSED(Create(request), Code::kNotFound, "NODE_NOT_FOUND");
  request = Wanted("1.0.0");
  request.set_name("second");
  EXPECT_REFUSED(Create(request), Code::kFailedPrecondition, "NOTHING_TO_UPGRADE");
  request = Wanted();
  request.set_name("");
  EXPECT_REFUSED(Create(request), Code::kInvalidArgument, "INVALID_NAME");
  request = Wanted();
  request.set_name("second");
  request.set_per_host(-1);
  EXPECT_REFUSED(Create(request), Code::kInvalidArgument, "INVALID_ROLLOUT");
  v1::PauseRolloutRequest pause;
  pause.set_rollout("none");
  EXPECT_REFUSED((room.Send<v1::PauseRolloutResponse>("RolloutService/PauseRollout", pause)),
                 Code::kNotFound, "ROLLOUT_NOT_FOUND");
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Rollouts, ARevertGivesEachNodeWhatItHadBefore) {
  ASSERT_OK(room.Upgrade({"b-2"}, "chain/full@3.0.0"));
  Minute();
  ASSERT_OK(Create(Wanted()));
  Minutes(20);
  ASSERT_EQ(Shown().state(), v1::ROLLOUT_STATE_DONE);
  // Somebody has changed one since.
  ASSERT_OK(room.Upgrade({"c-1"}, "chain/full@3.0.0"));
  ASSERT_OK(room.Upgrade({"c-1"}, "chain/full@2.0.0"));
  Minute();

  const auto plan = Revert("r", true);
  ASSERT_OK(plan);
  EXPECT_THAT(plan->changed(), ElementsAre("c-1"));
  EXPECT_EQ(plan->node_count(), 4);
  EXPECT_EQ(Shown().why(), "");
  const auto back = Revert();
  ASSERT_OK(back);
  EXPECT_EQ(back->rollout().reverts(), "r");
  EXPECT_EQ(back->rollout().image(), "chain/full@1.0.0+1");
  ASSERT_EQ(back->rollout().waves_size(), 1);
  EXPECT_EQ(back->rollout().max_in_flight(), 5);
  EXPECT_EQ(Shown().why(), "REVERTED: by rollout r-revert");
  // Not through a canary, and within its budgets: one a host.
  Advance();
  EXPECT_EQ(Shown("r-revert").waves(0).released(), 2);
  Minutes(20);
  EXPECT_EQ(Shown("r-revert").state(), v1::ROLLOUT_STATE_DONE);
  EXPECT_EQ(CountOf("1.0.0"), 3);
  EXPECT_EQ(VersionOf("b-2"), "3.0.0");
  EXPECT_EQ(VersionOf("c-1"), "2.0.0");

  EXPECT_REFUSED(Revert("r-revert"), Code::kFailedPrecondition, "REVERT_OF_REVERT");
  EXPECT_REFUSED(Revert(), Code::kFailedPrecondition, "NOTHING_TO_REVERT");
}

TEST_F(Rollouts, ARevertEndsWhatRunsAndFollowsWhatHostsAreAtWorkOn) {
  v1::CreateRolloutRequest wanted = Wanted();
  wanted.set_per_host(2);
  wanted.add_stages()->set_percent(100);
  ASSERT_OK(Create(wanted));
  Advance();
  hosts.at("host-1").Obey("a-1");
  const v1::HandedCommand taken = hosts.at("host-2").Take("b-1");
  // b-1 is in motion, c-1 has not begun.
  const auto back = Revert();
  ASSERT_OK(back);
  EXPECT_EQ(back->node_count(), 2);
  EXPECT_THAT(back->withdrawn(), testing::Contains("c-1"));
  EXPECT_EQ(VersionOf("c-1"), "1.0.0");
  EXPECT_THAT(Nodes("r-revert"),
              UnorderedElementsAre(StartsWith("a-1 1 waiting"), "b-1 1 waiting NODE_BUSY"));
  EXPECT_EQ(hosts.at("host-2").SayOk(taken), "");
  Minutes(20);
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_ABORTED);
  EXPECT_EQ(Shown("r-revert").state(), v1::ROLLOUT_STATE_DONE);
  EXPECT_EQ(CountOf("1.0.0"), 5);
}

TEST_F(Rollouts, FailedAndSkippedNodesAreTriedAgain) {
  v1::CreateRolloutRequest wanted = Wanted();
  wanted.add_stages()->set_percent(100);
  ASSERT_OK(Create(wanted));
  Advance();
  const std::string node = Nodes().front().substr(0, 3);
  TestHost& host = hosts.at(host_of.at(node));
  const auto fail = [&] {
    Advance();
    EXPECT_EQ(host.Say(host.Take(node), v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK,
                       room.Node(node).running_config_id()),
              "");
    Minute();
  };
  fail();
  ASSERT_EQ(Shown().state(), v1::ROLLOUT_STATE_PAUSED) << Shown().why();
  EXPECT_REFUSED(Retry([](auto& request) { request.add_nodes("c-9"); }), Code::kInvalidArgument,
                 "NODE_NOT_IN_ROLLOUT");
  EXPECT_REFUSED(Retry([](auto&) {}), Code::kInvalidArgument, "NOTHING_CHOSEN");
  EXPECT_REFUSED(Retry([](auto& request) { request.set_skipped(true); }), Code::kFailedPrecondition,
                 "NOTHING_TO_RETRY");
  const auto again = Retry([](auto& request) { request.set_failed(true); });
  ASSERT_OK(again);
  EXPECT_THAT(again->retried(), ElementsAre(node));
  EXPECT_EQ(Shown().waves(0).failed(), 0);
  ASSERT_OK(Resume());
  fail();
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_PAUSED) << "it has failed again";
  // What was accepted is not, once it is tried again.
  ASSERT_OK(Resume());
  EXPECT_EQ(Shown().waves(0).accepted_failures(), 1);
  ASSERT_OK(Retry([&](auto& request) { request.add_nodes(node); }));
  EXPECT_EQ(Shown().waves(0).accepted_failures(), 0);
  Minutes(20);
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_DONE);
  EXPECT_EQ(CountOf("2.0.0"), 5);
}

TEST_F(Rollouts, OneThatIsDoneRunsAgainForWhatWasSkipped) {
  ASSERT_OK(Create(Wanted()));
  // By hand, and back.
  ASSERT_OK(room.Upgrade({"c-1"}, "chain/full@3.0.0"));
  Minutes(20);
  ASSERT_EQ(Shown().state(), v1::ROLLOUT_STATE_DONE);
  ASSERT_EQ(VersionOf("c-1"), "3.0.0");
  const auto again = Retry([](auto& request) { request.add_nodes("c-1"); });
  ASSERT_OK(again);
  EXPECT_EQ(again->rollout().state(), v1::ROLLOUT_STATE_RUNNING);
  Minutes(5);
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_DONE);
  EXPECT_EQ(VersionOf("c-1"), "2.0.0");
}

TEST_F(Rollouts, ANodeThatGoesWrongAfterItWasHealthyFailsAtTheNextGate) {
  v1::CreateRolloutRequest wanted = Wanted();
  ASSERT_OK(Create(wanted));
  while (Shown().wave() == 1) Minute();
  const std::string canary = Nodes().front().substr(0, 3);
  unhealthy.insert(canary);
  Minutes(20);
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_PAUSED);
  EXPECT_THAT(Shown().why(), StartsWith("FAILURES"));
  EXPECT_THAT(Nodes(), testing::Contains(canary + " 1 failed REGRESSED"));
}

TEST_F(Rollouts, ANodeThatWasUnwellBeforeSaysNothingOfTheImage) {
  ASSERT_OK(room.Upgrade({"c-1"}, "chain/full@3.0.0"));
  TestHost& host = hosts.at("host-3");
  EXPECT_EQ(host.Say(host.Take("c-1"), v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE), "");
  unhealthy.insert("c-1");
  ASSERT_EQ(room.Node("c-1").node_state(), v1::NODE_STATE_FAILED);
  v1::CreateRolloutRequest wanted = Wanted();
  wanted.mutable_healthy_within()->set_seconds(60);
  ASSERT_OK(Create(wanted));
  Minutes(30);
  EXPECT_THAT(Nodes(), testing::Contains(testing::ContainsRegex("^c-1 . failed UNHEALTHY")));
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_DONE) << Shown().why();
}

TEST_F(Rollouts, AnotherTakesNodesOverButForThoseInMotion) {
  v1::CreateRolloutRequest wanted = Wanted();
  wanted.add_stages()->set_percent(100);
  ASSERT_OK(Create(wanted));
  Advance();
  const v1::HandedCommand taken = hosts.at("host-3").Take("c-1");
  wanted = Wanted("3.0.0");
  wanted.set_name("fix");
  EXPECT_REFUSED(Create(wanted), Code::kFailedPrecondition, "ROLLOUT_OVERLAPS");
  ASSERT_OK(Pause());
  wanted.set_take_over(true);
  const auto made = Create(wanted);
  ASSERT_OK(made);
  EXPECT_EQ(made->taken_over_count(), 4);
  EXPECT_THAT(made->in_flight(), ElementsAre("c-1"));
  EXPECT_EQ(Shown().waves(0).skipped(), 4);
  EXPECT_THAT(Nodes(), testing::Contains("a-1 1 skipped TAKEN_OVER"));
  EXPECT_EQ(hosts.at("host-3").SayOk(taken), "");
  ASSERT_OK(Resume());
  Minutes(20);
  EXPECT_EQ(Shown().state(), v1::ROLLOUT_STATE_DONE);
  EXPECT_EQ(Shown("fix").state(), v1::ROLLOUT_STATE_DONE);
  EXPECT_EQ(CountOf("3.0.0"), 4);
  EXPECT_EQ(VersionOf("c-1"), "2.0.0");
}

TEST_F(Rollouts, ARolloutOfAnotherOrgIsNotThere) {
  ASSERT_OK(Create(Wanted()));
  v1::CreateOrgRequest org;
  org.set_name("beta");
  const auto made = room.Send<v1::CreateOrgResponse>("OrgService/CreateOrg", org);
  ASSERT_OK(made);
  room.actor = {
      .id = "stranger", .org_id = OrgId::Parse(made->org().id()), .role = Role::kOperator};
  EXPECT_REFUSED(Pause(), Code::kNotFound, "ROLLOUT_NOT_FOUND");
  v1::ListRolloutsRequest list;
  const auto listed = room.Send<v1::ListRolloutsResponse>("RolloutService/ListRollouts", list);
  ASSERT_OK(listed);
  EXPECT_EQ(listed->rollouts_size(), 0);
  room.actor = {.id = "tester", .role = Role::kAdmin};
}

}  // namespace
}  // namespace tallyman
