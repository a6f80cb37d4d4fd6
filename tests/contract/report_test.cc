// What hosts report, in a store.
#include <atomic>
#include <thread>
#include <vector>

#include "base/time.h"
#include "tests/contract/contract.h"

namespace tallyman {
namespace {

using namespace tallyman::store;

using enum Code;

class ReportContract : public StoreContract {
 protected:
  void SetUp() override {
    StoreContract::SetUp();
    host_ = AddHost("h1");
  }
  Status Write(const HostReport& report) {
    ChangeSet changes;
    changes.host_reports = {report};
    return Apply(store(), changes);
  }
  Status Write(const StatusReport& report) {
    ChangeSet changes;
    changes.status_reports = {report};
    return Apply(store(), changes);
  }
  std::optional<HostReport> LastOf(const HostId& host) {
    LockSet wanted;
    wanted.report_hosts = {host};
    Snapshot snapshot = Load(wanted);
    auto found = snapshot.host_reports.find(host);
    return found == snapshot.host_reports.end() ? std::nullopt : std::optional(found->second);
  }
  HostReport Heard(int64_t sequence) const {
    return {.host_id = host_, .sequence = sequence, .heard_at = FromMicros(sequence)};
  }
  Status Change(const CommandUpdate& update) {
    ChangeSet changes;
    changes.command_updates = {update};
    return Apply(store(), changes);
  }
  HandOut Find(Time now = FromMicros(100), int64_t limit = 10) {
    return Read([&](ReadTx& tx) {
      return tx.FindCommandsFor({.host_id = host_, .now = now, .limit = limit});
    });
  }
  // The one command of a node that AddNode() made.
  Command CommandOf(const Node& node) {
    for (const HandOut::Entry& entry : Find().commands)
      if (entry.command.node_id == node.id) return entry.command;
    ADD_FAILURE() << "no command for " << node.name;
    return {};
  }

  HostId host_;
};

TEST_P(ReportContract, OfAHostIsReadBack) {
  EXPECT_FALSE(LastOf(host_));
  HostReport report = Heard(3);
  ASSERT_OK(Write(report));
  EXPECT_EQ(LastOf(host_), report);
  HostReport with_status = Heard(4);
  with_status.status_at = FromMicros(4);
  with_status.capacity = Resources{1, 2, 3};
  with_status.agent_version = "9.9";
  with_status.unknown_nodes = 7;
  ASSERT_OK(Write(with_status));
  EXPECT_EQ(LastOf(host_), with_status);
  // One without a status leaves what the last one said.
  ASSERT_OK(Write(Heard(5)));
  with_status.sequence = 5;
  with_status.heard_at = FromMicros(5);
  EXPECT_EQ(LastOf(host_), with_status);
}

TEST_P(ReportContract, WithANumberThatIsNotBeyondTheLastFailsTheWholeWrite) {
  ASSERT_OK(Write(Heard(5)));
  const std::string before = Everything();
  for (int64_t sequence : {5, 4, 1}) {
    ChangeSet changes;
    changes.host_reports = {Heard(sequence)};
    changes.requests = {fleet_.Request("r")};
    ExpectRefused(Apply(store(), changes), kAborted, "REPORT_OUTDATED");
  }
  EXPECT_EQ(Everything(), before);
}

TEST_P(ReportContract, OfManyThatRaceEachNumberIsWrittenOnce) {
  std::atomic<int> written{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; ++t) {
    threads.emplace_back([&] {
      for (int64_t sequence = 1; sequence <= 8; ++sequence) {
        Status status = store().Write([&](WriteTx& tx) -> Status {
          LockSet locks;
          locks.report_hosts = {host_};
          ASSIGN_OR_RETURN(Snapshot snapshot, tx.Lock(locks));
          auto last = snapshot.host_reports.find(host_);
          const int64_t seen = last == snapshot.host_reports.end() ? 0 : last->second.sequence;
          if (seen >= sequence) return Fail(Error(Code::kAborted, "SEEN", "seen"));
          ChangeSet changes;
          changes.host_reports = {Heard(sequence)};
          tx.Apply(std::move(changes));
          return {};
        });
        if (status) ++written;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(written, 8);
  EXPECT_EQ(LastOf(host_)->sequence, 8);
}

TEST_P(ReportContract, OfNodesKeepsWhatWasSaidLastAndNothingMore) {
  auto node_of = [&](int number) {
    NodeReport node;
    node.node_id.uuid.bytes[15] = static_cast<uint8_t>(number);
    node.image_uri = "docker://x";
    node.run_state = ReportedRun::kRunning;
    node.limits = {1, 2, 3};
    return node;
  };
  auto count = [&] {
    const std::string dump = backend_->Dump();
    size_t rows = 0;
    for (size_t at = dump.find("docker://x"); at != std::string::npos;
         at = dump.find("docker://x", at + 1))
      ++rows;
    return rows;
  };
  const size_t without = count();
  ASSERT_OK(Write(StatusReport{host_, {node_of(1), node_of(2)}, true, FromMicros(1)}));
  EXPECT_EQ(count() - without, 2u);
  const std::string before = backend_->Dump();
  // The same again: not a byte is written.
  ASSERT_OK(Write(StatusReport{host_, {node_of(1), node_of(2)}, true, FromMicros(2)}));
  EXPECT_EQ(backend_->Dump(), before);
  NodeReport changed = node_of(2);
  changed.pending = true;
  ASSERT_OK(Write(StatusReport{host_, {changed}, false, FromMicros(3)}));
  EXPECT_NE(backend_->Dump(), before);
  EXPECT_EQ(count() - without, 2u);
  ASSERT_OK(Write(StatusReport{host_, {changed}, true, FromMicros(4)}));
  EXPECT_EQ(count() - without, 1u);
  ASSERT_OK(Write(StatusReport{host_, {}, true, FromMicros(5)}));
  EXPECT_EQ(count(), without);
}

TEST_P(ReportContract, OfNodesThatAreNotTheHostsForgetsWhatIsNotNamedAgain) {
  const Node own = AddNode("eth-1", host_);
  const Node elsewhere = AddNode("eth-2", AddHost("h2"));
  auto of = [](const NodeId& id) {
    NodeReport node;
    node.node_id = id;
    node.run_state = ReportedRun::kRunning;
    return node;
  };
  auto stored = [&](const NodeId& id) {
    return Read([&](ReadTx& tx) { return tx.FindReported({host_, id}); }).has_value();
  };
  const auto stranger = fleet_.ids.New<NodeId>(), second = fleet_.ids.New<NodeId>();
  StatusReport first{host_, {of(own.id), of(stranger), of(elsewhere.id)}, false, FromMicros(1)};
  ASSERT_OK(Write(first));
  EXPECT_TRUE(stored(own.id) && stored(stranger) && stored(elsewhere.id));
  ASSERT_OK(Write(StatusReport{host_, {of(second)}, false, FromMicros(2), true}));
  EXPECT_TRUE(stored(own.id));
  EXPECT_TRUE(stored(second));
  EXPECT_FALSE(stored(stranger));
  EXPECT_FALSE(stored(elsewhere.id)) << "another host's node is a stranger here";
}

TEST_P(ReportContract, FindsTheOldestOpenCommandOfEachNode) {
  Node a = AddNode("a", host_), b = AddNode("b", host_);
  AddNode("elsewhere", AddHost("h2"));
  ASSERT_OK(Apply(store(), fleet_.Upgrade(a, fleet_.big)));
  HandOut out = Find();
  ASSERT_EQ(out.commands.size(), 2u);
  EXPECT_EQ(out.commands[0].command.node_id, std::min(a.id, b.id));
  for (const HandOut::Entry& entry : out.commands) {
    EXPECT_EQ(entry.command.kind, CommandKind::kCreate);
    EXPECT_EQ(entry.node, entry.command.node_id == a.id ? "a" : "b");
    EXPECT_FALSE(entry.command.payload.empty());
  }
  EXPECT_FALSE(out.next_at);
  EXPECT_FALSE(out.last_heard);
  EXPECT_EQ(Find(FromMicros(100), 1).commands.size(), 1u);
  // Once the create is taken the upgrade comes.
  CommandUpdate taken{.id = CommandOf(a).id, .state = CommandState::kTaken};
  taken.taken_at = FromMicros(7);
  ASSERT_OK(Change(taken));
  EXPECT_EQ(CommandOf(a).kind, CommandKind::kUpgrade);
}

TEST_P(ReportContract, ACommandThatWaitsHoldsBackWhatComesAfterIt) {
  Node a = AddNode("a", host_);
  ASSERT_OK(Apply(store(), fleet_.Upgrade(a, fleet_.big)));
  CommandUpdate hinted{.id = CommandOf(a).id, .state = CommandState::kOpen};
  hinted.attempt = 2;
  hinted.not_before = FromMicros(50);
  hinted.outcome = "busy";
  ASSERT_OK(Change(hinted));
  EXPECT_EQ(Find(FromMicros(49)).commands.size(), 0u);
  EXPECT_EQ(Find(FromMicros(49)).next_at, FromMicros(50));
  HandOut out = Find(FromMicros(50));
  ASSERT_EQ(out.commands.size(), 1u);
  EXPECT_FALSE(out.next_at);
  EXPECT_EQ(out.commands[0].command.attempt, 2);
  EXPECT_EQ(out.commands[0].command.not_before, FromMicros(50));
  EXPECT_EQ(out.commands[0].command.outcome, "busy");
}

TEST_P(ReportContract, FindsWhatWasTakenTooLongAgo) {
  Node a = AddNode("a", host_), b = AddNode("b", host_);
  CommandUpdate taken{.id = CommandOf(a).id, .state = CommandState::kTaken};
  taken.taken_at = FromMicros(20);
  CommandUpdate earlier{.id = CommandOf(b).id, .state = CommandState::kTaken};
  earlier.taken_at = FromMicros(10);
  ASSERT_OK(Change(taken));
  ASSERT_OK(Change(earlier));
  auto overdue = [&](int64_t micros, int64_t limit) {
    return Read([&](ReadTx& tx) { return tx.FindOverdue(FromMicros(micros), limit); });
  };
  EXPECT_EQ(overdue(10, 9).size(), 0u);
  ASSERT_EQ(overdue(30, 9).size(), 2u);
  EXPECT_EQ(overdue(30, 9)[0].node_id, b.id);
  EXPECT_EQ(overdue(30, 9)[1].id, taken.id);
  EXPECT_EQ(overdue(30, 1).size(), 1u);
}

TEST_P(ReportContract, FindsWhatMayNotBeginAnyMore) {
  Node a = AddNode("a", host_), b = AddNode("b", host_), c = AddNode("c", host_);
  auto upgrade = [&](const Node& node, int64_t not_after) {
    ChangeSet changes = fleet_.Upgrade(node, fleet_.big);
    changes.new_commands.front().not_after = FromMicros(not_after);
    EXPECT_TRUE(Apply(store(), changes));
    return changes.new_commands.front().id;
  };
  for (const Node* node : {&a, &b, &c})
    ASSERT_OK(Change({.id = CommandOf(*node).id, .state = CommandState::kSettled}));
  upgrade(a, 20);
  const CommandId earlier = upgrade(b, 10);
  ASSERT_OK(Apply(store(), fleet_.Upgrade(c, fleet_.big)));
  auto late = [&](int64_t micros, int64_t limit) {
    return Read([&](ReadTx& tx) { return tx.FindLate(FromMicros(micros), limit); });
  };
  EXPECT_EQ(late(10, 9).size(), 0u);
  ASSERT_EQ(late(21, 9).size(), 2u);
  EXPECT_EQ(late(21, 9)[0].node_id, b.id);
  EXPECT_EQ(late(21, 1).size(), 1u);
  EXPECT_EQ(Find(FromMicros(10)).commands.size(), 3u);
  EXPECT_EQ(Find(FromMicros(11)).commands.size(), 2u);
  EXPECT_EQ(Find(FromMicros(21)).commands.size(), 1u);
  auto snapshot = Read([&](ReadTx& tx) { return tx.Load(LockOf(a.id)); });
  EXPECT_EQ(snapshot.nodes.at(a.id).transitions.back().not_after, FromMicros(20));
  ASSERT_OK(Change({.id = earlier, .state = CommandState::kCancelled}));
  EXPECT_EQ(late(21, 9).size(), 1u);
}

TEST_P(ReportContract, ListsTheLiveNodesOfAHost) {
  Node a = AddNode("a", host_), b = AddNode("b", host_);
  AddNode("elsewhere", AddHost("h2"));
  ASSERT_OK(Apply(store(), fleet_.Delete(b)));
  EXPECT_EQ(Read([&](ReadTx& tx) { return tx.LiveNodesOf(host_); }), std::vector{a.id});
}

TEST_P(ReportContract, AHistoryKnowsWhichConfigsANodeHasHad) {
  Node a = AddNode("a", host_), other = AddNode("b", host_);
  ChangeSet upgrade = fleet_.Upgrade(a, fleet_.big);
  const ConfigId second = upgrade.new_configs.front().id;
  const Command command = upgrade.new_commands.front();
  ASSERT_OK(Apply(store(), upgrade));
  LockSet wanted = LockOf(a.id);
  wanted.commands = {command.id};
  wanted.node_configs = {{a.id, a.config_id}, {a.id, second}, {a.id, other.config_id}};
  EXPECT_TRUE(Load(wanted).nodes.at(a.id).configs.empty());
  wanted.with_history = true;
  Snapshot snapshot = Load(wanted);
  const NodeSnapshot& node = snapshot.nodes.at(a.id);
  ASSERT_EQ(node.configs.size(), 2u);
  EXPECT_EQ(node.configs.at(second).resources, kBig);
  EXPECT_EQ(node.configs.at(second).image->id, fleet_.big.id);
  EXPECT_EQ(node.configs.at(a.config_id).resources, kSmall);
  EXPECT_EQ(node.ended_seq, 0);
  EXPECT_EQ(snapshot.commands.at(command.id).node_id, a.id);
  EXPECT_EQ(snapshot.commands.at(command.id).host_id, host_);
  // A command that has ended well counts, one that was withdrawn does not.
  ASSERT_OK(Change({command.id, CommandState::kSuperseded, FromMicros(1)}));
  EXPECT_EQ(Load(wanted).nodes.at(a.id).ended_seq, 0);
  ASSERT_OK(Change({command.id, CommandState::kReverted, FromMicros(1)}));
  EXPECT_EQ(Load(wanted).nodes.at(a.id).ended_seq, command.seq);
  EXPECT_EQ(Load(wanted).nodes.at(a.id).configs.size(), 2u);
}

TEST_P(ReportContract, FindsHostsWhoseMarkIsNotWhatTheirReportsSay) {
  const auto to_mark = [&](int64_t before, int64_t limit) {
    return Read([&](ReadTx& tx) { return tx.FindHostsToMark(FromMicros(before), limit); });
  };
  const auto was_heard = [&] { return Read([](ReadTx& tx) { return tx.WasAnyHostHeard(); }); };
  const HostId other = AddHost("h2");
  EXPECT_FALSE(was_heard());
  EXPECT_TRUE(to_mark(1'000'000, 10).empty()) << "never heard";
  ASSERT_OK(Write(Heard(5)));
  EXPECT_TRUE(was_heard());
  EXPECT_TRUE(to_mark(5, 10).empty()) << "heard since";
  EXPECT_EQ(to_mark(6, 10), (std::vector{host_}));
  Host& marked = fleet_.hosts.at(host_);
  marked.silent_since = FromMicros(5);
  ChangeSet mark;
  mark.host_updates = {{marked, marked.version}};
  ++mark.host_updates.front().after.version;
  ASSERT_OK(Apply(store(), mark));
  EXPECT_TRUE(to_mark(6, 10).empty()) << "marked already";
  EXPECT_EQ(to_mark(5, 10), (std::vector{host_})) << "marked, and heard since";
  HostReport of_other = Heard(4);
  of_other.host_id = other;
  ASSERT_OK(Write(of_other));
  EXPECT_EQ(to_mark(5, 10).size(), 2u);
  EXPECT_EQ(to_mark(5, 1).size(), 1u);
}

RUN_ON_ALL_BACKENDS(ReportContract);

}  // namespace
}  // namespace tallyman
