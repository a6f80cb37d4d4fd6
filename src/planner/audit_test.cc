#include "planner/audit.h"

#include <gtest/gtest.h>

#include <functional>

#include "planner/test_fleet.h"

namespace tallyman::planner {
namespace {

HostAudit SoundHost() {
  HostAudit audit;
  audit.host.id = IdOf<HostId>(1);
  audit.host.name = "host-1";
  audit.host.books = audit.sums.books = audit.ledger_fold =
      audit.ledger_balance = {2, {8, 80, 800}};
  audit.host.held = audit.sums.held = {1, 2, 3};
  audit.host.ledger_seq = audit.ledger_entries = audit.ledger_last_seq = 5;
  return audit;
}

NodeAudit SoundNode() {
  NodeAudit audit;
  audit.node.id = IdOf<NodeId>(1);
  audit.node.name = "node-1";
  audit.node.host_id = IdOf<HostId>(1);
  audit.host_name = "host-1";
  audit.node.resources = {4, 40, 400};
  audit.config = audit.node.resources;
  audit.node.held = audit.hold = {1, 1, 1};
  return audit;
}

// The one drift that is expected, as "kind dimension stored true".
std::string Only(const std::vector<Drift>& drifts) {
  std::string text;
  for (const Drift& drift : drifts) {
    text += (text.empty() ? "" : "; ") + std::string(ToText(drift.kind)) + " " + drift.dimension +
            " " + std::to_string(drift.stored) + " " + std::to_string(drift.true_value);
    EXPECT_EQ(drift.host_id, IdOf<HostId>(1));
    EXPECT_EQ(drift.host_name, "host-1");
  }
  return text;
}

TEST(CompareHost, FindsNothingWhereAllAgrees) { EXPECT_EQ(Only(CompareHost(SoundHost())), ""); }

// Requirement 2.4: each of the four counters, the holds, the ledger.
TEST(CompareHost, FindsEveryKindOfDrift) {
  struct Row {
    std::function<void(HostAudit&)> spoil;
    std::string drift;
  };
  const Row rows[] = {
      {[](HostAudit& a) { a.host.books.node_count = 3; }, "host_books node_count 3 2"},
      {[](HostAudit& a) { a.host.books.allocated.cpu_cores = 9; }, "host_books cpu_cores 9 8"},
      {[](HostAudit& a) { a.host.books.allocated.memory_bytes = 0; },
       "host_books memory_bytes 0 80"},
      {[](HostAudit& a) { a.host.books.allocated.disk_bytes = 799; },
       "host_books disk_bytes 799 800"},
      {[](HostAudit& a) { a.host.held.cpu_cores = 0; }, "host_hold cpu_cores 0 1"},
      {[](HostAudit& a) { a.host.held.memory_bytes = 7; }, "host_hold memory_bytes 7 2"},
      {[](HostAudit& a) { a.host.held.disk_bytes = 7; }, "host_hold disk_bytes 7 3"},
      {[](HostAudit& a) { a.ledger_fold.node_count = 1; }, "ledger node_count 1 2"},
      {[](HostAudit& a) { a.ledger_fold.allocated.disk_bytes = 1; }, "ledger disk_bytes 1 800"},
      {[](HostAudit& a) { a.ledger_balance.allocated.cpu_cores = 1; }, "ledger cpu_cores 1 8"},
      {[](HostAudit& a) { a.ledger_breaks = 1; }, "ledger ledger_breaks 1 0"},
      {[](HostAudit& a) { a.host.cordoned = true; }, "cordon cordoned 1 0"},
      {[](HostAudit& a) { a.claimed = true; }, "cordon cordoned 0 1"},
  };
  for (const Row& row : rows) {
    HostAudit audit = SoundHost();
    row.spoil(audit);
    EXPECT_EQ(Only(CompareHost(audit)), row.drift);
  }
}

// Fold and balance wrong alike are one fault, told once.
TEST(CompareHost, TellsALedgerThatIsWrongInFoldAndBalanceOnce) {
  HostAudit audit = SoundHost();
  audit.ledger_fold.allocated.cpu_cores = audit.ledger_balance.allocated.cpu_cores = 5;
  EXPECT_EQ(Only(CompareHost(audit)), "ledger cpu_cores 5 8");
}

// The host's number is that of the newest entry; a gap before it shows as a break.
TEST(CompareHost, FindsAHostThatIsNotAtItsLedgersNewestEntry) {
  HostAudit cut = SoundHost();  // the newest entry is lost
  cut.ledger_entries = cut.ledger_last_seq = 4;
  EXPECT_EQ(Only(CompareHost(cut)), "ledger ledger_seq 5 4");
  HostAudit moved = SoundHost();  // 1, 2, 3, 4, 6: as many entries as the host has counted
  moved.ledger_last_seq = 6;
  moved.ledger_breaks = 1;
  EXPECT_EQ(Only(CompareHost(moved)), "ledger ledger_seq 5 6; ledger ledger_breaks 1 0");
}

TEST(CompareHost, FindsAHostWhoseLedgerIsGone) {
  HostAudit audit = SoundHost();
  audit.ledger_fold = audit.ledger_balance = {};
  audit.ledger_entries = audit.ledger_last_seq = 0;
  EXPECT_EQ(CompareHost(audit).size(), 5u);
}

TEST(CompareNode, FindsNothingWhereAllAgrees) { EXPECT_EQ(Only(CompareNode(SoundNode())), ""); }

// Requirement 3.3: fields with config, hold with transitions.
TEST(CompareNode, FindsFieldsAndHoldsThatDiffer) {
  for (Dimension dimension : kDimensions) {
    NodeAudit audit = SoundNode();
    audit.node.resources.at(dimension) = 7;
    EXPECT_EQ(Only(CompareNode(audit)), "node_fields " + std::string(ToText(dimension)) + " 7 " +
                                            std::to_string(audit.config->get(dimension)));
    audit = SoundNode();
    audit.node.held.at(dimension) = 7;
    auto drifts = CompareNode(audit);
    EXPECT_EQ(Only(drifts), "node_hold " + std::string(ToText(dimension)) + " 7 1");
    EXPECT_EQ(drifts.at(0).node_id, audit.node.id);
    EXPECT_EQ(drifts.at(0).node_name, "node-1");
  }
}

TEST(CompareNode, ShowsAMissingConfigAsATrueValueOfZero) {
  NodeAudit audit = SoundNode();
  audit.config.reset();
  EXPECT_EQ(
      Only(CompareNode(audit)),
      "node_fields cpu_cores 4 0; node_fields memory_bytes 40 0; node_fields disk_bytes 400 0");
}

}  // namespace
}  // namespace tallyman::planner
