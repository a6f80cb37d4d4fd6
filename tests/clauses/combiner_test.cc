// Requests that are decided and committed together, on a real database: what shares a lot, what
// never does, and what becomes of the others when one is refused.
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <stdexcept>
#include <thread>

#include "clauses/gate.h"
#include "control/hosts/reports.h"
#include "control/lots/combiner.h"
#include "control/lots/decide.h"
#include "support/api_room.h"

namespace tallyman {
namespace {

using namespace tallyman::control;
using namespace tallyman::store;
using Answered = std::future<Result<std::string>>;

std::pair<Done, Answered> Expect() {
  auto promise = std::make_shared<std::promise<Result<std::string>>>();
  Answered future = promise->get_future();
  return {[promise](Result<std::string> answer) { promise->set_value(std::move(answer)); },
          std::move(future)};
}

// For an answer that comes while the gate is shut, or not at all.
Result<std::string> WithinSeconds(Answered& answer) {
  if (answer.wait_for(std::chrono::seconds(10)) == std::future_status::ready) return answer.get();
  return Fail(Internal("NOT_ANSWERED", "there was no answer"));
}

// Upgrades that wait behind one that was begun: node "first" on host-3.
class Lots : public testing::Test {
 protected:
  void SetUp() override {
    room.AddFleet(3);
    room.AddImage("1.0.0", Needs(2, 4, 100));
    room.AddImage("2.0.0", Needs(4, 8, 200));
    ASSERT_OK(room.Create("first", "host-3", "1.0.0"));
    for (const char* node : {"a", "b", "c"}) ASSERT_OK(room.Create(node, "host-1", "1.0.0"));
    lots = room.metrics.lots;
  }
  void TearDown() override { gate.Open(); }

  Answered Start(const std::string& node, PlanOptions plan = {}, struct Call call = {}) {
    auto [done, future] = Expect();
    call.actor = room.actor;
    call.method = "NodeService/UpgradeNodes";
    UpgradeNodesRequest request{
        .nodes = {node}, .image = "chain/full@2.0.0", .plan = std::move(plan)};
    control::Run(
        *room.control, std::move(call), UpgradeNodes, request,
        [](const Changes&) { return std::string("done"); }, std::move(done));
    return std::move(future);
  }

  Answered StartFirst(struct Call call = {}) {
    gate.Shut();
    Answered first = Start("first", {}, std::move(call));
    gate.WaitUntilReached();
    return first;
  }

  Gate gate;
  ApiRoom room{{}, Through(gate)};
  int64_t lots = 0;
};

TEST_F(Lots, WhatWaitsTogetherIsCommittedTogether) {
  Answered first = StartFirst();
  Answered a = Start("a"), b = Start("b"), c = Start("c");
  const size_t events = room.Events("").size();
  gate.Open();
  for (Answered* answer : {&first, &a, &b, &c}) ASSERT_OK(answer->get());
  EXPECT_EQ(room.metrics.lots - lots, 2) << "one lot of one, one of three";
  EXPECT_EQ(room.metrics.second_runs, 0) << "each saw the host as the one before left it";
  EXPECT_EQ(room.metrics.single_retries, 0);
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{3, Needs(12, 24, 600)}));
  EXPECT_EQ(room.Events("").size() - events, 4u) << "one for each upgrade";
  room.ExpectBalanced();
}

// The fetch read it before a delete that was committed first.
TEST_F(Lots, ACommandThatWasWithdrawnMeanwhileIsNotHandedOut) {
  Answered first = StartFirst();
  struct Call call;
  call.actor = room.actor;
  call.method = "NodeService/DeleteNodes";
  auto [deleted, deletion] = Expect();
  control::Run(
      *room.control, std::move(call), DeleteNodes, DeleteNodesRequest{.nodes = {"a"}},
      [](const Changes&) { return std::string("done"); }, std::move(deleted));
  struct Call fetch;
  fetch.actor = {.id = "agent.host-1",
                 .role = Role::kHost,
                 .host_id = *HostId::Parse(room.Host("host-1").id())};
  fetch.method = "AgentService/FetchCommands";
  auto [fetched, handed] = Expect();
  control::Run(
      *room.control, std::move(fetch), FetchCommands, 100,
      [](const HandedCommands& commands) {
        std::string names;
        for (const auto& entry : commands.commands) names += entry.node;
        std::ranges::sort(names);
        return names;
      },
      std::move(fetched));
  gate.Open();
  ASSERT_OK(first.get());
  ASSERT_OK(deletion.get());
  EXPECT_EQ(handed.get().value_or(""), "bc");
}

TEST_F(Lots, RequestsOfOneOrgThatWaitTogetherShareItsQuota) {
  v1::SetQuotaRequest quota;
  quota.set_org("acme");
  quota.mutable_set()->set_cpu_cores(14);  // 8 are taken, and each upgrade asks for 2 more
  ASSERT_OK(room.Send<v1::SetQuotaResponse>("OrgService/SetQuota", quota));
  const int64_t before = room.metrics.lots;
  Answered first = StartFirst();
  Answered a = Start("a"), b = Start("b"), c = Start("c");
  gate.Open();
  ASSERT_OK(first.get());
  ASSERT_OK(a.get());
  ASSERT_OK(b.get());
  EXPECT_REFUSED(c.get(), Code::kResourceExhausted, "QUOTA_EXCEEDED");
  EXPECT_EQ(room.metrics.lots - before, 2) << "one lot of one, one of three";
  EXPECT_EQ(room.metrics.single_retries, 0);
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{3, Needs(10, 20, 500)}));
}

TEST_F(Lots, ARefusedRequestLeavesNothingBehindAndDisturbsNobody) {
  v1::Node b_before = room.Node("b");
  Answered first = StartFirst();
  Answered a = Start("a"), b = Start("b", {.dry_run = false, .plan_token = "stale"}),
           c = Start("c");
  gate.Open();
  ASSERT_OK(first.get());
  ASSERT_OK(a.get());
  EXPECT_REFUSED(b.get(), Code::kAborted, "PLAN_STALE");
  ASSERT_OK(c.get());
  EXPECT_EQ(room.metrics.lots - lots, 2);
  EXPECT_EQ(room.metrics.single_retries, 0);
  EXPECT_EQ(room.Node("b").SerializeAsString(), b_before.SerializeAsString());
  EXPECT_TRUE(room.Events("kind=upgrade_started node=b").empty());
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{3, Needs(10, 20, 500)}));
  room.ExpectBalanced();
}

// What a selector chose before the lock decides nothing: by the time of the lock, a is at 2.0.0.
TEST_F(Lots, ASelectionThatHasChangedUnderTheLockIsRefused) {
  room.AddImage("3.0.0", Needs(3, 4, 100));
  Answered first = StartFirst();
  Answered a = Start("a");
  auto [done, all] = Expect();
  struct Call call;
  call.actor = room.actor;
  call.method = "NodeService/UpgradeNodes";
  UpgradeNodesRequest request{
      .selector = NodeSelector{.protocol = "chain", .variant = "full", .semantic_version = "1.0.0"},
      .image = "chain/full@3.0.0"};
  control::Run(
      *room.control, std::move(call), UpgradeNodes, request,
      [](const Changes&) { return std::string("done"); }, std::move(done));
  gate.Open();
  ASSERT_OK(first.get());
  ASSERT_OK(a.get());
  EXPECT_REFUSED(all.get(), Code::kAborted, "SELECTION_CHANGED");
  EXPECT_EQ(room.Node("a").semantic_version(), "2.0.0");
  EXPECT_EQ(room.Node("b").semantic_version(), "1.0.0");
  room.ExpectBalanced();
}

TEST_F(Lots, TheLastFreeCoresAreGivenOnceWithinALot) {
  room.AddImage("9.0.0", Needs(58, 8, 200));
  v1::UpdateHostRequest enforce;
  enforce.set_host("host-1");
  enforce.set_capacity_policy(v1::CAPACITY_POLICY_ENFORCE);
  ASSERT_OK(room.Send<v1::UpdateHostResponse>("HostService/UpdateHost", enforce));
  ASSERT_OK(room.Upgrade({"c"}, "chain/full@9.0.0"));  // 62 of 64: room for one more upgrade
  Answered first = StartFirst();
  Answered a = Start("a"), b = Start("b");
  gate.Open();
  ASSERT_OK(first.get());
  ASSERT_OK(a.get());
  EXPECT_REFUSED(b.get(), Code::kResourceExhausted, "HOST_CAPACITY_EXCEEDED");
  room.ExpectBalanced();
}

TEST_F(Lots, DriftIsSettledOnceForAllRequestsOfALot) {
  room.Sql("UPDATE hosts SET node_cpu_cores = node_cpu_cores + 1 WHERE name = 'host-1'");
  Answered first = StartFirst();
  Answered a = Start("a"), b = Start("b");
  gate.Open();
  for (Answered* answer : {&first, &a, &b}) ASSERT_OK(answer->get());
  EXPECT_EQ(room.metrics.lots - lots, 2);
  EXPECT_EQ(room.metrics.second_runs, 1);
  EXPECT_EQ(room.metrics.single_retries, 0);
  EXPECT_EQ(room.metrics.drift_found, 1);
  EXPECT_EQ(room.metrics.drift_healed, 1);
  int corrections = 0;
  v1::ListLedgerResponse ledger = room.Ledger("host-1");
  for (const v1::LedgerEntry& entry : ledger.entries()) {
    corrections += entry.kind() == v1::LEDGER_KIND_DRIFT_CORRECTION ? 1 : 0;
  }
  EXPECT_EQ(corrections, 1);
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{3, Needs(10, 20, 500)}));
  room.ExpectBalanced();
}

TEST_F(Lots, ALotThatTheDatabaseRefusesIsRetriedOneByOne) {
  ASSERT_OK(room.Upgrade({"first"}, "chain/full@2.0.0"));
  Answered first = StartFirst();  // refused before anything is written
  gate.RefuseNext();
  Answered a = Start("a"), b = Start("b"), c = Start("c");
  gate.Open();
  EXPECT_REFUSED(first.get(), Code::kAlreadyExists, "UPGRADE_SAME_IMAGE");
  for (Answered* answer : {&a, &b, &c}) ASSERT_OK(answer->get());
  EXPECT_EQ(room.metrics.single_retries, 3);
  EXPECT_EQ(room.Events("kind=upgrade_started host=host-1").size(), 3u) << "each happened once";
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{3, Needs(12, 24, 600)}));
  room.ExpectBalanced();
}

TEST_F(Lots, OnlyTheRequestThatTheDatabaseRefusesIsRefused) {
  room.backend->RefuseUpdates("nodes", "new.name = 'b'", "not this one");
  v1::Node b_before = room.Node("b");
  Answered first = StartFirst();
  Answered a = Start("a"), b = Start("b"), c = Start("c");
  gate.Open();
  for (Answered* answer : {&first, &a, &c}) ASSERT_OK(answer->get());
  auto refused = b.get();
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("not this one"), std::string::npos)
      << refused.error().message;
  EXPECT_EQ(room.Node("b").SerializeAsString(), b_before.SerializeAsString());
  room.ExpectBalanced();
}

TEST_F(Lots, APassedDeadlineIsNotBegunAndChangesNothing) {
  struct Call call;
  call.deadline = room.clock.Now() + std::chrono::seconds(1);
  Answered first = StartFirst();
  Answered late = Start("a", {}, call), in_time = Start("b");
  room.clock.Advance(std::chrono::seconds(1));
  gate.Open();
  ASSERT_OK(first.get());
  EXPECT_REFUSED(late.get(), Code::kDeadlineExceeded, "DEADLINE_EXCEEDED");
  ASSERT_OK(in_time.get());
  EXPECT_TRUE(room.Events("kind=upgrade_started node=a").empty());
  EXPECT_EQ(room.Node("a").version(), 1);
  room.ExpectBalanced();
}

TEST_F(Lots, ACancelledRequestIsNotBegunAndChangesNothing) {
  struct Call call;
  call.cancelled = std::make_shared<std::atomic<bool>>(false);
  Answered first = StartFirst();
  Answered cancelled = Start("a", {}, call);
  *call.cancelled = true;
  gate.Open();
  ASSERT_OK(first.get());
  EXPECT_REFUSED(cancelled.get(), Code::kCanceled, "CANCELLED");
  EXPECT_TRUE(room.Events("kind=upgrade_started node=a").empty());
  EXPECT_EQ(room.Node("a").version(), 1);
}

TEST_F(Lots, WhatWasBegunIsAnsweredByWhatBecameOfIt) {
  struct Call call;
  call.deadline = room.clock.Now() + std::chrono::seconds(1);
  call.cancelled = std::make_shared<std::atomic<bool>>(false);
  Answered first = StartFirst(call);
  room.clock.Advance(std::chrono::hours(1));
  *call.cancelled = true;
  gate.Open();
  ASSERT_OK(first.get());
  EXPECT_EQ(room.Events("kind=upgrade_started node=first").size(), 1u);
}

TEST_F(Lots, WhatStillWaitsAtTheEndIsToldSo) {
  Answered first = StartFirst();
  Answered a = Start("a"), b = Start("b");
  std::thread end([&] { room.control.reset(); });
  auto answer_a = WithinSeconds(a), answer_b = WithinSeconds(b);
  gate.Open();
  end.join();
  EXPECT_REFUSED(answer_a, Code::kUnavailable, "SHUTTING_DOWN");
  EXPECT_REFUSED(answer_b, Code::kUnavailable, "SHUTTING_DOWN");
  ASSERT_OK(first.get());
  room.Restart({});
  EXPECT_EQ(room.Events("kind=upgrade_started").size(), 1u);
}

TEST_F(Lots, TheSameRequestIdSentByManyAtOnceHappensOnce) {
  std::vector<std::thread> clients;
  std::vector<std::string> answers(16);
  for (size_t i = 0; i < answers.size(); ++i) {
    clients.emplace_back([&, i] {
      auto answer = room.Upgrade({"a"}, "chain/full@2.0.0", "once");
      answers[i] = answer ? answer->SerializeAsString() : answer.error().message;
    });
  }
  for (auto& client : clients) client.join();
  for (const std::string& answer : answers) EXPECT_EQ(answer, answers.front());
  EXPECT_EQ(room.Events("kind=upgrade_started node=a").size(), 1u);
  EXPECT_EQ(room.Node("a").version(), 2);
  room.ExpectBalanced();
}

TEST_F(Lots, TheSameRequestIdWaitingTwiceHappensOnce) {
  struct Call call;
  call.request_id = "once";
  call.body_digest = "the same";
  Answered first = StartFirst();
  // Of different nodes, so that only the id keeps them apart.
  Answered a = Start("a", {}, call), again = Start("b", {}, call);
  gate.Open();
  ASSERT_OK(first.get());
  ASSERT_OK(a.get());
  ASSERT_OK(again.get());
  EXPECT_EQ(room.metrics.lots - lots, 3);
  EXPECT_EQ(room.metrics.single_retries, 0);
  EXPECT_TRUE(room.Events("kind=upgrade_started node=b").empty()) << "it got the first answer";
}

// The combiner by itself: mutations that write nothing but that they were answered.
class Combining : public testing::Test {
 protected:
  void SetUp() override {
    for (NodeId& node : nodes) node = room.control->ids().New<NodeId>();
  }

  void Begin(CombinerOptions options) {
    options.queue_max = queue_max;
    MakeCombiner(options);
    StopAt("first", {});
  }
  void MakeCombiner(const CombinerOptions& options) {
    combiner = std::make_unique<Combiner>(
        LotRunner(*room.store, room.clock, room.log, room.metrics, {}, std::chrono::seconds(1)),
        room.clock, options);
  }
  // The request is under way, and stopped before it writes.
  void StopAt(const std::string& name, std::vector<NodeId> names_nodes) {
    gate.Shut();
    lots = room.metrics.lots;
    Submit(name, std::move(names_nodes));
    gate.WaitUntilReached();
  }

  using Decide = std::function<Result<Decision>(const Snapshot&, ReadTx&)>;

  Mutation MakeMutation(const std::string& name, Decide decide) {
    Mutation mutation{.solo = false, .rows = 1};
    mutation.call.actor = room.actor;
    mutation.call.method = "NodeService/UpgradeNodes";
    mutation.call.request_id = name;
    mutation.decide = std::move(decide);
    return mutation;
  }
  // Says when it ran, and changes nothing.
  Mutation MakeNoted(const std::string& name, std::vector<NodeId> names_nodes) {
    Mutation mutation =
        MakeMutation(name, [this, name](const Snapshot&, ReadTx&) -> Result<Decision> {
          order.push_back(name + ":" + std::to_string(room.metrics.lots - lots));
          Decision decision;
          decision.answer = name;
          return decision;
        });
    mutation.locks.nodes = std::move(names_nodes);
    return mutation;
  }
  Answered Send(Mutation mutation) {
    auto [done, future] = Expect();
    combiner->Submit(std::move(mutation), std::move(done));
    return std::move(future);
  }

  void Submit(const std::string& name, std::vector<NodeId> names_nodes, bool solo = false,
              int64_t rows = 1) {
    Mutation mutation = MakeNoted(name, std::move(names_nodes));
    mutation.solo = solo;
    mutation.rows = rows;
    answers.push_back(Send(std::move(mutation)));
  }

  // Which request ran in which lot, in the order in which they ran.
  std::vector<std::string> Run() {
    gate.Open();
    for (Answered& answer : answers) EXPECT_TRUE(answer.get().has_value());
    return order;
  }

  Gate gate;
  ApiRoom room{{}, Through(gate)};
  std::vector<NodeId> nodes = std::vector<NodeId>(3);
  int64_t queue_max = 100;
  int64_t lots = 0;
  std::vector<std::string>
      order;  // written by the combiner's one thread, read when all is answered
  std::vector<Answered> answers;
  std::unique_ptr<Combiner> combiner;
};

using Order = std::vector<std::string>;

TEST_F(Combining, APlanThatThrowsIsAnErrorAsItWouldBeInALot) {
  auto broken = [](const Authorized&, const std::string&) -> Result<Proposal<Changes>> {
    return Proposal<Changes>{
        .plan = {.dry_run = true},
        .decide = [](const Authorized&, const Snapshot&, ReadTx&) -> Result<Decided<Changes>> {
          throw std::logic_error("a fault of a test");
        }};
  };
  auto [done, planned] = Expect();
  control::Run(
      *room.control, room.As("NodeService/UpgradeNodes"), broken, std::string(),
      [](const Changes&) { return std::string("shown"); }, std::move(done));
  EXPECT_REFUSED(planned.get(), Code::kInternal, "DECISION_FAILED");
}

TEST_F(Combining, RequestsThatNameOneNodeNeverShareALotAndKeepTheirOrder) {
  Begin({});
  Submit("a", {nodes[0]});
  Submit("b", {nodes[0], nodes[1]});
  Submit("c", {nodes[1]});  // may not overtake b
  Submit("d", {nodes[2]});  // may
  EXPECT_EQ(Run(), (Order{"first:1", "a:2", "d:2", "b:3", "c:4"}));
}

TEST_F(Combining, ADecisionThatThrowsIsAnErrorOfItsRequestAlone) {
  Begin({});
  Submit("a", {nodes[0]});
  Answered missing =
      Send(MakeMutation("missing", [](const Snapshot& snapshot, ReadTx&) -> Result<Decision> {
        Decision decision;
        ASSIGN_OR_RETURN(const HostSnapshot* host, RequireRow(snapshot.hosts, "host", HostId{}));
        decision.hosts.push_back(host->host);
        return decision;
      }));
  // What is missing in a table of the program's own is no fault of the database.
  Answered astray = Send(MakeMutation("astray", [](const Snapshot&, ReadTx&) -> Result<Decision> {
    throw std::out_of_range("a fault of a test");
  }));
  Answered broken = Send(MakeMutation("broken", [](const Snapshot&, ReadTx&) -> Result<Decision> {
    throw std::logic_error("a fault of a test");
  }));
  Submit("b", {nodes[1]});
  EXPECT_EQ(Run(), (Order{"first:1", "a:2", "b:2"}));
  EXPECT_REFUSED(missing.get(), Code::kDataLoss, "ROW_MISSING");
  EXPECT_REFUSED(broken.get(), Code::kInternal, "DECISION_FAILED");
  EXPECT_REFUSED(astray.get(), Code::kInternal, "DECISION_FAILED");
  Submit("c", {nodes[2]});
  EXPECT_TRUE(answers.back().get().has_value()) << "the thread that commits goes on";
}

TEST_F(Combining, ARequestThatRunsAloneRunsAlone) {
  Begin({});
  Submit("a", {nodes[0]});
  Submit("b", {}, /*solo=*/true);
  Submit("c", {nodes[1]});
  EXPECT_EQ(Run(), (Order{"first:1", "a:2", "b:3", "c:4"}));
}

TEST_F(Combining, ALotIsBoundedByItsRowsAndALargerRequestIsALotOfItsOwn) {
  Begin({.lot_rows_max = 10});
  Submit("a", {}, false, 6);
  Submit("b", {}, false, 4);
  Submit("c", {}, false, 1);
  Submit("d", {}, false, 50);
  Submit("e", {}, false, 1);
  EXPECT_EQ(Run(), (Order{"first:1", "a:2", "b:2", "c:3", "d:4", "e:5"}));
}

TEST_F(Combining, CombiningCanBeTurnedOff) {
  Begin({.lot_requests_max = 1});
  Submit("a", {nodes[0]});
  Submit("b", {nodes[1]});
  EXPECT_EQ(Run(), (Order{"first:1", "a:2", "b:3"}));
}

TEST_F(Combining, AFullQueueRefusesAtOnce) {
  queue_max = 2;
  Begin({});
  Submit("a", {});
  Submit("b", {});
  Submit("c", {});
  Answered refused = std::move(answers.back());
  answers.pop_back();
  auto answer = WithinSeconds(refused);
  EXPECT_EQ(Run(), (Order{"first:1", "a:2", "b:2"}));
  EXPECT_REFUSED(answer, Code::kResourceExhausted, "TOO_MANY_REQUESTS");
}

// Two writers, and nodes whose hosts the combiner has seen: a and b on host-1, first on host-3.
class TwoWriters : public Combining {
 protected:
  void SetUp() override {
    room.AddFleet(3);
    room.AddImage("1.0.0", Needs(2, 4, 100));
    for (const char* name : {"a", "b"}) ASSERT_OK(room.Create(name, "host-1", "1.0.0"));
    for (const char* name : {"first", "second"}) ASSERT_OK(room.Create(name, "host-3", "1.0.0"));
    MakeCombiner({.writers = 2});
    for (const std::string name : {"a", "b", "first", "second"}) {
      Submit("seen " + name, {IdOf(name)});
    }
    for (Answered& answer : answers) ASSERT_OK(answer.get());
    Hold("first");
  }
  void TearDown() override { gate.Open(); }

  // A request for the node is under way, and no other yet.
  void Hold(const std::string& node) {
    answers.clear();
    order.clear();
    requests = room.metrics.lot_requests;
    StopAt(node, {IdOf(node)});
  }

  NodeId IdOf(const std::string& node) { return *NodeId::Parse(room.Node(node).id()); }
  // Waits until so many lots were begun, and says of how many requests.
  int64_t RequestsOfLots(int64_t wanted) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (room.metrics.lots - lots < wanted && std::chrono::steady_clock::now() < end) {
      std::this_thread::yield();
    }
    return room.metrics.lot_requests - requests;
  }

  int64_t requests = 0;
};

TEST_F(TwoWriters, ARequestForAHostThatIsBusyWaitsOutsideOfOtherLots) {
  Submit("same host", {IdOf("second")});
  Submit("other host", {IdOf("a")});
  EXPECT_EQ(RequestsOfLots(2), 2) << "the first, and the one that need not wait for it";
  // Which of the two waits longer for the database's one writer is its own affair.
  EXPECT_THAT(Run(), testing::SizeIs(3));
}

// A host that the combiner does not know yet keeps nobody apart; the node does.
TEST_F(TwoWriters, ANodeIsInOneLotAtATimeWhereverItIs) {
  Run();
  MakeCombiner({.writers = 2});
  Hold("a");
  // Nobody looks at this once the request was begun.
  auto cancelled = std::make_shared<std::atomic<bool>>(false);
  Mutation again = MakeNoted("again", {IdOf("a")});
  again.call.cancelled = cancelled;
  Answered refused = Send(std::move(again));
  Submit("another", {IdOf("first")});
  EXPECT_EQ(RequestsOfLots(2), 2);
  *cancelled = true;
  EXPECT_THAT(Run(), testing::SizeIs(2));
  EXPECT_REFUSED(refused.get(), Code::kCanceled, "CANCELLED");
}

TEST_F(TwoWriters, NothingOvertakesARequestThatWaitsForABusyHost) {
  Submit("both hosts", {IdOf("second"), IdOf("a")});
  Submit("other host", {IdOf("b")});
  const Order ran = Run();
  ASSERT_EQ(ran.size(), 3U);
  EXPECT_TRUE(ran[1].starts_with("both hosts")) << ran[1];
}

}  // namespace
}  // namespace tallyman
