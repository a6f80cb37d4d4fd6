#include "sqlite/connection.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace tallyman::sqlite {
namespace {

namespace fs = std::filesystem;

enum class Fruit { kApple, kPear };

}  // namespace

}  // namespace tallyman::sqlite

template <>
struct tallyman::EnumText<tallyman::sqlite::Fruit> {
  static constexpr std::array<std::string_view, 2> kWords = {"apple", "pear"};
};

namespace tallyman::sqlite {

namespace {

using ThingId = Id<struct ThingTag>;

class Sqlite : public testing::Test {
 protected:
  Sqlite() {
    std::string pattern = (fs::temp_directory_path() / "tallyman-sqlite-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    connection_ = Open({.create = true});
  }
  ~Sqlite() override {
    connection_.reset();
    fs::remove_all(directory_);
  }

  std::string Path(const std::string& name = "test.db") { return (directory_ / name).string(); }
  std::unique_ptr<SqliteConnection> Open(SqliteOpenOptions options) {
    auto opened = SqliteConnection::Open(Path(), std::move(options));
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    return std::move(*opened);
  }
  void Run(std::string_view sql) {
    Status status = connection_->Execute(sql);
    ASSERT_TRUE(status.has_value()) << status.error().message;
  }
  int64_t Number(const char* sql) {
    SqliteQuery query = connection_->QueryOnce(sql);
    int64_t number = -1;
    auto found = query.Next();
    EXPECT_TRUE(found.has_value() && *found);
    EXPECT_TRUE(query.Read(number).has_value());
    return number;
  }

  fs::path directory_;
  std::unique_ptr<SqliteConnection> connection_;
};

// With the log, and the index of the log.
TEST_F(Sqlite, ANewDatabaseIsItsOwnersAlone) {
  const mode_t before = ::umask(0);
  connection_.reset();
  fs::remove(Path());
  connection_ = Open({.create = true});
  Run("PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER)");
  ::umask(before);
  for (const char* name : {"test.db", "test.db-wal", "test.db-shm"}) {
    EXPECT_EQ(fs::status(Path(name)).permissions(), fs::perms::owner_read | fs::perms::owner_write)
        << name;
  }
}

TEST_F(Sqlite, EveryKindOfValueComesBackAsItWas) {
  Run("CREATE TABLE t (id BLOB, n INTEGER, yes INTEGER, word TEXT, text TEXT, at INTEGER, "
      "none TEXT, bytes BLOB) STRICT");
  const ThingId id{Uuid{{1, 2, 3, 0, 255}}};
  const std::string text("zero \0 and \xc3\xa9", 12);
  const Time at(std::chrono::microseconds(-5));
  SqliteQuery insert = connection_->Query("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  insert.Bind(id, INT64_MIN, true, Fruit::kPear, text, at, std::optional<std::string>(),
              SqliteBlob{std::string_view("\0\xff", 2)});
  ASSERT_TRUE(insert.Run().has_value());
  EXPECT_EQ(connection_->changes(), 1);

  SqliteQuery query = connection_->Query("SELECT * FROM t");
  ASSERT_TRUE(*query.Next());
  ThingId read_id;
  int64_t number = 0;
  bool yes = false;
  std::optional<Fruit> fruit;
  std::string read_text;
  Time read_at;
  std::optional<std::string> none = "something";
  ASSERT_TRUE(query.Read(read_id, number, yes, fruit, read_text, read_at, none).has_value());
  EXPECT_EQ(read_id, id);
  EXPECT_EQ(number, INT64_MIN);
  EXPECT_TRUE(yes);
  EXPECT_EQ(fruit, Fruit::kPear);
  EXPECT_EQ(read_text, text);
  EXPECT_EQ(read_at, at);
  EXPECT_FALSE(none.has_value());
  EXPECT_EQ(query.TakeBlob(), std::string_view("\0\xff", 2));
  EXPECT_FALSE(*query.Next());
}

TEST_F(Sqlite, AnEmptyTextIsNotNullAndATemporaryIsCopied) {
  SqliteQuery query = connection_->QueryOnce("SELECT ? IS NULL, ? || '!'");
  query.Bind(std::string_view(), std::string(100, 'x'));
  ASSERT_TRUE(*query.Next());
  bool is_null = true;
  std::string text;
  ASSERT_TRUE(query.Read(is_null, text).has_value());
  EXPECT_FALSE(is_null);
  EXPECT_EQ(text, std::string(100, 'x') + "!");
}

TEST_F(Sqlite, AValueOfAnotherFormIsDataLoss) {
  for (const char* sql : {"SELECT x'0102'", "SELECT 'kiwi'"}) {
    SqliteQuery query = connection_->QueryOnce(sql);
    ASSERT_TRUE(*query.Next());
    ThingId id;
    Fruit fruit = Fruit::kApple;
    Status status = std::string_view(sql).ends_with("'kiwi'") ? query.Read(fruit) : query.Read(id);
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code, Code::kDataLoss);
    EXPECT_EQ(status.error().reason, "DATABASE_CORRUPT");
  }
}

TEST_F(Sqlite, AKeptStatementCanBeUsedAgainAndWhileItIsInUse) {
  static constexpr char kOneToThree[] =
      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT i FROM "
      "n";
  for (int run = 0; run < 2; ++run) {
    int64_t sum = 0;
    SqliteQuery outer = connection_->Query(kOneToThree);
    while (*outer.Next()) {
      int64_t i = 0;
      ASSERT_TRUE(outer.Read(i).has_value());
      SqliteQuery inner = connection_->Query(kOneToThree);
      while (*inner.Next()) {
        int64_t j = 0;
        ASSERT_TRUE(inner.Read(j).has_value());
        sum += i * j;
      }
    }
    EXPECT_EQ(sum, 36);
  }
}

TEST_F(Sqlite, BindingAgainStartsTheStatementAnew) {
  SqliteQuery query = connection_->QueryOnce("SELECT ? + ?");
  for (int64_t i : {1, 2, 3}) {
    query.Bind(i, i);
    ASSERT_TRUE(*query.Next());
    int64_t sum = 0;
    ASSERT_TRUE(query.Read(sum).has_value());
    EXPECT_EQ(sum, 2 * i);
  }
}

TEST_F(Sqlite, ErrorsSayWhichDatabaseAndWhichStatement) {
  Status status = connection_->Execute("SELECT * FROM nowhere");
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().reason, "DATABASE_ERROR");
  EXPECT_NE(status.error().message.find(Path()), std::string::npos);
  EXPECT_EQ(status.error().Fact("sqlite_message"), "no such table: nowhere");
  EXPECT_EQ(status.error().Fact("statement"), "SELECT * FROM nowhere");
  // The same by way of a kept statement, which binds before anything is said.
  SqliteQuery query = connection_->Query("SELECT * FROM nowhere WHERE a = ?");
  query.Bind(1);
  ASSERT_FALSE(query.Next().has_value());
}

TEST_F(Sqlite, ARefusedRowIsAConstraintThatIsNamed) {
  Run("CREATE TABLE t (n INTEGER NOT NULL CHECK (n >= 0) UNIQUE) STRICT; INSERT INTO t VALUES (1)");
  Status twice = connection_->Execute("INSERT INTO t VALUES (1)");
  ASSERT_FALSE(twice.has_value());
  EXPECT_EQ(twice.error().reason, "CONSTRAINT_FAILED");
  EXPECT_EQ(twice.error().Fact("sqlite_message"), "UNIQUE constraint failed: t.n");
  Status negative = connection_->Execute("INSERT INTO t VALUES (-1)");
  ASSERT_FALSE(negative.has_value());
  EXPECT_NE(negative.error().message.find("n >= 0"), std::string::npos);
}

TEST_F(Sqlite, AfterAFailureTheConnectionRollsBackAndGoesOn) {
  Run("CREATE TABLE t (n INTEGER UNIQUE)");
  Run("BEGIN; INSERT INTO t VALUES (1)");
  EXPECT_TRUE(connection_->in_transaction());
  EXPECT_FALSE(connection_->Execute("INSERT INTO t VALUES (1)").has_value());
  EXPECT_TRUE(connection_->Rollback());
  EXPECT_FALSE(connection_->in_transaction());
  EXPECT_EQ(Number("SELECT count(*) FROM t"), 0);
  Run("INSERT INTO t VALUES (1)");
}

TEST_F(Sqlite, TheHookFailsAStatementUnrunButNeverARollback) {
  int calls = 0, fail_at = 0;
  auto hooked = Open({.create = true, .hook = [&](std::string_view) {
                        return ++calls == fail_at ? SQLITE_FULL : SQLITE_OK;
                      }});
  ASSERT_TRUE(hooked->Execute("CREATE TABLE t (n INTEGER); BEGIN; INSERT INTO t VALUES (1)"));
  EXPECT_EQ(calls, 3);
  fail_at = 4;
  Status status = hooked->Execute("COMMIT");
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::kUnavailable);
  EXPECT_EQ(status.error().reason, "DATABASE_FULL");
  fail_at = 5;
  EXPECT_TRUE(hooked->Rollback());
  EXPECT_EQ(calls, 4);
  EXPECT_EQ(Number("SELECT count(*) FROM t"), 0);
}

TEST_F(Sqlite, EveryCodeThatACallerCanActOnHasItsReason) {
  const std::pair<int, std::string_view> kCases[] = {{SQLITE_BUSY, "DATABASE_BUSY"},
                                                     {SQLITE_BUSY_SNAPSHOT, "DATABASE_BUSY"},
                                                     {SQLITE_LOCKED, "DATABASE_BUSY"},
                                                     {SQLITE_FULL, "DATABASE_FULL"},
                                                     {SQLITE_IOERR_FSYNC, "DATABASE_IO"},
                                                     {SQLITE_READONLY, "DATABASE_READ_ONLY"},
                                                     {SQLITE_CANTOPEN, "DATABASE_CANNOT_OPEN"},
                                                     {SQLITE_CORRUPT_VTAB, "DATABASE_CORRUPT"},
                                                     {SQLITE_NOTADB, "NOT_A_DATABASE"},
                                                     {SQLITE_NOMEM, "OUT_OF_MEMORY"},
                                                     {SQLITE_MISUSE, "DATABASE_ERROR"}};
  for (const auto& [code, reason] : kCases) {
    auto hooked = Open({.hook = [result = code](std::string_view) { return result; }});
    Status status = hooked->Execute("SELECT 1");
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().reason, reason);
    EXPECT_EQ(status.error().Fact("sqlite_code"), std::to_string(code));
  }
}

TEST_F(Sqlite, AStatementIsInterruptedAtItsDeadline) {
  connection_->SetDeadline(std::chrono::steady_clock::now() + std::chrono::milliseconds(20));
  constexpr char kForEver[] =
      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
  for (int i = 0; i < 2; ++i) {  // the second time it is over before the statement begins
    SqliteQuery query = connection_->Query(kForEver);
    auto found = query.Next();
    ASSERT_FALSE(found.has_value());
    EXPECT_EQ(found.error().code, Code::kDeadlineExceeded);
    EXPECT_EQ(found.error().reason, "DEADLINE_EXCEEDED");
  }
  connection_->SetDeadline({});
  EXPECT_EQ(Number("SELECT 7"), 7);
}

TEST_F(Sqlite, ALockedDatabaseIsBusyAndFreeAgainAfterwards) {
  Run("CREATE TABLE t (n INTEGER); BEGIN IMMEDIATE");
  auto other = Open({.busy_timeout_ms = 0});
  Status status = other->Execute("BEGIN IMMEDIATE");
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().reason, "DATABASE_BUSY");
  Run("COMMIT");
  EXPECT_TRUE(other->Execute("BEGIN IMMEDIATE; INSERT INTO t VALUES (1); COMMIT").has_value());
}

TEST_F(Sqlite, AMissingFileAndAFileOfSomethingElseAreToldApart) {
  auto missing = SqliteConnection::Open(Path("no.db"), {});
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().reason, "DATABASE_CANNOT_OPEN");
  std::ofstream(Path("text.db")) << std::string(4096, 'x');
  auto text = SqliteConnection::Open(Path("text.db"), {});
  ASSERT_TRUE(text.has_value());
  Status status = (*text)->Execute("SELECT count(*) FROM sqlite_schema");
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().reason, "NOT_A_DATABASE");
}

TEST_F(Sqlite, ACopyIsTheStateOfTheTransactionAndTellsHowFarItIs) {
  Run("CREATE TABLE t (n INTEGER, pad BLOB); PRAGMA journal_mode = WAL");
  Run("INSERT INTO t VALUES (1, zeroblob(4000000))");
  Run("BEGIN; SELECT count(*) FROM t");
  auto writer = Open({});
  auto opened = SqliteConnection::Open(Path("copy.db"), {.create = true});
  ASSERT_TRUE(opened.has_value());
  int64_t steps = 0, last = 0;
  Status status = connection_->CopyTo(**opened, [&](int64_t done, int64_t all) {
    EXPECT_GT(done, last);
    EXPECT_LE(done, all);
    last = done;
    ++steps;
    EXPECT_TRUE(writer->Execute("INSERT INTO t VALUES (2, NULL)").has_value());
  });
  ASSERT_TRUE(status.has_value()) << status.error().message;
  EXPECT_GT(steps, 1);
  SqliteQuery query = (*opened)->QueryOnce("SELECT count(*) FROM t");
  ASSERT_TRUE(*query.Next());
  EXPECT_EQ(query.TakeInteger(), 1);
}

}  // namespace
}  // namespace tallyman::sqlite
