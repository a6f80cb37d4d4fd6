// What ended commands leave behind in a store, and what of it is forgotten.
#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "base/time.h"
#include "tests/contract/contract.h"

namespace tallyman {
namespace {

using namespace tallyman::store;

using enum CommandState;

class HistoryContract : public StoreContract {
 protected:
  // A change of a node: what it was afterwards, and the command that says so.
  struct Change {
    Node node;
    Command command;
  };
  void SetUp() override {
    StoreContract::SetUp();
    host_ = AddHost("rack-1");
  }
  Change Create(const std::string& name) {
    ChangeSet changes = fleet_.CreateNode(name, host_, fleet_.small);
    Change change{changes.new_nodes.front(), changes.new_commands.front()};
    EXPECT_TRUE(Apply(store(), std::move(changes)));
    return change;
  }
  Change Upgrade(const Change& before) {
    const Image& image = before.node.image_id == fleet_.small.id ? fleet_.big : fleet_.small;
    ChangeSet changes = fleet_.Upgrade(before.node, image);
    Change change{changes.node_updates.front().after, changes.new_commands.front()};
    EXPECT_TRUE(Apply(store(), std::move(changes)));
    return change;
  }
  void End(const Change& change, CommandState state, int64_t micros) {
    ChangeSet changes;
    changes.command_updates = {{change.command.id, state, FromMicros(micros)}};
    ASSERT_OK(Apply(store(), changes));
  }
  void Runs(Change& change, const std::optional<ConfigId>& config) {
    ChangeSet changes;
    NodeUpdate& update = changes.node_updates.emplace_back();
    update.version_before = change.node.version;
    change.node.running_config_id = config;
    ++change.node.version;
    update.after = change.node;
    ASSERT_OK(Apply(store(), changes));
  }
  void IsGone(const Change& change, int64_t micros) {
    ChangeSet changes = fleet_.Delete(change.node);
    Node& after = changes.node_updates.front().after;
    after.released_at = after.deleted_at = FromMicros(micros);
    ASSERT_OK(Apply(store(), changes));
  }
  void Reports(const Change& change, const ConfigId& config) {
    NodeReport report;
    report.node_id = change.node.id;
    report.config_id = config;
    ChangeSet changes;
    changes.status_reports = {{host_, {report}, true, FromMicros(1)}};
    ASSERT_OK(Apply(store(), changes));
  }
  Forgotten ForgetBy(const ForgetQuery& query) {
    return Write([&](WriteTx& tx) { return tx.Forget(query); });
  }
  int64_t Forget(int64_t before) {
    return ForgetBy({.commands_before = FromMicros(before)}).commands;
  }
  // A payload and the config that the command led to are there together, or are forgotten together.
  bool IsKept(const Change& change) {
    const auto row = Read([&](ReadTx& tx) { return tx.FindCommand(change.command.id); });
    const bool payload = !row.value().command.payload.empty();
    if (!change.command.to_config_id) return payload;
    const auto config = Read([&](ReadTx& tx) { return tx.FindConfig(change.node.config_id); });
    EXPECT_EQ(payload, !config.value().forgotten);
    EXPECT_EQ(config.value().image_id, change.node.image_id);
    EXPECT_EQ(config.value().resources, change.node.resources);
    EXPECT_EQ(config.value().values.empty(), config.value().forgotten);
    return payload;
  }
  // Which of its configs a host may say that the node runs.
  bool IsKnown(const Change& change) {
    LockSet wanted = LockOf(change.node.id);
    wanted.with_history = true;
    wanted.node_configs = {{change.node.id, *change.command.to_config_id}};
    return Load(wanted).nodes.at(change.node.id).configs.contains(*change.command.to_config_id);
  }
  int64_t CountEnded() {
    return Read([](ReadTx& tx) { return tx.CountEndedCommands(); });
  }

  HostId host_;
};

TEST_P(HistoryContract, ACommandIsForgottenWithItsConfigOnceALaterOneHasSettledForAsLong) {
  const Change first = Create("eth-1");
  End(first, kSettled, 10);
  const Change second = Upgrade(first);
  End(second, kSettled, 20);
  const Change third = Upgrade(second);
  End(third, kSettled, 30);
  EXPECT_EQ(CountEnded(), 3);
  EXPECT_EQ(ForgetBy({}).commands, 0) << "what is not named stays";
  EXPECT_EQ(Forget(20), 0) << "until 20 the node had the first config";
  EXPECT_TRUE(IsKept(first) && IsKnown(first));
  EXPECT_EQ(Forget(21), 1);
  EXPECT_FALSE(IsKept(first) || IsKnown(first));
  EXPECT_TRUE(IsKept(second) && IsKnown(second));
  EXPECT_EQ(Forget(1000), 1);
  EXPECT_FALSE(IsKept(second) || IsKnown(second));
  EXPECT_TRUE(IsKept(third) && IsKnown(third)) << "the node has it";
  EXPECT_EQ(CountEnded(), 1);
  // What the ledger refers to, and who did what when, stays.
  EXPECT_EQ(Read([](ReadTx& tx) { return tx.ListCommands({.order_by = "id"}); }).size(), 3u);
  EXPECT_EQ(Read([&](ReadTx& tx) { return tx.HostLedger(host_, 0, 100); }).size(), 3u);
}

TEST_P(HistoryContract, WhatCameToNothingIsForgottenByItsOwnAge) {
  const Change first = Create("eth-1");
  End(first, kSuperseded, 10);
  const Change second = Upgrade(first);
  End(second, kCancelled, 20);
  const Change third = Upgrade(second);
  End(third, kReverted, 30);
  const Change last = Upgrade(third);
  EXPECT_EQ(Forget(31), 2);
  EXPECT_FALSE(IsKept(first) || IsKept(second));
  EXPECT_TRUE(IsKept(third)) << "an open command leads from it";
  End(last, kReverted, 40);
  EXPECT_EQ(Forget(30), 0);
  EXPECT_EQ(Forget(31), 1);
  EXPECT_FALSE(IsKept(third));
  EXPECT_TRUE(IsKept(last));
}

TEST_P(HistoryContract, WhatANodeRunsIsKept) {
  const Change first = Create("eth-1");
  End(first, kSettled, 10);
  const Change second = Upgrade(first);
  End(second, kSettled, 20);
  Change third = Upgrade(second);
  End(third, kSettled, 30);
  Runs(third, first.node.config_id);
  EXPECT_EQ(Forget(1000), 1);
  EXPECT_TRUE(IsKept(first) && IsKnown(first));
  EXPECT_FALSE(IsKept(second));
  Runs(third, third.node.config_id);
  EXPECT_EQ(Forget(1000), 1);
  EXPECT_FALSE(IsKept(first));
}

TEST_P(HistoryContract, WhatAHostReportsIsKept) {
  const Change first = Create("eth-1");
  End(first, kSettled, 10);
  const Change second = Upgrade(first);
  End(second, kSettled, 20);
  Reports(second, first.node.config_id);
  EXPECT_EQ(Forget(1000), 0);
  IsGone(second, 30);
  EXPECT_EQ(Forget(1000), 1);
  EXPECT_TRUE(IsKept(first)) << "also of a node that is gone";
  EXPECT_FALSE(IsKept(second));
  Reports(second, second.node.config_id);
  EXPECT_EQ(Forget(1000), 1);
  EXPECT_FALSE(IsKept(first));
}

TEST_P(HistoryContract, AFailedCommandIsKeptUntilALaterOneHasEndedWell) {
  for (const CommandState well : {kSettled, kReverted}) {
    const Change first = Create(well == kSettled ? "eth-1" : "eth-2");
    End(first, kSettled, 10);
    const Change failed = Upgrade(first);
    End(failed, kFailed, 20);
    const Change second = Upgrade(failed);
    End(second, kFailed, 30);
    EXPECT_EQ(Forget(1000), 0) << "the node may come back from each of them";
    const Change third = Upgrade(second);
    End(third, well, 40);
    EXPECT_EQ(Forget(40), 0);
    EXPECT_TRUE(IsKept(failed) && IsKept(second));
    // What was before is the config that a node goes on with where the later one was reverted.
    EXPECT_EQ(Forget(41), well == kSettled ? 3 : 2);
    EXPECT_FALSE(IsKept(failed) || IsKept(second));
    EXPECT_EQ(IsKept(first), well == kReverted);
    EXPECT_TRUE(IsKept(third));
  }
}

TEST_P(HistoryContract, WhatAFailedCommandLedFromIsKeptWhileItCounts) {
  const Change first = Create("eth-1");
  End(first, kSettled, 10);
  const Change passed_over = Upgrade(first);
  End(passed_over, kSuperseded, 20);
  const Change failed = Upgrade(passed_over);
  End(failed, kFailed, 30);
  const Change last = Upgrade(failed);
  EXPECT_EQ(Forget(1000), 0);
  EXPECT_TRUE(IsKept(passed_over));
  End(last, kSettled, 40);
  EXPECT_EQ(Forget(40), 1);
  EXPECT_FALSE(IsKept(passed_over));
  EXPECT_EQ(Forget(41), 2);
  EXPECT_FALSE(IsKept(first) || IsKept(failed));
  EXPECT_TRUE(IsKept(last));
}

TEST_P(HistoryContract, OfANodeThatIsGoneForAsLongNothingIsKept) {
  const Change first = Create("eth-1");
  End(first, kSettled, 10);
  const Change second = Upgrade(first);
  End(second, kFailed, 20);
  IsGone(second, 30);
  EXPECT_EQ(Forget(30), 0);
  EXPECT_EQ(Forget(31), 2);
  EXPECT_FALSE(IsKept(first) || IsKept(second));
  const auto found =
      Read([&](ReadTx& tx) { return tx.FindNodeAndConfig(second.node.id.ToString()); });
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->config.forgotten);
  EXPECT_EQ(found->config.resources, second.node.resources);
  EXPECT_TRUE(found->config.firewall_rules.empty());
}

TEST_P(HistoryContract, ALiveNodeWithoutItsConfigIsDamagedNotForgotten) {
  const Change node = Create("eth-1");
  backend_->Corrupt("UPDATE configs SET json = ''");
  const Status read = store().Read([&](ReadTx& tx) -> Status {
    RETURN_IF_ERROR(tx.FindNodeAndConfig("eth-1"));
    return {};
  });
  ExpectRefused(read, Code::kDataLoss, "OLD_CONFIG_UNREADABLE");
  EXPECT_FALSE(Load(LockOf(node.node.id)).nodes.at(node.node.id).config);
}

TEST_P(HistoryContract, WhatChangesNoConfigIsForgottenByItsOwnAge) {
  const Change node = Create("eth-1");
  Change restart = node;
  restart.command.id = fleet_.ids.New<CommandId>();
  restart.command.kind = CommandKind::kRestart;
  restart.command.seq = 7;
  restart.command.to_config_id.reset();
  ChangeSet changes;
  changes.new_commands = {restart.command};
  ASSERT_OK(Apply(store(), changes));
  EXPECT_EQ(Forget(1000), 0) << "it is open";
  End(restart, kFailed, 10);
  EXPECT_EQ(Forget(10), 0);
  EXPECT_EQ(Forget(11), 1);
  EXPECT_FALSE(IsKept(restart));
  EXPECT_TRUE(IsKept(node));
}

TEST_P(HistoryContract, GoesPieceByPieceTheOldestFirst) {
  std::vector<Change> changes = {Create("eth-1")};
  // The first two end in the same moment.
  for (int64_t at : {10, 10, 20, 30}) {
    End(changes.back(), kSuperseded, at);
    changes.push_back(Upgrade(changes.back()));
  }
  EXPECT_EQ(
      ForgetBy({.commands_before = FromMicros(25), .commands_after = FromMicros(21)}).commands, 0);
  ForgetQuery query{.commands_before = FromMicros(25), .limit = 1};
  for (const int64_t until : {10, 10, 20}) {
    const Forgotten piece = ForgetBy(query);
    EXPECT_EQ(piece.commands, 1);
    EXPECT_FALSE(piece.done);
    EXPECT_EQ(piece.commands_until, FromMicros(until));
    query.commands_after = piece.commands_until;
  }
  const Forgotten rest = ForgetBy(query);
  EXPECT_EQ(rest.commands, 0);
  EXPECT_TRUE(rest.done);
  EXPECT_EQ(std::ranges::count_if(changes, [&](const Change& c) { return IsKept(c); }), 2);
}

TEST_P(HistoryContract, TwoMayForgetAtOnceWhileNodesChange) {
  constexpr int64_t kNodes = 8, kChanges = 5;
  std::vector<std::vector<Change>> nodes;
  for (int i = 0; i < kNodes; ++i) {
    auto& node = nodes.emplace_back(std::vector{Create("eth-" + std::to_string(i))});
    for (int64_t at = 10; at < 10 + kChanges; ++at) {
      End(node.back(), kSettled, at);
      node.push_back(Upgrade(node.back()));
    }
  }
  std::atomic<int64_t> forgotten{0};
  auto work = [&] {
    for (int i = 0; i < 1000 && forgotten < kNodes * (kChanges - 1); ++i)
      forgotten += ForgetBy({.commands_before = FromMicros(100), .limit = 3}).commands;
  };
  std::thread one(work), other(work);
  for (auto& node : nodes) Runs(node.back(), node.back().node.config_id);
  one.join();
  other.join();
  EXPECT_EQ(forgotten, kNodes * (kChanges - 1));
  for (auto& node : nodes) {
    const Change last = node.back();
    node.pop_back();
    EXPECT_TRUE(IsKept(node.back())) << "the last that settled";
    node.pop_back();
    for (const Change& change : node) EXPECT_FALSE(IsKept(change));
    EXPECT_TRUE(IsKept(last));
  }
}

RUN_ON_ALL_BACKENDS(HistoryContract);

}  // namespace
}  // namespace tallyman
