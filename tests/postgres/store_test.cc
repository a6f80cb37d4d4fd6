// Opening, migrating, connecting: the database as people meet it.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <future>

#include "store/postgres/dsn.h"
#include "store/postgres/migrations.h"
#include "tests/postgres/postgres_test.h"

namespace tallyman {
namespace {

using namespace tallyman::store;
using namespace tallyman::store::postgres;

class StoreTest : public PostgresTest {
 protected:
  static PostgresStoreOptions ForMigration() {
    PostgresStoreOptions options;
    options.for_migration = true;
    return options;
  }
  static Status FindHost(Store& store, std::optional<std::chrono::milliseconds> limit = {}) {
    return store.Read([&](ReadTx& tx) -> Status {
      if (limit) tx.LimitTime(*limit);
      ASSIGN_OR_RETURN(auto found, tx.FindHost("rack-1"));
      return {};
    });
  }
  static Status ReadNothing(Store& store) {
    return store.Read([](ReadTx& tx) -> Status {
      ASSIGN_OR_RETURN(auto orgs, tx.ListOrgs({}));
      return {};
    });
  }
};

TEST_F(StoreTest, ANewerSchemaIsRefusedAlsoForMigration) {
  database.Sql("UPDATE tallyman_schema SET version = 99");
  for (const PostgresStoreOptions& options : {PostgresStoreOptions(), ForMigration()}) {
    Error error = OpenError(database.dsn(), options);
    EXPECT_EQ(error.code, Code::kFailedPrecondition);
    EXPECT_EQ(error.reason, "SCHEMA_TOO_NEW");
    EXPECT_EQ(error.Fact("version"), "99");
  }
}

TEST_F(StoreTest, AnEmptyDatabaseIsRefusedUntilItIsMigrated) {
  PostgresDatabase empty({}, false);
  EXPECT_EQ(OpenError(empty.dsn()).reason, "SCHEMA_TOO_OLD");
  auto opened = PostgresStore::Open(empty.dsn(), ForMigration());
  ASSERT_OK(opened);
  EXPECT_EQ((*opened)->Schema()->version, 0);
  EXPECT_EQ(ReadNothing(**opened).error().reason, "SCHEMA_TOO_OLD");
  ASSERT_OK((*opened)->Migrate());
  ASSERT_OK(ReadNothing(**opened));
  EXPECT_TRUE(PostgresStore::Open(empty.dsn(), {}).has_value());
}

TEST_F(StoreTest, TablesOfAnotherProgramAreLeftAlone) {
  PostgresDatabase other({}, false);
  other.Sql("CREATE TABLE nodes (id int)");
  Error error = OpenError(other.dsn(), ForMigration());
  EXPECT_EQ(error.code, Code::kFailedPrecondition);
  EXPECT_EQ(error.reason, "NOT_A_DATABASE");
}

TEST_F(StoreTest, AnEncodingThatCannotHoldEveryTextIsRefused) {
  const std::string name = fmt::format("latin_{}", ::getpid());
  database.Sql(fmt::format(
      "CREATE DATABASE {} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'", name));
  for (const PostgresStoreOptions& options : {PostgresStoreOptions(), ForMigration()}) {
    const Error error = OpenError(SharedClusterDsn(name), options);
    EXPECT_EQ(error.code, Code::kFailedPrecondition);
    EXPECT_EQ(error.reason, "DATABASE_ENCODING");
    EXPECT_NE(error.message.find("LATIN1"), std::string::npos);
  }
  database.Sql(fmt::format("DROP DATABASE {} (FORCE)", name));
}

TEST_F(StoreTest, TwoThatMigrateAtOnceBothSucceed) {
  PostgresDatabase empty({}, false);
  auto migrate = [&]() -> Result<SchemaState> {
    auto store = PostgresStore::Open(empty.dsn(), ForMigration());
    if (!store) return Fail(store.error());
    return (*store)->Migrate();
  };
  std::vector<std::future<Result<SchemaState>>> all;
  for (int i = 0; i < 4; ++i) all.push_back(std::async(std::launch::async, migrate));
  for (auto& one : all) {
    auto migrated = one.get();
    ASSERT_OK(migrated);
    EXPECT_EQ(migrated->version, migrated->newest_version);
  }
}

// A database of the schema before liveness: hosts that reported count as heard.
TEST_F(StoreTest, HostsOfAnOlderSchemaAreHeardWhereTheyHaveReported) {
  PostgresDatabase old({}, false);
  for (const Migration& migration : PostgresMigrations().first(4))
    old.Sql(std::string(migration.sql));
  old.Sql("CREATE TABLE tallyman_schema (version bigint NOT NULL)");
  old.Sql("INSERT INTO tallyman_schema (version) VALUES (4)");
  old.Sql("INSERT INTO regions VALUES ('00000000-0000-0000-0000-000000000001', 'eu', 1)");
  old.Sql(
      "INSERT INTO hosts (id, name, region_id, cpu_cores, memory_bytes, disk_bytes, node_count, "
      "node_cpu_cores, node_memory_bytes, node_disk_bytes, held_cpu_cores, held_memory_bytes, "
      "held_disk_bytes, ledger_seq, version, created_at, updated_at) "
      "SELECT id, name, '00000000-0000-0000-0000-000000000001', 8, 8, 8, 0, 0, 0, 0, 0, 0, 0, 0, "
      "1, 1, 1 FROM (VALUES ('00000000-0000-0000-0000-000000000002'::uuid, 'heard'), "
      "('00000000-0000-0000-0000-000000000003'::uuid, 'never')) AS h (id, name)");
  old.Sql(
      "INSERT INTO host_reports (host_id, sequence, heard_at) "
      "VALUES ('00000000-0000-0000-0000-000000000002', 7, 1000)");
  auto store = PostgresStore::Open(old.dsn(), ForMigration());
  ASSERT_OK(store);
  ASSERT_OK((*store)->Migrate());
  ASSERT_OK((*store)->Read([](ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(auto heard, tx.FindHost("heard"));
    ASSIGN_OR_RETURN(auto never, tx.FindHost("never"));
    EXPECT_EQ(LivenessOf(heard->host), Liveness::kLive);
    EXPECT_EQ(LivenessOf(never->host), Liveness::kNeverHeard);
    EXPECT_FALSE(heard->host.cordoned);
    return {};
  }));
}

TEST_F(StoreTest, AMigrationThatFailsLeavesNothing) {
  PostgresDatabase empty({}, false);
  // Nothing else than the table of the requests, which comes late, can be in the way unseen.
  empty.Sql("CREATE SCHEMA hidden; CREATE TYPE requests AS (x int)");
  auto store = PostgresStore::Open(empty.dsn(), ForMigration());
  ASSERT_OK(store);
  EXPECT_FALSE((*store)->Migrate().has_value());
  EXPECT_EQ(empty.Sql("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"),
            std::vector<std::string>{"0"});
  empty.Sql("DROP TYPE requests");
  ASSERT_OK((*store)->Migrate());
  ASSERT_OK(ReadNothing(**store));
}

TEST_F(StoreTest, MigrationsCountFromOneWithoutAGap) {
  int64_t expected = 0;
  for (const Migration& migration : PostgresMigrations()) {
    EXPECT_EQ(migration.version, ++expected);
    EXPECT_FALSE(migration.sql.empty());
  }
  EXPECT_GE(expected, 1);
}

TEST_F(StoreTest, ADatabaseThatIsNotThereIsNamedWithTheWayToMakeIt) {
  Error error = OpenError(SharedClusterDsn("no_such_database"));
  EXPECT_EQ(error.code, Code::kNotFound);
  EXPECT_EQ(error.reason, "DATABASE_MISSING");
  EXPECT_NE(error.message.find("createdb"), std::string::npos);
}

TEST_F(StoreTest, AServerThatIsNotThereIsUnreachableAndNoPasswordIsShown) {
  Error error = OpenError("postgres://me:secret@127.0.0.1:1/fleet?connect_timeout=2");
  EXPECT_EQ(error.code, Code::kUnavailable);
  EXPECT_EQ(error.reason, "DATABASE_UNREACHABLE");
  EXPECT_NE(error.message.find("postgres://me@127.0.0.1:1/fleet"), std::string::npos);
  EXPECT_EQ(error.message.find("secret"), std::string::npos);
}

TEST(ShownDsn, LeavesOutWhatIsSecretAndKeepsWhatNamesTheDatabase) {
  EXPECT_EQ(*ShownDsn("postgres://u:p%40ss@h1:1,h2:2/db?sslmode=require&sslpassword=x"),
            "postgres://u@h1:1,h2:2/db");
  EXPECT_EQ(*ShownDsn("postgresql:///db?host=/run/pg&port=5433&password=geheim"),
            "postgres:///run/pg:5433/db");
  for (const char* broken : {"postgres://u:hush@h/db?hush=1", "postgres://u:hush@[h/db"}) {
    auto shown = ShownDsn(broken);
    ASSERT_FALSE(shown.has_value()) << broken;
    EXPECT_EQ(shown.error().reason, "INVALID_DATABASE");
    EXPECT_EQ(shown.error().message.find("hush"), std::string::npos);
  }
}

TEST_F(StoreTest, WhoFindsTheQueueFullIsRefusedAtOnceWhoWaitsTooLongThen) {
  auto store = Open({.writers_max = 1, .waiting_max = 1, .wait_timeout_ms = 300});
  AddFleet(*store);
  std::promise<void> begun, end;
  auto first = std::async(std::launch::async, [&] {
    return store->Write([&](WriteTx&) -> Status {
      begun.set_value();
      end.get_future().wait();
      return {};
    });
  });
  begun.get_future().wait();
  auto write = [&] { return Apply(*store, NewOrg(fleet, "x")); };
  auto second = std::async(std::launch::async, write),
       third = std::async(std::launch::async, write);
  std::vector<std::string> reasons = {second.get().error().reason, third.get().error().reason};
  std::ranges::sort(reasons);
  EXPECT_EQ(reasons, (std::vector<std::string>{"DATABASE_QUEUE_FULL", "DATABASE_QUEUE_TIMEOUT"}));
  // Readers have connections of their own.
  EXPECT_TRUE(ReadNothing(*store).has_value());
  end.set_value();
  ASSERT_OK(first.get());
  ASSERT_OK(Apply(*store, NewOrg(fleet, "y")));
}

TEST_F(StoreTest, AStatementThatTakesTooLongIsEnded) {
  auto store = Open({.lock_timeout_ms = 30'000, .statement_timeout_ms = 100});
  AddFleet(*store);
  SqlSession other(database.dsn());
  other.Run("BEGIN; SELECT 1 FROM hosts FOR UPDATE");
  Status status = store->Write([&](WriteTx& tx) -> Status {
    ASSIGN_OR_RETURN(Snapshot snapshot, tx.Lock(Everything()));
    return {};
  });
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().reason, "DATABASE_TIMEOUT");
}

TEST_F(StoreTest, AReadEndsAtItsCallersTime) {
  auto store = Open({.lock_timeout_ms = 30'000});
  AddFleet(*store);
  SqlSession other(database.dsn());
  other.Run("BEGIN; LOCK TABLE hosts IN ACCESS EXCLUSIVE MODE");
  Status status = FindHost(*store, std::chrono::milliseconds(100));
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::kDeadlineExceeded);
  EXPECT_EQ(status.error().reason, "DEADLINE_EXCEEDED");
  // The connection is as before, and so is its own limit.
  auto later = std::async(std::launch::async, [&] { return FindHost(*store); });
  EXPECT_TRUE(
      Await("SELECT bool_or(wait_event_type = 'Lock' AND now() - query_start > interval '200 ms') "
            "FROM pg_stat_activity WHERE datname = current_database()"));
  other.Run("ROLLBACK");
  ASSERT_OK(later.get());
}

// It begins its transaction anew, whether or not something was read before.
TEST_F(StoreTest, AListOfEventsEndsAtItsCallersTime) {
  auto store = Open({.lock_timeout_ms = 30'000});
  SqlSession other(database.dsn());
  other.Run("BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE");
  for (const bool is_first : {true, false}) {
    Status status = store->Read([&](ReadTx& tx) -> Status {
      if (!is_first) {
        ASSIGN_OR_RETURN(auto orgs, tx.ListOrgs({}));
      }
      tx.LimitTime(std::chrono::milliseconds(100));
      ListQuery query;
      query.order_by = "cursor";
      ASSIGN_OR_RETURN(auto events, tx.ListEvents(query));
      return {};
    });
    ASSERT_FALSE(status.has_value()) << is_first;
    EXPECT_EQ(status.error().reason, "DEADLINE_EXCEEDED") << is_first;
  }
}

TEST_F(StoreTest, ABackupIsMadeByPostgresOwnToolsWhichTheErrorNames) {
  auto store = Open();
  Status status = store->Backup("fleet.backup", {});
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::kUnimplemented);
  EXPECT_EQ(status.error().reason, "BACKUP_ELSEWHERE");
  EXPECT_NE(status.error().message.find("pg_dump"), std::string::npos);
}

TEST_F(StoreTest, AClusterThatIsKilledAndStartedAgainIsUsedAgain) {
  PostgresCluster cluster;
  PostgresStoreOptions options = ForMigration();
  auto store = PostgresStore::Open(cluster.Dsn("postgres", PostgresCluster::kTcp), options);
  ASSERT_OK(store);
  ASSERT_OK((*store)->Migrate());
  ASSERT_OK(Apply(**store, NewOrg(fleet, "acme")));
  cluster.Kill();
  Status down = Apply(**store, NewOrg(fleet, "other"));
  ASSERT_FALSE(down.has_value());
  EXPECT_EQ(down.error().reason, "DATABASE_UNREACHABLE");
  cluster.Start();
  ASSERT_OK(Apply(**store, NewOrg(fleet, "other")));
  EXPECT_EQ(RunSql(cluster.Dsn(), "SELECT count(*) FROM orgs"), std::vector<std::string>{"2"});
}

}  // namespace
}  // namespace tallyman
