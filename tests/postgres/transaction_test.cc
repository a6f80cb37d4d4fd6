// How a lot travels, waits and is run again.
#include <atomic>
#include <future>

#include "tests/postgres/postgres_test.h"

namespace tallyman {
namespace {

using namespace tallyman::store;

class TransactionTest : public PostgresTest {
 protected:
  // One lot: locks these nodes, then writes an upgrade of each.
  Status UpgradeAll(store::postgres::PostgresStore& store, std::vector<Node>& nodes,
                    const Image& image) {
    return store.Write([&](WriteTx& tx) -> Status {
      LockSet locks;
      for (const Node& each : nodes) locks.nodes.push_back(each.id);
      locks.requests = {fleet.Request("r").key};
      locks.images = {image.id};
      ASSIGN_OR_RETURN(Snapshot snapshot, tx.Lock(locks));
      EXPECT_EQ(snapshot.nodes.size(), nodes.size());
      for (Node& each : nodes) {
        ChangeSet changes = fleet.Upgrade(each, image);
        changes.new_commands.clear();
        each = changes.node_updates.front().after;
        tx.Apply(std::move(changes));
      }
      return {};
    });
  }
};

TEST_F(TransactionTest, ALotIsTwoRoundTripsOfOneUpgradeOrOfAThousand) {
  auto store = Open({.writers_max = 1});
  AddFleet(*store);
  ChangeSet many;
  std::vector<Node> nodes;
  ASSERT_OK(store->Write([&](WriteTx& tx) -> Status {
    for (int i = 0; i < 1000; ++i) {
      ChangeSet create = fleet.CreateNode("n-" + std::to_string(i), host, fleet.small);
      nodes.push_back(create.new_nodes.front());
      tx.Apply(std::move(create));
    }
    return {};
  }));
  std::vector<Node> one = {node};
  // Images are read when they are first met.
  ASSERT_OK(UpgradeAll(*store, one, fleet.big));

  int64_t before = store->stats().round_trips;
  ASSERT_OK(UpgradeAll(*store, one, fleet.small));
  EXPECT_EQ(store->stats().round_trips - before, 2);
  before = store->stats().round_trips;
  ASSERT_OK(UpgradeAll(*store, nodes, fleet.big));
  EXPECT_EQ(store->stats().round_trips - before, 2);
  EXPECT_EQ(store->stats().retries, 0);
  EXPECT_EQ(database.Sql("SELECT sum(cpu_cores) FROM nodes"),
            std::vector<std::string>{std::to_string(1000 * kBig.cpu_cores + kSmall.cpu_cores)});
}

// A table is small when the first statement on it is planned, and the plan is kept while it grows.
TEST_F(TransactionTest, AnUpgradeReadsNoTableFromEndToEnd) {
  const std::string scans =
      "SELECT sum(seq_scan) FROM pg_stat_user_tables "
      "WHERE relname IN ('hosts', 'nodes', 'configs', 'commands')";
  const std::string updates =
      "SELECT n_tup_upd = 1 FROM pg_stat_user_tables WHERE relname = 'nodes'";
  const std::string inserts =
      "SELECT n_tup_ins = 1 FROM pg_stat_user_tables WHERE relname = 'nodes'";
  // Earlier tests may have had the database, and be counted.
  ASSERT_TRUE(
      Await("SELECT count(*) = 0 FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"));
  database.Sql("SELECT pg_stat_reset()");
  auto store = Open();
  AddFleet(*store);
  store.reset();  // a session hands in what it counted when it ends
  ASSERT_TRUE(Await(inserts));
  const auto before = database.Sql(scans);
  store = Open({.writers_max = 1});
  std::vector<Node> nodes = {node};
  ASSERT_OK(UpgradeAll(*store, nodes, fleet.big));
  store.reset();
  ASSERT_TRUE(Await(updates));
  EXPECT_EQ(database.Sql(scans), before);
}

TEST_F(TransactionTest, ARowThatSomebodyElseHoldsIsWaitedForNoLongerThanTheBound) {
  auto store = Open({.lock_timeout_ms = 50});
  AddFleet(*store);
  std::vector<Node> nodes = {node};
  {
    SqlSession other(database.dsn());
    other.Run("BEGIN; SELECT 1 FROM hosts FOR UPDATE");
    Status status = UpgradeAll(*store, nodes, fleet.big);
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().reason, "ROWS_LOCKED");
    EXPECT_EQ(status.error().code, Code::kUnavailable);
    // Who only reads does not wait.
    ASSERT_OK(store->Read([&](ReadTx& tx) -> Status {
      ASSIGN_OR_RETURN(auto found, tx.FindHost("rack-1"));
      return {};
    }));
  }
  EXPECT_TRUE(UpgradeAll(*store, nodes, fleet.big).has_value());
}

TEST_F(TransactionTest, WhatTheLockGuardsIsReadBehindIt) {
  auto store = Open();
  AddFleet(*store);
  SqlSession other(database.dsn());
  other.Run("BEGIN; UPDATE hosts SET version = 70; UPDATE nodes SET version = 80");
  auto snapshot = std::async(std::launch::async, [&]() -> Result<Snapshot> {
    Result<Snapshot> read;
    Status status = store->Write([&](WriteTx& tx) -> Status {
      read = tx.Lock(Everything());
      return {};
    });
    if (!status) return Fail(status.error());
    return read;
  });
  ASSERT_TRUE(
      Await("SELECT count(*) > 0 FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"));
  other.Run("COMMIT");
  Result<Snapshot> seen = snapshot.get();
  ASSERT_OK(seen);
  EXPECT_EQ(seen->hosts.at(host).host.version, 70);
  EXPECT_EQ(seen->nodes.at(node.id).node.version, 80);
}

// Hosts that were found to have room are locked a statement later; who fills them in between makes
// the whole transaction run again, and what ran out of tries has not happened.
TEST_F(TransactionTest, APlacementThatOthersFilledIsRunAgainAndNeverHalfDone) {
  auto store = Open({.lock_timeout_ms = 20'000, .retries_max = 0});
  AddFleet(*store);
  LockSet locks;
  locks.placement = PlacementQuery{fleet.region.id, {1, 1, 1}, PlacementStrategy::kSpread, 1};
  SqlSession other(database.dsn());
  other.Run("BEGIN; UPDATE hosts SET held_cpu_cores = cpu_cores");
  auto placing = std::async(std::launch::async, [&] {
    return store->Write([&](WriteTx& tx) -> Status {
      ASSIGN_OR_RETURN(Snapshot snapshot, tx.Lock(locks));
      EXPECT_TRUE(snapshot.candidates.empty());
      tx.Apply(NewOrg(fleet, "placed"));
      return {};
    });
  });
  ASSERT_TRUE(
      Await("SELECT count(*) > 0 FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"));
  other.Run("COMMIT");
  Status placed = placing.get();
  ASSERT_FALSE(placed.has_value()) << "it was said to be done, and was not";
  EXPECT_EQ(placed.error().reason, "DATABASE_CONFLICT");
  EXPECT_EQ(database.Sql("SELECT count(*) FROM orgs"), std::vector<std::string>{"1"});
}

TEST_F(TransactionTest, ADeadlockIsResolvedByRunningAgain) {
  auto store = Open({.lock_timeout_ms = 20'000});
  AddFleet(*store);
  // Somebody who takes locks in the wrong order: a node, then its host.
  SqlSession other(database.dsn());
  other.Run("BEGIN; SET LOCAL deadlock_timeout = '1h'; SELECT 1 FROM nodes FOR UPDATE");
  std::atomic<int> runs = 0;
  auto writing = std::async(std::launch::async, [&] {
    return store->Write([&](WriteTx& tx) -> Status {
      ++runs;
      ASSIGN_OR_RETURN(Snapshot snapshot, tx.Lock(Everything()));
      return {};
    });
  });
  ASSERT_TRUE(
      Await("SELECT count(*) > 0 FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"));
  auto wrong_order = std::async(std::launch::async, [&] {
    other.Run("SELECT 1 FROM hosts FOR UPDATE");
    other.Run("COMMIT");
  });
  ASSERT_OK(writing.get());
  wrong_order.get();
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(store->stats().retries, 1);
}

TEST_F(TransactionTest, AConnectionThatIsLostBeforeTheCommitIsRunAgain) {
  auto store = Open();
  AddFleet(*store);
  int runs = 0;
  ASSERT_OK(store->Write([&](WriteTx& tx) -> Status {
    ASSIGN_OR_RETURN(Snapshot snapshot, tx.Lock(Everything()));
    if (++runs == 1) {
      TerminateAll();
      // The next statement finds out.
      ASSIGN_OR_RETURN(auto found, tx.FindHost("rack-1"));
    }
    Host changed = snapshot.hosts.at(host).host;
    ++changed.version;
    ChangeSet changes;
    changes.host_updates = {{changed, changed.version - 1}};
    tx.Apply(std::move(changes));
    return {};
  }));
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(database.Sql("SELECT version FROM hosts"), std::vector<std::string>{"3"});
}

TEST_F(TransactionTest, IdleConnectionsThatTheServerEndedAreNotUsed) {
  auto store = Open();
  AddFleet(*store);
  for (int i = 0; i < 3; ++i) {
    TerminateAll();
    ASSERT_OK(store->Read([&](ReadTx& tx) -> Status {
      ASSIGN_OR_RETURN(auto found, tx.FindHost("rack-1"));
      EXPECT_TRUE(found.has_value());
      return {};
    }));
    ASSERT_OK(Apply(*store, NewOrg(fleet, "org-" + std::to_string(i))));
  }
}

// A commit that hangs: its deferred trigger waits for a lock that the test holds.
TEST_F(TransactionTest, ACommitWhoseReplyIsLostHasAnErrorOfItsOwn) {
  auto store = Open({.lock_timeout_ms = 30'000});
  AddFleet(*store);
  database.Sql(
      "CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
      "PERFORM pg_advisory_xact_lock(1); RETURN NULL; END $$;"
      "CREATE CONSTRAINT TRIGGER hang AFTER INSERT ON orgs DEFERRABLE INITIALLY DEFERRED "
      "FOR EACH ROW EXECUTE FUNCTION hang()");
  SqlSession holder(database.dsn());
  holder.Run("SELECT pg_advisory_lock(1)");
  int runs = 0;
  ChangeSet changes = NewOrg(fleet, "late");
  auto writing = std::async(std::launch::async, [&] {
    return store->Write([&](WriteTx& tx) -> Status {
      ++runs;
      tx.Apply(changes);
      return {};
    });
  });
  ASSERT_TRUE(
      Await("SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database() "
            "AND wait_event = 'advisory' AND query = 'COMMIT'"));
  database.Sql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
      "WHERE datname = current_database() AND query = 'COMMIT'");
  Status status = writing.get();
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::kUnavailable);
  EXPECT_EQ(status.error().reason, "COMMIT_UNKNOWN") << status.error().message;
  EXPECT_EQ(runs, 1) << "only whoever knows the request ids may run it again";
}

TEST_F(TransactionTest, AStatementThatFailedCannotBeOverlooked) {
  auto store = Open();
  AddFleet(*store);
  Status status = store->Write([&](WriteTx& tx) -> Status {
    ASSIGN_OR_RETURN(Snapshot snapshot, tx.Lock(Everything()));
    // Refused by the server, and nobody looks.
    ListQuery broken;
    broken.conditions = {{"name", Comparison::kEqual, std::string("a\0b", 3)}};
    EXPECT_FALSE(tx.ListHosts(broken).has_value());
    tx.Apply(NewOrg(fleet, "carries on"));
    return {};
  });
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().reason, "INVALID_TEXT");
  EXPECT_EQ(database.Sql("SELECT count(*) FROM orgs"), std::vector<std::string>{"1"});
}

TEST_F(TransactionTest, UnderSerializableWritersOfOneHostAllGetThrough) {
  PostgresDatabase strict(
      PostgresDatabase::Settings{{"default_transaction_isolation", "serializable"}});
  auto store = *store::postgres::PostgresStore::Open(strict.dsn(), {});
  AddFleet(*store);
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([&] {
      for (int i = 0; i < 10; ++i) {
        Status status = store->Write([&](WriteTx& tx) -> Status {
          ASSIGN_OR_RETURN(Snapshot snapshot, tx.Lock(Everything()));
          Host changed = snapshot.hosts.at(host).host;
          ++changed.version;
          ChangeSet changes;
          changes.host_updates = {{changed, changed.version - 1}};
          tx.Apply(std::move(changes));
          return {};
        });
        EXPECT_TRUE(status.has_value()) << status.error().message;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(strict.Sql("SELECT version FROM hosts"), std::vector<std::string>{"42"});
  EXPECT_GT(store->stats().retries, 0) << "nobody met anybody: this tested nothing";
}

}  // namespace
}  // namespace tallyman
