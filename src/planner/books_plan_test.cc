#include "planner/books_plan.h"

#include <gtest/gtest.h>

#include "planner/test_fleet.h"

namespace tallyman::planner {
namespace {

const Image kOld = MakeImage(1, {8, 80, 800});
const Image kNew = MakeImage(2, {12, 120, 1200});

// One host with two nodes on kOld: the first is at hand, the other is a neighbour.
struct TwoNodes {
  TestFleet fleet;
  HostSnapshot& host = fleet.AddHost();
  NodeSnapshot& node = fleet.AddNode(host, kOld);
  NodeSnapshot& neighbour = fleet.AddNode(host, kOld);

  Result<UpgradePlan> Plan(const Policies& policies = {}) {
    const NodeSnapshot* nodes[] = {&node};
    return PlanUpgrade(nodes, fleet.hosts(), kNew, policies, kTestCause);
  }
  // The plan of the second run.
  Result<UpgradePlan> PlanWithSums(const Policies& policies = {}) {
    fleet.ReadSums();
    return Plan(policies);
  }
  void ExpectSuspicion() {
    auto plan = Plan();
    ASSERT_FALSE(plan.has_value());
    EXPECT_EQ(plan.error().reason, kDriftSuspected);
  }
};

const Books kTrueAfter = {2, {20, 200, 2000}};

// "When the books are already wrong": shows at 4.
TEST(DriftSuspected, WhenTheFieldsOfANodeAtHandDifferFromItsConfig) {
  for (Dimension dimension : kDimensions) {
    TwoNodes two;
    ++two.node.node.resources.at(dimension);
    two.ExpectSuspicion();
  }
}

// Fields of nodes that are not at hand are the database's and the audit's business.
TEST(DriftSuspected, NotForANeighboursFields) {
  TwoNodes two;
  two.neighbour.node.resources = {1, 1, 1};
  EXPECT_TRUE(two.Plan().has_value());
}

// Shows at 8; requirement 5.2, fault 6: nothing is clamped, nothing negative comes out.
TEST(DriftSuspected, WhenACounterWouldGoBelowZero) {
  for (Dimension dimension : kDimensions) {
    TwoNodes two;
    two.host.host.books.allocated.at(dimension) = kOld.minimum.get(dimension) - 1;
    two.ExpectSuspicion();
  }
  TwoNodes two;
  two.host.host.books.node_count = 0;
  two.ExpectSuspicion();
}

TEST(DriftSuspected, WhenAHoldWouldGoBelowZero) {
  TwoNodes two;
  two.node.node.held = {5, 0, 0};
  two.host.host.held = {4, 0, 0};
  two.ExpectSuspicion();
}

TEST(DriftSuspected, WhenACounterWouldOverflow) {
  TwoNodes two;
  two.host.host.books.allocated.memory_bytes = INT64_MAX - 10;
  two.ExpectSuspicion();
}

// The capacity check must not answer "overflow" where the sums would have healed it.
TEST(DriftSuspected, WhenCounterAndHoldTogetherOverflow) {
  TwoNodes two;
  two.host.host.books.allocated.memory_bytes = INT64_MAX - 1000;
  two.host.host.held.memory_bytes = 2000;
  two.ExpectSuspicion();
  auto plan = two.PlanWithSums();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->books.hosts().at(two.host.host.id).after.books, kTrueAfter);
}

// Policy heal, requirement 2.4: the upgrade goes on from true books.
TEST(Heal, GoesOnFromTrueBooksWithACorrectionInTheLedger) {
  TwoNodes two;
  two.host.host.books = {3, {7, 999, 1600}};
  auto plan = two.PlanWithSums();
  ASSERT_TRUE(plan.has_value());
  const HostChange& host = plan->books.hosts().at(two.host.host.id);
  EXPECT_EQ(host.stored.books, (Books{3, {7, 999, 1600}}));
  EXPECT_EQ(host.before.books, (Books{2, {16, 160, 1600}}));
  EXPECT_EQ(host.after.books, kTrueAfter);
  EXPECT_EQ(host.after.version, host.stored.version + 1);

  ASSERT_EQ(plan->books.ledger().size(), 2u);
  const LedgerEntry &correction = plan->books.ledger()[0], &upgrade = plan->books.ledger()[1];
  EXPECT_EQ(correction.kind, LedgerKind::kDriftCorrection);
  EXPECT_EQ(correction.node_id, std::nullopt);
  EXPECT_EQ(correction.seq, two.host.host.ledger_seq + 1);
  EXPECT_EQ(correction.delta, (Books{-1, {9, -839, 0}}));
  EXPECT_EQ(correction.balance, (Books{2, {16, 160, 1600}}));
  EXPECT_EQ(correction.corrections, plan->books.drifts());
  EXPECT_EQ(upgrade.seq, correction.seq + 1);
  EXPECT_EQ(upgrade.balance, kTrueAfter);
}

// The entry records stored and true value of every dimension that was wrong.
TEST(Heal, RecordsStoredAndTrueValues) {
  TwoNodes two;
  two.host.host.books.allocated.cpu_cores = 7;
  two.fleet.ReadSums();
  two.host.ledger_balance = Books{2, {16, 160, 1600}};
  auto plan = two.Plan();
  ASSERT_TRUE(plan.has_value());
  ASSERT_EQ(plan->books.drifts().size(), 1u);
  const Drift drift = plan->books.drifts()[0];
  EXPECT_EQ(drift.kind, DriftKind::kHostBooks);
  EXPECT_EQ(drift.host_name, "host-1");
  EXPECT_EQ(drift.dimension, "cpu_cores");
  EXPECT_EQ(drift.stored, 7);
  EXPECT_EQ(drift.true_value, 16);
  // Only the counter was wrong: the ledger had it right all the time.
  ASSERT_EQ(plan->books.ledger().size(), 2u);
  EXPECT_EQ(plan->books.ledger()[0].kind, LedgerKind::kDriftCorrection);
  EXPECT_EQ(plan->books.ledger()[0].delta, Books{});
}

TEST(Heal, MovesALedgerThatAloneIsWrong) {
  TwoNodes two;
  two.host.ledger_balance = Books{2, {15, 160, 1600}};
  auto plan = two.PlanWithSums();
  ASSERT_TRUE(plan.has_value());
  ASSERT_EQ(plan->books.drifts().size(), 1u);
  EXPECT_EQ(plan->books.drifts()[0].kind, DriftKind::kLedger);
  EXPECT_EQ(plan->books.ledger().at(0).delta, (Books{0, {1, 0, 0}}));
  EXPECT_EQ(plan->books.hosts().at(two.host.host.id).after.books, kTrueAfter);
}

// Fault 10: node fields from their configs first, then the counters from the nodes.
TEST(Heal, SettlesNodeFieldsBeforeTheCounters) {
  TwoNodes two;
  two.node.node.resources = {1, 2, 3};  // the counters are right: 16, 160, 1600
  auto plan = two.PlanWithSums();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->nodes[0].charged_before, kOld.minimum);
  const HostChange& host = plan->books.hosts().at(two.host.host.id);
  EXPECT_EQ(host.before.books, (Books{2, {16, 160, 1600}}));
  EXPECT_EQ(host.after.books, kTrueAfter);
  ASSERT_EQ(host.drifts.size(), 3u);
  for (const Drift& drift : host.drifts) {
    EXPECT_EQ(drift.kind, DriftKind::kNodeFields);
    EXPECT_EQ(drift.node_name, "node-1");
  }
  EXPECT_EQ(host.drifts[0].stored, 1);
  EXPECT_EQ(host.drifts[0].true_value, 8);
  EXPECT_EQ(plan->books.ledger().at(0).delta, Books{});
}

TEST(Heal, SettlesNodeFieldsAndCountersThatAreBothWrong) {
  TwoNodes two;
  two.node.node.resources = {1, 2, 3};
  two.host.host.books = {2, {9, 82, 803}};  // as if the fields had been right
  auto plan = two.PlanWithSums();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->books.hosts().at(two.host.host.id).after.books, kTrueAfter);
  EXPECT_EQ(plan->books.drifts().size(), 9u);  // three each of the node, the counters, the ledger
}

TEST(Heal, SettlesHolds) {
  TwoNodes two;
  two.neighbour.node.held = {2, 0, 0};
  two.host.host.held = {9, 1, 0};
  auto plan = two.PlanWithSums();
  ASSERT_TRUE(plan.has_value());
  const HostChange& host = plan->books.hosts().at(two.host.host.id);
  EXPECT_EQ(host.after.held, (Resources{2, 0, 0}));
  ASSERT_EQ(host.drifts.size(), 2u);
  EXPECT_EQ(host.drifts[0].kind, DriftKind::kHostHold);
  EXPECT_EQ(host.drifts[0].stored, 9);
  EXPECT_EQ(host.drifts[0].true_value, 2);
  ASSERT_EQ(plan->books.ledger().size(), 2u);
  EXPECT_EQ(plan->books.ledger()[0].corrections, host.drifts);
  EXPECT_EQ(plan->books.ledger()[0].delta, Books{});
}

TEST(Heal, SettlesEachOfSeveralHostsAndLeavesTheTrueOnesAlone) {
  TestFleet fleet;
  for (int i = 0; i < 3; ++i) fleet.AddNode(fleet.AddHost(), kOld);
  fleet.all_hosts()[0].host.books.allocated.cpu_cores = 1;
  fleet.all_hosts()[2].host.books.allocated.disk_bytes = 5;
  fleet.ReadSums();
  auto plan = PlanAll(fleet, kNew);
  ASSERT_TRUE(plan.has_value());
  for (const auto& [id, change] : plan->books.hosts())
    EXPECT_EQ(change.after.books, (Books{1, kNew.minimum}));
  EXPECT_TRUE(plan->books.hosts().at(IdOf<HostId>(2)).drifts.empty());
  int corrections = 0;
  for (const LedgerEntry& entry : plan->books.ledger()) {
    if (entry.kind == LedgerKind::kDriftCorrection) {
      ++corrections;
      EXPECT_NE(entry.host_id, IdOf<HostId>(2));
    }
  }
  EXPECT_EQ(corrections, 2);
}

// Fault 6: by how much it was wrong is told, never hidden by a clamp.
TEST(Heal, NeverClamps) {
  TwoNodes two;
  two.host.host.books = {0, {0, 0, 0}};
  auto plan = two.PlanWithSums();
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->books.hosts().at(two.host.host.id).after.books, kTrueAfter);
  EXPECT_EQ(plan->books.ledger().at(0).delta, (Books{2, {16, 160, 1600}}));
}

// True sums and a move that would still go below zero: a fault of the program, told as one.
TEST(Move, RefusesToGoBelowZeroAlsoWhenTheSumsAreKnown) {
  TwoNodes two;
  two.fleet.ReadSums();
  BooksPlan books = BooksPlan::Begin(two.fleet.hosts(), {}, {}, kTestCause).value();
  Status moved = books.Move({.host_id = two.host.host.id,
                             .node_id = two.node.node.id,
                             .kind = LedgerKind::kRelease,
                             .before = {1, {17, 0, 0}}});
  ASSERT_FALSE(moved.has_value());
  EXPECT_EQ(moved.error().code, Code::kInternal);
  EXPECT_EQ(moved.error().reason, "BOOKS_NEGATIVE");
  EXPECT_EQ(moved.error().resource, "host host-1");
  EXPECT_EQ(books.hosts().at(two.host.host.id).after.books, two.host.host.books);
  EXPECT_TRUE(books.ledger().empty());
}

// Create and release use the same books: the count moves with the resources.
TEST(Move, CountsNodesInAndOut) {
  TwoNodes two;
  BooksPlan books = BooksPlan::Begin(two.fleet.hosts(), {}, {}, kTestCause).value();
  BooksMove move{.host_id = two.host.host.id,
                 .node_id = two.node.node.id,
                 .kind = LedgerKind::kRelease,
                 .before = {1, kOld.minimum}};
  ASSERT_TRUE(books.Move(move).has_value());
  EXPECT_EQ(books.hosts().at(two.host.host.id).after.books, (Books{1, kOld.minimum}));
  std::swap(move.before, move.after);
  move.kind = LedgerKind::kCreate;
  ASSERT_TRUE(books.Move(move).has_value());
  EXPECT_EQ(books.hosts().at(two.host.host.id).after.books, two.host.host.books);
  EXPECT_EQ(books.ledger().at(0).delta, (Books{-1, {-8, -80, -800}}));
}

// What is held moves without the counters, so the ledger says nothing about it.
TEST(SetHold, MovesTheHoldAndNothingElse) {
  TwoNodes two;
  two.host.host.held = {5, 50, 500};
  const HostId id = two.host.host.id;
  BooksPlan books = BooksPlan::Begin(two.fleet.hosts(), {}, {}, kTestCause).value();
  ASSERT_TRUE(books.SetHold(id, {5, 0, 0}, {5, 0, 0}).has_value());
  EXPECT_EQ(books.hosts().at(id).after, two.host.host);
  ASSERT_TRUE(books.SetHold(id, {5, 0, 0}, {1, 2, 0}).has_value());
  ASSERT_TRUE(books.SetHold(id, {0, 0, 500}, {}).has_value());
  EXPECT_EQ(books.hosts().at(id).after.held, (Resources{1, 52, 0}));
  EXPECT_EQ(books.hosts().at(id).after.books, two.host.host.books);
  EXPECT_EQ(books.hosts().at(id).after.version, two.host.host.version + 1);
  EXPECT_TRUE(books.ledger().empty());
}

TEST(SetHold, NeverGoesBelowZeroNorWraps) {
  TwoNodes two;
  const HostId id = two.host.host.id;
  two.host.host.held = {4, INT64_MAX, 0};
  auto refusal = [&](const Resources& before, const Resources& after) {
    BooksPlan books = BooksPlan::Begin(two.fleet.hosts(), {}, {}, kTestCause).value();
    Status set = books.SetHold(id, before, after);
    EXPECT_FALSE(set.has_value());
    EXPECT_EQ(books.hosts().at(id).after.held, two.host.host.held);
    return set ? Error{} : set.error();
  };
  EXPECT_EQ(refusal({5, 0, 0}, {}).reason, kDriftSuspected);
  EXPECT_EQ(refusal({}, {0, 1, 0}).reason, kDriftSuspected);
  two.host.sums = HostSums{two.host.host.books, two.host.host.held};
  EXPECT_EQ(refusal({5, 0, 0}, {}).reason, "BOOKS_NEGATIVE");
  EXPECT_EQ(refusal({}, {0, 1, 0}).reason, "RESOURCE_OVERFLOW");
}

// Policy abort: the same facts, and the command that repairs it.
TEST(Abort, NamesHostDimensionStoredAndTrueAndTheRepair) {
  TwoNodes two;
  two.host.host.books.allocated.cpu_cores = 7;
  Policies abort;
  abort.drift = DriftPolicy::kAbort;
  auto plan = two.PlanWithSums(abort);
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().code, Code::kFailedPrecondition);
  EXPECT_EQ(plan.error().reason, "HOST_BOOKS_DRIFTED");
  EXPECT_EQ(plan.error().resource, "host host-1");
  EXPECT_EQ(plan.error().Fact("dimension"), "cpu_cores");
  EXPECT_EQ(plan.error().Fact("stored"), "7");
  EXPECT_EQ(plan.error().Fact("true"), "16");
  EXPECT_NE(plan.error().message.find("audit --host host-1 --repair"), std::string::npos);
}

TEST(Abort, AlsoForNodeFieldsHoldsAndTheLedger) {
  Policies abort;
  abort.drift = DriftPolicy::kAbort;
  TwoNodes fields, holds, ledger, sound;
  fields.node.node.resources.disk_bytes = 1;
  fields.host.host.books = {2, {16, 160, 801}};
  holds.host.host.held.cpu_cores = 1;
  ledger.host.ledger_balance = Books{};
  for (TwoNodes* two : {&fields, &holds, &ledger}) {
    auto plan = two->PlanWithSums(abort);
    ASSERT_FALSE(plan.has_value());
    EXPECT_EQ(plan.error().reason, "HOST_BOOKS_DRIFTED");
  }
  EXPECT_TRUE(sound.PlanWithSums(abort).has_value());
  EXPECT_TRUE(sound.PlanWithSums(abort)->books.drifts().empty());
}

// Only requests that touch the drifted host fail.
TEST(Abort, LeavesRequestsOnOtherHostsAlone) {
  TestFleet fleet;
  for (int i = 0; i < 2; ++i) fleet.AddNode(fleet.AddHost(), kOld);
  fleet.all_hosts()[0].host.books.allocated.cpu_cores = 1;
  fleet.ReadSums();
  Policies abort;
  abort.drift = DriftPolicy::kAbort;
  const NodeSnapshot* node = &fleet.all_nodes()[1];
  const HostSnapshot* host = &fleet.all_hosts()[1];
  EXPECT_TRUE(PlanUpgrade({&node, 1}, {&host, 1}, kNew, abort, kTestCause).has_value());
  EXPECT_FALSE(PlanAll(fleet, kNew, abort).has_value());
}

// Drift is found under either policy, also when the plan comes to nothing, so that it can be
// logged.
TEST(FindDrift, TellsAllThatIsWrongWithoutAPlan) {
  TwoNodes two;
  two.node.node.resources.cpu_cores = 9;
  two.host.host.held.memory_bytes = 3;
  two.fleet.ReadSums();
  auto drifts = FindDrift(two.host, two.fleet.nodes());
  ASSERT_EQ(drifts.size(), 2u);
  EXPECT_EQ(drifts[0].kind, DriftKind::kNodeFields);
  EXPECT_EQ(drifts[0].node_id, two.node.node.id);
  EXPECT_EQ(drifts[1].kind, DriftKind::kHostHold);
}

}  // namespace
}  // namespace tallyman::planner
