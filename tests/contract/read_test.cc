// What a read promises: one consistent state, beside writers; and what damaged rows look like.
#include <atomic>
#include <thread>

#include "tests/contract/contract.h"

namespace tallyman {
namespace {

using namespace tallyman::store;

class ReadContract : public StoreContract {};

TEST_P(ReadContract, AReaderSeesOneStateThroughout) {
  HostId host = AddHost("rack-1");
  Node node = AddNode("eth-1", host);
  ASSERT_OK(store().Read([&](ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(auto before, tx.FindHost("rack-1"));
    // A write that commits meanwhile does not show.
    std::thread writer([&] {
      Status status = Apply(store(), fleet_.Upgrade(node, fleet_.big));
      EXPECT_TRUE(status.has_value());
    });
    writer.join();
    ASSIGN_OR_RETURN(auto after, tx.FindHost("rack-1"));
    EXPECT_EQ(before->host, after->host);
    ASSIGN_OR_RETURN(auto read, tx.FindNode("eth-1"));
    EXPECT_EQ(read->node, node);
    return {};
  }));
  EXPECT_EQ(ReadHost(host).books, (Books{1, kBig}));
}

TEST_P(ReadContract, BooksBalanceInEveryStateThatReadersSeeBesideAWriter) {
  HostId host = AddHost("rack-1");
  Node node = AddNode("eth-1", host);
  std::atomic<bool> done = false;
  std::vector<std::thread> readers;
  std::atomic<int> reads = 0;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      while (!done) {
        LockSet wanted;
        wanted.hosts = {host};
        wanted.with_sums = true;
        Snapshot snapshot = Load(wanted);
        const HostSnapshot& read = snapshot.hosts.at(host);
        EXPECT_EQ(read.sums->books, read.host.books);
        EXPECT_EQ(read.ledger_balance, read.host.books);
        ++reads;
      }
    });
  }
  Node now = node;
  for (int i = 0; i < 60 || reads < 20; ++i) {
    ChangeSet changes = fleet_.Upgrade(now, i % 2 == 0 ? fleet_.big : fleet_.small);
    changes.new_commands.clear();
    now = changes.node_updates[0].after;
    Status status = Apply(store(), changes);
    EXPECT_TRUE(status.has_value()) << status.error().message;
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
}

TEST_P(ReadContract, WritersTakeTurnsAndNoneIsLost) {
  HostId host = AddHost("rack-1");
  constexpr int kWriters = 4, kEach = 15;
  std::vector<std::thread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < kEach; ++i) {
        Status status = store().Write([&](WriteTx& tx) -> Status {
          ASSIGN_OR_RETURN(Snapshot snapshot, tx.Lock(LockOf(host)));
          // Under the lock nobody else changes the host, nor this fleet's picture of it, which is
          // ahead of the host when a run before this one had to begin anew.
          fleet_.hosts.at(host) = snapshot.hosts.at(host).host;
          tx.Apply(fleet_.CreateNode("n-" + std::to_string(w * 100 + i), host, fleet_.small));
          return {};
        });
        EXPECT_TRUE(status.has_value()) << status.error().message;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(ReadHost(host).books.node_count, kWriters * kEach);
}

TEST_P(ReadContract, AMissingConfigIsAnErrorOfThatNodeOnly) {
  HostId host = AddHost("rack-1");
  Node node = AddNode("eth-1", host), fine = AddNode("eth-2", host);
  backend_->Corrupt("DELETE FROM configs WHERE id = " + backend_->Literal(node.config_id.uuid));
  LockSet wanted;
  wanted.nodes = {node.id, fine.id};
  Snapshot snapshot = Load(wanted);
  EXPECT_TRUE(snapshot.nodes.at(fine.id).config.has_value());
  const auto& config = snapshot.nodes.at(node.id).config;
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().code, Code::kDataLoss);
  EXPECT_EQ(config.error().reason, "OLD_CONFIG_UNREADABLE");
  EXPECT_EQ(config.error().Fact("node"), "eth-1");
  EXPECT_EQ(config.error().Fact("config_id"), node.config_id.ToString());
  EXPECT_NE(config.error().message.find("eth-1"), std::string::npos);
  EXPECT_NE(config.error().message.find(node.config_id.ToString()), std::string::npos);
}

TEST_P(ReadContract, AnUnreadableConfigIsAnErrorOfThatNodeOnly) {
  HostId host = AddHost("rack-1");
  Node node = AddNode("eth-1", host);
  for (const char* json : {"", "{", "[]", R"({"values":{"a":1},"firewall_rules":[]})"}) {
    backend_->Corrupt("UPDATE configs SET json = '" + std::string(json) +
                      "' WHERE id = " + backend_->Literal(node.config_id.uuid));
    const auto snapshot = Load(LockOf(node.id));
    const auto& config = snapshot.nodes.at(node.id).config;
    ASSERT_FALSE(config.has_value()) << json;
    EXPECT_EQ(config.error().reason, "OLD_CONFIG_UNREADABLE");
    EXPECT_NE(config.error().message.find("eth-1"), std::string::npos);
  }
}

TEST_P(ReadContract, ManyReadsTogetherKeepToTheirTime) {
  AddHost("rack-1");
  Status status = store().Read([&](ReadTx& tx) -> Status {
    tx.LimitTime(std::chrono::milliseconds(50));
    while (true) {
      ASSIGN_OR_RETURN(auto found, tx.FindHost("rack-1"));
    }
  });
  ExpectRefused(status, Code::kDeadlineExceeded, "DEADLINE_EXCEEDED");
  // The next one has its own time.
  ASSERT_OK(store().Read([&](ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(auto found, tx.FindHost("rack-1"));
    return {};
  }));
}

TEST_P(ReadContract, AWordThatNobodyWroteIsDataLoss) {
  HostId host = AddHost("rack-1");
  Node node = AddNode("eth-1", host);
  backend_->Corrupt("UPDATE nodes SET node_state = 'flying'");
  Status status = store().Read([&](ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(auto found, tx.FindNode("eth-1"));
    return {};
  });
  ExpectRefused(status, Code::kDataLoss, "DATABASE_CORRUPT");
}

TEST_P(ReadContract, SumsBeyond64BitsAreAnErrorAndNotAWrap) {
  HostId host = AddHost("rack-1");
  AddNode("eth-1", host);
  Node node = AddNode("eth-2", host);
  backend_->Corrupt("UPDATE nodes SET memory_bytes = 9223372036854775807");
  LockSet wanted = LockOf(host);
  wanted.with_sums = true;
  Status status = store().Read([&](ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(Snapshot snapshot, tx.Load(wanted));
    return {};
  });
  ExpectRefused(status, Code::kOutOfRange, "RESOURCE_OVERFLOW");
  ChangeSet changes = fleet_.CreateNode("eth-3", host, fleet_.small);
  ExpectRefused(Apply(store(), changes), Code::kFailedPrecondition, "BOOKS_MISMATCH");
}

TEST_P(ReadContract, AReadAfterAWriteIsAProgrammersError) {
  HostId host = AddHost("rack-1");
  Status status = store().Write([&](WriteTx& tx) -> Status {
    tx.Apply(fleet_.CreateNode("eth-1", host, fleet_.small));
    ASSIGN_OR_RETURN(auto found, tx.FindNode("eth-1"));
    return {};
  });
  ExpectRefused(status, Code::kInternal, "READ_AFTER_WRITE");
}

RUN_ON_ALL_BACKENDS(ReadContract);

}  // namespace
}  // namespace tallyman
