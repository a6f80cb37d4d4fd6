// What only SQLite can get wrong: files, versions, locks, faults. The rest is the contract suite.
#include "store/sqlite/sqlite_store.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>
#include <utility>

#include "store/copy.h"
#include "store/sqlite/migrations.h"

namespace tallyman::store::sqlite {
namespace {

namespace fs = std::filesystem;

class SqliteStoreTest : public testing::Test {
 protected:
  SqliteStoreTest() {
    std::string pattern = (fs::temp_directory_path() / "tallyman-store-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
  }
  ~SqliteStoreTest() override {
    std::error_code ignored;
    fs::remove_all(directory_, ignored);
  }

  std::string Path(const std::string& name = "books.db") { return (directory_ / name).string(); }

  std::unique_ptr<SqliteStore> Make(SqliteStoreOptions options = {}) {
    options.create_if_missing = true;
    auto opened = SqliteStore::Open(Path(), std::move(options));
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    auto migrated = (*opened)->Migrate();
    EXPECT_TRUE(migrated.has_value()) << migrated.error().message;
    return std::move(*opened);
  }
  void Raw(const std::string& path, const char* sql) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
    sqlite3_close(database);
  }
  Error OpenError(const std::string& path, SqliteStoreOptions options = {}) {
    auto opened = SqliteStore::Open(path, std::move(options));
    EXPECT_FALSE(opened.has_value());
    return opened ? Error() : opened.error();
  }

  static ChangeSet NewOrg(const std::string& name, uint8_t id) {
    ChangeSet changes;
    changes.new_orgs = {{OrgId{Uuid{{id}}}, name, Time()}};
    return changes;
  }
  static Status Apply(Store& store, const ChangeSet& changes) {
    return store.Write([&](WriteTx& tx) -> Status {
      tx.Apply(changes);
      return {};
    });
  }
  static int64_t CountOrgs(Store& store) {
    int64_t count = -1;
    Status status = store.Read([&](ReadTx& tx) -> Status {
      ASSIGN_OR_RETURN(auto orgs, tx.ListOrgs({}));
      count = std::ssize(orgs);
      return {};
    });
    EXPECT_TRUE(status.has_value()) << status.error().message;
    return count;
  }

  fs::path directory_;
};

TEST_F(SqliteStoreTest, AMissingFileIsNotMadeUnlessAskedAndTheErrorSaysHow) {
  Error error = OpenError(Path());
  EXPECT_EQ(error.code, Code::kNotFound);
  EXPECT_EQ(error.reason, "DATABASE_MISSING");
  EXPECT_NE(error.message.find("tallyman db migrate"), std::string::npos);
  EXPECT_NE(error.message.find(Path()), std::string::npos);
  EXPECT_FALSE(fs::exists(Path()));
  SqliteStoreOptions create;
  create.create_if_missing = true;
  EXPECT_EQ(OpenError(Path("no/such/directory/books.db"), create).reason, "DATABASE_CANNOT_OPEN");
}

TEST_F(SqliteStoreTest, ADirectoryATextAndAnotherProgramsDatabaseAreRefused) {
  EXPECT_EQ(OpenError(directory_.string()).reason, "DATABASE_CANNOT_OPEN");
  std::ofstream(Path("text")) << std::string(5000, 'x');
  EXPECT_EQ(OpenError(Path("text")).reason, "NOT_A_DATABASE");
  Raw(Path("other.db"), "CREATE TABLE t (n INTEGER)");
  SqliteStoreOptions options;
  options.for_migration = true;
  Error error = OpenError(Path("other.db"), options);
  EXPECT_EQ(error.code, Code::kFailedPrecondition);
  EXPECT_EQ(error.reason, "NOT_A_DATABASE");
}

TEST_F(SqliteStoreTest, ANewerSchemaIsRefusedAlsoForMigration) {
  Make();
  Raw(Path(), "PRAGMA user_version = 99");
  for (bool for_migration : {false, true}) {
    SqliteStoreOptions options;
    options.for_migration = for_migration;
    Error error = OpenError(Path(), options);
    EXPECT_EQ(error.code, Code::kFailedPrecondition);
    EXPECT_EQ(error.reason, "SCHEMA_TOO_NEW");
    EXPECT_EQ(error.Fact("version"), "99");
  }
}

TEST_F(SqliteStoreTest, AnOlderSchemaIsRefusedUntilItIsMigrated) {
  Raw(Path(), "VACUUM");  // an empty database
  Error error = OpenError(Path());
  EXPECT_EQ(error.reason, "SCHEMA_TOO_OLD");
  EXPECT_NE(error.message.find("tallyman db migrate"), std::string::npos);
  SqliteStoreOptions options;
  options.for_migration = true;
  auto opened = SqliteStore::Open(Path(), options);
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ((*opened)->Schema()->version, 0);
  Status early = (*opened)->Read([](ReadTx&) -> Status { return {}; });
  ASSERT_FALSE(early.has_value());
  EXPECT_EQ(early.error().reason, "SCHEMA_TOO_OLD");
  EXPECT_EQ(Apply(**opened, NewOrg("acme", 1)).error().reason, "SCHEMA_TOO_OLD");
  ASSERT_TRUE((*opened)->Migrate().has_value());
  EXPECT_TRUE(Apply(**opened, NewOrg("acme", 1)).has_value());
  EXPECT_TRUE(SqliteStore::Open(Path(), {}).has_value());
}

TEST_F(SqliteStoreTest, MigrationsCountFromOneWithoutAGap) {
  int64_t expected = 0;
  for (const Migration& migration : SqliteMigrations()) {
    EXPECT_EQ(migration.version, ++expected);
    EXPECT_FALSE(migration.sql.empty());
  }
  EXPECT_GE(expected, 1);
}

// A database of the schema before liveness: hosts that reported count as heard.
TEST_F(SqliteStoreTest, HostsOfAnOlderSchemaAreHeardWhereTheyHaveReported) {
  std::string sql;
  for (const Migration& migration : SqliteMigrations().first(4)) sql += migration.sql;
  sql += R"(PRAGMA application_id = 0x544c594d; PRAGMA user_version = 4;
    INSERT INTO regions VALUES (x'00000000000000000000000000000001', 'eu', 1);
    INSERT INTO hosts (id, name, region_id, cpu_cores, memory_bytes, disk_bytes, node_count,
      node_cpu_cores, node_memory_bytes, node_disk_bytes, held_cpu_cores, held_memory_bytes,
      held_disk_bytes, ledger_seq, version, created_at, updated_at)
    SELECT id, name, x'00000000000000000000000000000001', 8, 8, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1
    FROM (SELECT x'00000000000000000000000000000002' AS id, 'heard' AS name
          UNION SELECT x'00000000000000000000000000000003', 'never');
    INSERT INTO host_reports (host_id, sequence, heard_at)
      VALUES (x'00000000000000000000000000000002', 7, 1000);)";
  Raw(Path(), sql.c_str());
  auto store = Make({.for_migration = true});
  const Status read = store->Read([](ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(auto heard, tx.FindHost("heard"));
    ASSIGN_OR_RETURN(auto never, tx.FindHost("never"));
    EXPECT_EQ(LivenessOf(heard->host), Liveness::kLive);
    EXPECT_EQ(LivenessOf(never->host), Liveness::kNeverHeard);
    EXPECT_FALSE(heard->host.cordoned);
    return {};
  });
  EXPECT_TRUE(read.has_value()) << read.error().message;
}

TEST_F(SqliteStoreTest, TwoProcessesThatMigrateAtOnceBothSucceed) {
  SqliteStoreOptions options;
  options.create_if_missing = true;
  auto one = SqliteStore::Open(Path(), options);
  auto other = SqliteStore::Open(Path(), options);
  ASSERT_TRUE(one.has_value() && other.has_value());
  ASSERT_TRUE((*one)->Migrate().has_value());
  auto second = (*other)->Migrate();
  ASSERT_TRUE(second.has_value()) << second.error().message;
  EXPECT_EQ(second->version, second->newest_version);
}

TEST_F(SqliteStoreTest, AMigrationThatFailsAnywhereLeavesTheVersionBefore) {
  int64_t at = 0, calls = 0;
  SqliteStoreOptions options;
  options.create_if_missing = true;
  options.hook = [&](std::string_view) { return ++calls == at ? SQLITE_FULL : SQLITE_OK; };
  auto store = SqliteStore::Open(Path(), options);
  ASSERT_TRUE(store.has_value()) << store.error().message;
  int64_t before = 0;
  for (int64_t n = 1;; ++n) {
    ASSERT_LT(n, 1000);
    calls = 0;
    at = n;
    auto migrated = (*store)->Migrate();
    at = 0;
    if (migrated) break;
    EXPECT_EQ(migrated.error().reason, "DATABASE_FULL");
    auto schema = (*store)->Schema();
    ASSERT_TRUE(schema.has_value());
    // Only the very last look at the version can fail once all is done.
    if (schema->version == schema->newest_version) break;
    // Each migration is whole or not there; one that was made before the failing one stays.
    EXPECT_GE(schema->version, before);
    if (schema->version > before) n = 0;  // the rest is another round
    before = schema->version;
  }
  EXPECT_TRUE((*store)->Migrate().has_value());
  EXPECT_TRUE(Apply(**store, NewOrg("acme", 1)).has_value());
}

TEST_F(SqliteStoreTest, AFailureOfAnyStatementOfAWriteLeavesNoTrace) {
  int64_t at = 0, calls = 0;
  SqliteStoreOptions options;
  options.hook = [&](std::string_view) { return ++calls == at ? SQLITE_IOERR_WRITE : SQLITE_OK; };
  auto store = Make(options);
  bool done = false;
  for (int64_t n = 1; !done; ++n) {
    ASSERT_LT(n, 100);
    calls = 0;
    at = n;
    Status status = Apply(*store, NewOrg("acme", 1));
    at = 0;
    done = status.has_value();
    if (!done) {
      EXPECT_EQ(status.error().reason, "DATABASE_IO");
    }
    EXPECT_EQ(CountOrgs(*store), done ? 1 : 0);
  }
  EXPECT_TRUE(store->CheckIntegrity()->empty());
}

TEST_F(SqliteStoreTest, AReaderThatFailsIsOfUseAgain) {
  int64_t at = 0, calls = 0;
  SqliteStoreOptions options;
  options.readers_max = 1;
  options.hook = [&](std::string_view) { return ++calls == at ? SQLITE_IOERR_READ : SQLITE_OK; };
  auto store = Make(options);
  bool done = false;
  for (int64_t n = 1; !done; ++n) {
    ASSERT_LT(n, 100);
    calls = 0;
    at = n;
    Status status = store->Read([](ReadTx& tx) -> Status {
      ASSIGN_OR_RETURN(auto orgs, tx.ListOrgs({}));
      return {};
    });
    at = 0;
    done = status.has_value();
    EXPECT_EQ(CountOrgs(*store), 0);
  }
}

TEST_F(SqliteStoreTest, AnotherProcessThatHoldsTheLockMeansBusyAndIsWaitedFor) {
  SqliteStoreOptions options;
  options.busy_timeout_ms = 0;
  auto store = Make(options);
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(Path().c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  Status status = Apply(*store, NewOrg("acme", 1));
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::kUnavailable);
  EXPECT_EQ(status.error().reason, "DATABASE_BUSY");
  // Readers do not mind.
  EXPECT_EQ(CountOrgs(*store), 0);
  sqlite3_close(other);
  EXPECT_TRUE(Apply(*store, NewOrg("acme", 1)).has_value());
}

TEST_F(SqliteStoreTest, ReadersBeyondThePoolWaitTheirTurn) {
  SqliteStoreOptions options;
  options.readers_max = 2;
  auto store = Make(options);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 20; ++j) EXPECT_EQ(CountOrgs(*store), 0);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(SqliteStoreTest, AFileThatCannotBeWrittenIsReadOnly) {
  Make();
  // Permissions mean nothing to root, so another user tries, in a process of its own.
  fs::permissions(directory_, fs::perms(0755));
  fs::permissions(Path(), fs::perms(0444));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
    auto opened = SqliteStore::Open(Path(), {});
    if (!opened && opened.error().reason == "DATABASE_READ_ONLY") ::_exit(0);
    std::fputs(opened ? "it opened\n" : opened.error().message.c_str(), stderr);
    ::_exit(1);
  }
  int result = -1;
  ASSERT_EQ(::waitpid(child, &result, 0), child);
  EXPECT_EQ(WEXITSTATUS(result), 0);
}

// Permissions mean nothing to root, who therefore is somebody else for as long as this lives. Who
// is not root is kept out by the permissions alone.
class AsSomebodyElse {
 public:
  AsSomebodyElse() { was_root_ = ::geteuid() == 0 && ::seteuid(65534) == 0; }
  AsSomebodyElse(const AsSomebodyElse&) = delete;
  AsSomebodyElse& operator=(const AsSomebodyElse&) = delete;
  ~AsSomebodyElse() {
    if (was_root_) {
      EXPECT_EQ(::seteuid(0), 0);
    }
  }

 private:
  bool was_root_ = false;
};

class ReadOnlyStoreTest : public SqliteStoreTest {
 protected:
  ~ReadOnlyStoreTest() override { Allow(0755, 0644); }

  void Allow(unsigned directory, unsigned file) {
    std::error_code ignored;
    for (const char* suffix : {"", "-wal", "-shm"})
      fs::permissions(Path() + suffix, fs::perms(file), ignored);
    fs::permissions(directory_, fs::perms(directory), ignored);
  }
  Result<std::unique_ptr<SqliteStore>> OpenReadOnly() {
    Allow(0555, 0444);
    const AsSomebodyElse somebody;
    return SqliteStore::Open(Path(), {.may_be_read_only = true});
  }
  std::set<std::string> Files() {
    std::set<std::string> files;
    for (const auto& entry : fs::directory_iterator(directory_))
      files.insert(entry.path().filename());
    return files;
  }
};

TEST_F(ReadOnlyStoreTest, OneAtRestIsReadAndNothingIsMadeBesideIt) {
  ASSERT_TRUE(Apply(*Make(), NewOrg("acme", 1)).has_value());
  auto store = OpenReadOnly();
  ASSERT_TRUE(store.has_value()) << store.error().message;
  {
    const AsSomebodyElse somebody;
    EXPECT_EQ(CountOrgs(**store), 1);
    EXPECT_TRUE((*store)->CheckIntegrity()->empty());
    const Status written = Apply(**store, NewOrg("globex", 2));
    ASSERT_FALSE(written.has_value());
    EXPECT_EQ(written.error().reason, "DATABASE_READ_ONLY");
    EXPECT_EQ(written.error().code, Code::kFailedPrecondition) << "trying again does not help";
    const Status together = (*store)->Together([](Store&) -> Result<bool> {
      ADD_FAILURE() << "begun";
      return false;
    });
    ASSERT_FALSE(together.has_value());
    EXPECT_EQ(together.error().reason, "DATABASE_READ_ONLY");
    EXPECT_EQ(together.error().code, Code::kFailedPrecondition);
  }
  EXPECT_EQ(Files(), std::set<std::string>{"books.db"});
}

TEST_F(ReadOnlyStoreTest, AReadThatAChangeOvertakesFails) {
  ASSERT_TRUE(Apply(*Make(), NewOrg("acme", 1)).has_value());
  auto store = OpenReadOnly();
  ASSERT_TRUE(store.has_value()) << store.error().message;
  Allow(0755, 0644);
  const Status read = (*store)->Read([&](ReadTx&) -> Status {
    Raw(Path(), "INSERT INTO orgs (id, name, created_at) VALUES (randomblob(16), 'b', 0)");
    return {};
  });
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().reason, "DATABASE_CHANGED");
  EXPECT_EQ(read.error().code, Code::kUnavailable) << "trying again helps";
}

TEST_F(ReadOnlyStoreTest, ACopyThatAChangeOvertakesIsNotCommitted) {
  ASSERT_TRUE(Apply(*Make(), NewOrg("acme", 1)).has_value());
  auto store = OpenReadOnly();
  ASSERT_TRUE(store.has_value()) << store.error().message;
  Allow(0755, 0644);
  auto target = SqliteStore::Open(Path("copy.db"), {.create_if_missing = true});
  ASSERT_TRUE(target.has_value() && (*target)->Migrate().has_value());
  bool changed = false;
  const auto copied = CopyEverything(**store, **target, [&](int64_t) {
    if (std::exchange(changed, true)) return;
    Raw(Path(), "INSERT INTO orgs (id, name, created_at) VALUES (randomblob(16), 'b', 0)");
  });
  ASSERT_TRUE(changed);
  ASSERT_FALSE(copied.has_value());
  EXPECT_EQ(copied.error().reason, "DATABASE_CHANGED");
  EXPECT_EQ(CountOrgs(**target), 0);
}

TEST_F(ReadOnlyStoreTest, OneInUseIsReadWithWhatIsOnlyInItsLog) {
  auto user = Make();
  ASSERT_TRUE(Apply(*user, NewOrg("acme", 1)).has_value());
  auto store = OpenReadOnly();
  ASSERT_TRUE(store.has_value()) << store.error().message;
  ASSERT_TRUE(Apply(*user, NewOrg("globex", 2)).has_value());
  const AsSomebodyElse somebody;
  EXPECT_EQ(CountOrgs(**store), 2);
}

TEST_F(ReadOnlyStoreTest, ALogThatCannotBeReadIsNotPassedOver) {
  auto user = Make();
  ASSERT_TRUE(Apply(*user, NewOrg("acme", 1)).has_value());
  // As a copy of the two files leaves them.
  fs::create_directory(Path("elsewhere"));
  for (const char* suffix : {"", "-wal"})
    fs::copy_file(Path() + suffix, Path("elsewhere/books.db") + suffix);
  user.reset();
  fs::copy_file(Path("elsewhere/books.db-wal"), Path() + "-wal");
  auto store = OpenReadOnly();
  ASSERT_FALSE(store.has_value());
  EXPECT_EQ(store.error().reason, "DATABASE_LOG_UNREAD");
  EXPECT_EQ(store.error().code, Code::kFailedPrecondition);
}

TEST_F(ReadOnlyStoreTest, PathsWithOddCharactersAreTheirs) {
  fs::create_directory(Path("a?b#c%20"));
  ASSERT_TRUE(Apply(*Make(), NewOrg("acme", 1)).has_value());
  const std::string odd = Path("a?b#c%20/books.db");
  fs::rename(Path(), odd);
  fs::permissions(odd, fs::perms(0444));
  fs::permissions(Path("a?b#c%20"), fs::perms(0555));
  fs::permissions(directory_, fs::perms(0755));
  const AsSomebodyElse somebody;
  auto store = SqliteStore::Open(odd, {.may_be_read_only = true});
  ASSERT_TRUE(store.has_value()) << store.error().message;
  EXPECT_EQ(CountOrgs(**store), 1);
}

TEST_F(SqliteStoreTest, AFileThatWasMovedOrReplacedTakesAndTellsNothing) {
  auto store = Make();
  ASSERT_TRUE(Apply(*store, NewOrg("acme", 1)).has_value());
  const auto expect_refused = [&] {
    const Status written = Apply(*store, NewOrg("globex", 2));
    ASSERT_FALSE(written.has_value());
    EXPECT_EQ(written.error().reason, "DATABASE_MOVED");
    const Status read = store->Read([](ReadTx&) -> Status { return {}; });
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().reason, "DATABASE_MOVED");
  };
  fs::rename(Path(), Path("away.db"));
  expect_refused();
  fs::copy_file(Path("away.db"), Path());  // the same content, and yet not the same file
  expect_refused();
  fs::rename(Path("away.db"), Path());
  EXPECT_EQ(CountOrgs(*store), 1);
  EXPECT_TRUE(Apply(*store, NewOrg("globex", 2)).has_value());
  EXPECT_EQ(CountOrgs(*store), 2);
}

TEST_F(SqliteStoreTest, ADiskThatIsFullAtTheCommitIsSaidSoAndNothingIsChanged) {
  auto store = Make();
  SqliteStoreOptions options;
  options.hook = [](std::string_view sql) {
    return sql.starts_with("COMMIT") ? SQLITE_FULL : SQLITE_OK;
  };
  auto full = SqliteStore::Open(Path(), options);
  ASSERT_TRUE(full.has_value());
  Status status = Apply(**full, NewOrg("acme", 1));
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().reason, "DATABASE_FULL");
  EXPECT_EQ(CountOrgs(*store), 0);
}

TEST_F(SqliteStoreTest, ABackupThatFailsLeavesNoFile) {
  bool fail = false;
  SqliteStoreOptions options;
  options.hook = [&](std::string_view sql) {
    return fail && sql == "backup step" ? SQLITE_IOERR_READ : SQLITE_OK;
  };
  auto store = Make(options);
  fail = true;
  Status status = store->Backup(Path("copy.db"), {});
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().reason, "DATABASE_IO");
  EXPECT_FALSE(fs::exists(Path("copy.db")));
  fail = false;
  EXPECT_TRUE(store->Backup(Path("copy.db"), {}).has_value());
}

TEST_F(SqliteStoreTest, ABackupHasItsNameOnceItIsWhole) {
  auto store = Make();
  int steps = 0;
  const Status status = store->Backup(Path("copy.db"), [&](int64_t, int64_t) {
    ++steps;
    EXPECT_FALSE(fs::exists(Path("copy.db")));
  });
  ASSERT_TRUE(status.has_value()) << status.error().message;
  EXPECT_GT(steps, 0);
  EXPECT_TRUE(fs::exists(Path("copy.db")));
  // Somebody else is faster.
  const Status taken = store->Backup(
      Path("theirs.db"), [&](int64_t, int64_t) { std::ofstream(Path("theirs.db")) << "theirs"; });
  ASSERT_FALSE(taken.has_value());
  EXPECT_EQ(taken.error().reason, "BACKUP_EXISTS");
  EXPECT_EQ(fs::file_size(Path("theirs.db")), 6u);
  for (const auto& entry : fs::directory_iterator(fs::path(Path("copy.db")).parent_path()))
    EXPECT_FALSE(entry.path().string().contains(".partial-")) << entry.path();
}

TEST_F(SqliteStoreTest, ADamagedPageIsFoundByTheIntegrityCheck) {
  Make();
  Raw(Path(), "PRAGMA wal_checkpoint(TRUNCATE)");
  {
    std::fstream file(Path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096 * 3);
    file << std::string(200, '\xff');
  }
  auto opened = SqliteStore::Open(Path(), {});
  if (!opened) {
    EXPECT_EQ(opened.error().reason, "DATABASE_CORRUPT");
    return;
  }
  auto faults = (*opened)->CheckIntegrity();
  if (faults) {
    EXPECT_FALSE(faults->empty());
  } else {
    EXPECT_EQ(faults.error().reason, "DATABASE_CORRUPT");
  }
}

}  // namespace
}  // namespace tallyman::store::sqlite
