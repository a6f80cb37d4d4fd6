// The audit finds each kind of drift, and nothing where there is none.
#include <algorithm>

#include "tests/contract/contract.h"

namespace tallyman {
namespace {

using namespace tallyman::store;

class AuditContract : public StoreContract {
 protected:
  void SetUp() override {
    StoreContract::SetUp();
    host_ = AddHost("rack-1");
    AddHost("rack-2");
    for (int i = 0; i < 5; ++i) nodes_.push_back(AddNode("eth-" + std::to_string(i), host_));
    ChangeSet changes = fleet_.Upgrade(nodes_[0], fleet_.big);
    nodes_[0] = changes.node_updates[0].after;
    ASSERT_OK(Apply(store(), changes));
  }

  std::vector<NodeAudit> AuditNodes() {
    auto of_host = Read([&](ReadTx& tx) { return tx.AuditNodesOf(host_); });
    auto all = Read([&](ReadTx& tx) { return tx.AuditNodes(NodeId{}, 100); });
    EXPECT_EQ(all.size(), of_host.size());
    // One by one comes to the same.
    std::vector<NodeAudit> paged;
    NodeId after;
    while (true) {
      auto page = Read([&](ReadTx& tx) { return tx.AuditNodes(after, 1); });
      if (page.empty()) break;
      paged.push_back(page[0]);
      after = page[0].node.id;
    }
    EXPECT_EQ(paged.size(), all.size());
    for (size_t i = 0; i < std::min(paged.size(), all.size()); ++i) {
      EXPECT_EQ(paged[i].node.id, all[i].node.id);
    }
    return all;
  }
  HostAudit AuditHost() {
    return *Read([&](ReadTx& tx) { return tx.AuditHost(host_); });
  }

  std::string Id(const Node& node) { return backend_->Literal(node.id.uuid); }

  // Puts a command's row into a state, as a host's report would.
  void SetCommand(const CommandId& id, CommandState state) {
    ChangeSet changes;
    changes.command_updates = {{id, state, std::nullopt}};
    ASSERT_OK(Apply(store(), changes));
  }

  HostId host_;
  std::vector<Node> nodes_;
};

TEST_P(AuditContract, ABalancedFleetHasNothingWrong) {
  EXPECT_TRUE(AuditNodes().empty());
  auto hosts = Read([&](ReadTx& tx) { return tx.AuditHosts(HostId{}, 10); });
  ASSERT_EQ(hosts.size(), 2u);
  const HostAudit& busy = hosts[0];
  EXPECT_EQ(busy.host.id, host_);
  EXPECT_EQ(busy.sums.books, busy.host.books);
  EXPECT_EQ(busy.sums.held, busy.host.held);
  EXPECT_EQ(busy.ledger_fold, busy.host.books);
  EXPECT_EQ(busy.ledger_balance, busy.host.books);
  EXPECT_EQ(busy.ledger_entries, 6);
  EXPECT_EQ(busy.ledger_last_seq, 6);
  EXPECT_EQ(busy.ledger_breaks, 0);
  EXPECT_EQ(hosts[1].sums, HostSums{});
  EXPECT_EQ(hosts[1].ledger_entries, 0);
  AuditCounts counts = Read([&](ReadTx& tx) { return tx.CountForAudit(); });
  EXPECT_EQ(counts.nodes, 5);
  EXPECT_EQ(counts.hosts, 2);
  EXPECT_EQ(counts.ledger_entries, 6);
  EXPECT_FALSE(Read([&](ReadTx& tx) { return tx.AuditHost(HostId{}); }).has_value());
}

TEST_P(AuditContract, HostsComeInPagesById) {
  for (int i = 3; i < 12; ++i) {
    HostId host = AddHost("rack-" + std::to_string(i));
    AddNode("more-" + std::to_string(i), host);
  }
  auto all = Read([&](ReadTx& tx) { return tx.AuditHosts(HostId{}, 100); });
  ASSERT_EQ(all.size(), 11u);
  HostId after;
  for (size_t i = 0; i < all.size();) {
    auto page = Read([&](ReadTx& tx) { return tx.AuditHosts(after, 3); });
    ASSERT_FALSE(page.empty());
    for (const HostAudit& audit : page) {
      EXPECT_EQ(audit.host, all[i].host);
      EXPECT_EQ(audit.sums.books, audit.host.books);
      EXPECT_EQ(audit.ledger_fold, audit.host.books);
      ++i;
    }
    after = page.back().host.id;
  }
  EXPECT_TRUE(Read([&](ReadTx& tx) { return tx.AuditHosts(after, 3); }).empty());
}

TEST_P(AuditContract, AWrongCounterShowsBesideTheTrueSum) {
  backend_->Corrupt(
      "UPDATE hosts SET node_memory_bytes = node_memory_bytes + 5, held_disk_bytes = 7 "
      "WHERE name = 'rack-1'");
  HostAudit audit = AuditHost();
  EXPECT_EQ(audit.host.books.allocated.memory_bytes, audit.sums.books.allocated.memory_bytes + 5);
  EXPECT_EQ(audit.host.held.disk_bytes, 7);
  EXPECT_EQ(audit.sums.held.disk_bytes, 0);
  EXPECT_EQ(audit.ledger_balance, audit.sums.books);
  EXPECT_TRUE(AuditNodes().empty());
}

TEST_P(AuditContract, FieldsThatAreNotTheConfigsAreFound) {
  backend_->Corrupt("UPDATE nodes SET cpu_cores = 99 WHERE id = " + Id(nodes_[2]));
  auto wrong = AuditNodes();
  ASSERT_EQ(wrong.size(), 1u);
  EXPECT_EQ(wrong[0].node.name, "eth-2");
  EXPECT_EQ(wrong[0].host_name, "rack-1");
  EXPECT_EQ(wrong[0].node.resources.cpu_cores, 99);
  EXPECT_EQ(wrong[0].config, kSmall);
  EXPECT_EQ(AuditHost().sums.books.allocated.cpu_cores,
            AuditHost().host.books.allocated.cpu_cores + 97);
}

TEST_P(AuditContract, AMissingConfigIsFound) {
  backend_->Corrupt("DELETE FROM configs WHERE id = " +
                    backend_->Literal(nodes_[3].config_id.uuid));
  auto wrong = AuditNodes();
  ASSERT_EQ(wrong.size(), 1u);
  EXPECT_EQ(wrong[0].node.name, "eth-3");
  EXPECT_FALSE(wrong[0].config.has_value());
}

TEST_P(AuditContract, ANodeOfAnotherImageThanItsConfigsIsFound) {
  backend_->Corrupt("UPDATE nodes SET image_id = " + backend_->Literal(fleet_.big.id.uuid) +
                    " WHERE id = " + Id(nodes_[3]));
  ASSERT_EQ(AuditNodes().size(), 1u);
}

TEST_P(AuditContract, AHoldThatNothingAsksForIsFound) {
  backend_->Corrupt("UPDATE nodes SET held_disk_bytes = 3 WHERE id = " + Id(nodes_[4]));
  auto wrong = AuditNodes();
  ASSERT_EQ(wrong.size(), 1u);
  EXPECT_EQ(wrong[0].node.held, (Resources{0, 0, 3}));
  EXPECT_EQ(wrong[0].hold, Resources{});
  EXPECT_EQ(AuditHost().sums.held, (Resources{0, 0, 3}));
}

TEST_P(AuditContract, WhatRunsAndIsLargerIsHeld) {
  // eth-0 runs the big config and is charged the small one.
  const ConfigId big = nodes_[0].config_id;
  for (const CommandRow& row : Read([&](ReadTx& tx) { return tx.ListCommands({}); })) {
    SetCommand(row.command.id, CommandState::kSettled);
  }
  ChangeSet shrink = fleet_.Upgrade(nodes_[0], fleet_.small);
  shrink.new_commands.clear();
  shrink.node_updates[0].after.running_config_id = big;
  ASSERT_OK(Apply(store(), shrink));
  auto wrong = AuditNodes();
  ASSERT_EQ(wrong.size(), 1u);
  EXPECT_EQ(wrong[0].hold, *Subtract(kBig, kSmall));
  EXPECT_EQ(wrong[0].config, kSmall);
}

TEST_P(AuditContract, TargetsOfPendingAndBothEndsOfFailedTransitionsAreHeld) {
  // The open upgrade to big is followed by one to small, which is what the node is charged.
  ListQuery upgrades;
  upgrades.conditions = {{"kind", Comparison::kEqual, "node_upgrade"}};
  const CommandId to_big =
      Read([&](ReadTx& tx) { return tx.ListCommands(upgrades); }).at(0).command.id;
  SetCommand(to_big, CommandState::kTaken);
  ChangeSet back = fleet_.Upgrade(nodes_[0], fleet_.small);
  ASSERT_OK(Apply(store(), back));
  const CommandId to_small = back.new_commands[0].id;
  const Resources more = *Subtract(kBig, kSmall);
  auto hold = [&] {
    auto wrong = AuditNodes();
    return wrong.empty() ? Resources{} : wrong.at(0).hold;
  };
  EXPECT_EQ(hold(), more);
  SetCommand(to_big, CommandState::kUnknown);
  EXPECT_EQ(hold(), more);
  SetCommand(to_big, CommandState::kSuperseded);
  EXPECT_EQ(hold(), Resources{});
  SetCommand(to_big, CommandState::kFailed);
  EXPECT_EQ(hold(), more);
  // `from` of a failed one counts as well.
  SetCommand(to_big, CommandState::kSettled);
  SetCommand(to_small, CommandState::kFailed);
  EXPECT_EQ(hold(), more);
  // A failed transition counts until a later one settles.
  SetCommand(to_big, CommandState::kFailed);
  SetCommand(to_small, CommandState::kSettled);
  EXPECT_EQ(hold(), Resources{});
}

TEST_P(AuditContract, ALedgerThatDoesNotFollowShows) {
  const std::string entry = " WHERE seq = 3 AND host_id = " + backend_->Literal(host_.uuid);
  backend_->Corrupt("UPDATE ledger SET delta_cpu_cores = delta_cpu_cores + 1" + entry);
  HostAudit audit = AuditHost();
  EXPECT_EQ(audit.ledger_breaks, 1);
  EXPECT_EQ(audit.ledger_fold.allocated.cpu_cores, audit.host.books.allocated.cpu_cores + 1);
  EXPECT_EQ(audit.ledger_balance, audit.host.books);
  backend_->Corrupt("DELETE FROM ledger" + entry);
  audit = AuditHost();
  EXPECT_EQ(audit.ledger_breaks, 1);
  EXPECT_EQ(audit.ledger_entries, 5);
  EXPECT_EQ(audit.ledger_last_seq, 6);
}

TEST_P(AuditContract, ADriftCorrectionMayJumpAndIsNoBreak) {
  backend_->Corrupt(
      "UPDATE ledger SET kind = 'drift_correction', balance_cpu_cores = 1000 "
      "WHERE seq = 6 AND host_id = " +
      backend_->Literal(host_.uuid));
  EXPECT_EQ(AuditHost().ledger_breaks, 0);
  EXPECT_EQ(AuditHost().ledger_balance.allocated.cpu_cores, 1000);
}

TEST_P(AuditContract, ALedgerBeyond64BitsIsABreakAndNotAWrap) {
  backend_->Corrupt("UPDATE ledger SET delta_cpu_cores = 9223372036854775807 WHERE seq IN (2, 3)");
  HostAudit audit = AuditHost();
  EXPECT_EQ(audit.ledger_breaks, 2);
  EXPECT_GE(audit.ledger_fold.allocated.cpu_cores, 0);
}

TEST_P(AuditContract, AHostIsClaimedAsLongAsThereIsAnyClaim) {
  const HostId host = fleet_.host_ids.at("rack-1");
  const auto claims = [&] { return Read([&](ReadTx& tx) { return tx.ClaimsOf(host); }); };
  const auto claimed = [&] {
    const auto audit = Read([&](ReadTx& tx) { return tx.AuditHost(host); });
    const auto all = Read([](ReadTx& tx) { return tx.AuditHosts({}, 10); });
    EXPECT_EQ(all.front().claimed, audit->claimed);
    return audit->claimed;
  };
  const HostClaim one{.host_id = host,
                      .owner = "alice",
                      .kind = ClaimKind::kCordon,
                      .reason = "why",
                      .created_by = "bob",
                      .created_at = fleet_.Tick()};
  HostClaim other = one;
  other.owner = "carol";
  other.kind = ClaimKind::kRetired;
  EXPECT_FALSE(claimed());
  ChangeSet changes;
  changes.new_claims = {other, one};
  ASSERT_OK(Apply(store(), changes));
  EXPECT_EQ(claims(), (std::vector{one, other}));
  EXPECT_TRUE(claimed());
  changes = {};
  // Not the one of another kind.
  changes.ended_claims = {{host, "alice"}, {host, "nobody"}, {host, "carol"}};
  ASSERT_OK(Apply(store(), changes));
  EXPECT_EQ(claims(), (std::vector{other}));
  // One that ends makes room for another of its owner and kind.
  changes.ended_claims = {{host, "carol", ClaimKind::kRetired}};
  other.reason = "again";
  changes.new_claims = {other};
  ASSERT_OK(Apply(store(), changes));
  EXPECT_EQ(claims(), (std::vector{other}));
  changes.new_claims.clear();
  ASSERT_OK(Apply(store(), changes));
  EXPECT_FALSE(claimed());
}

RUN_ON_ALL_BACKENDS(AuditContract);

}  // namespace
}  // namespace tallyman
