#include "store/sqlite/restore.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "store/sqlite/sqlite_store.h"
#include "tests/support/temp_dir.h"

namespace tallyman::store::sqlite {
namespace {

namespace fs = std::filesystem;

class RestoreTest : public testing::Test {
 protected:
  void SetUp() override {
    auto store = Open(Database());
    Add(*store, "before", 1);
    ASSERT_TRUE(store->Backup(Backup(), {}).has_value());
    Add(*store, "after", 2);
  }

  std::string Database() const { return (dir_.path() / "fleet.db").string(); }
  std::string Backup() const { return (dir_.path() / "fleet.backup").string(); }

  static std::unique_ptr<SqliteStore> Open(const std::string& path) {
    auto store = SqliteStore::Open(path, {.create_if_missing = true});
    EXPECT_TRUE(store.has_value()) << store.error().message;
    EXPECT_TRUE((*store)->Migrate().has_value());
    return std::move(*store);
  }
  static void Add(Store& store, const std::string& org, uint8_t id) {
    ChangeSet changes;
    changes.new_orgs = {{OrgId{Uuid{{id}}}, org, Time()}};
    const Status status = store.Write([&](WriteTx& tx) -> Status {
      tx.Apply(changes);
      return {};
    });
    EXPECT_TRUE(status.has_value()) << status.error().message;
  }
  static std::vector<std::string> OrgsOf(const std::string& path) {
    auto store = SqliteStore::Open(path, {});
    EXPECT_TRUE(store.has_value()) << store.error().message;
    std::vector<std::string> names;
    if (!store) return names;
    const Status status = (*store)->Read([&](ReadTx& tx) -> Status {
      ASSIGN_OR_RETURN(const auto orgs, tx.ListOrgs({}));
      for (const OrgRow& row : orgs) names.push_back(row.org.name);
      return {};
    });
    EXPECT_TRUE(status.has_value()) << status.error().message;
    return names;
  }
  static std::string Bytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(dir_.path()))
      names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
  }
  void ExpectRefused(const std::string& from, const std::string& to, std::string_view reason) {
    const std::vector<std::string> files = Files();
    const auto restored = RestoreBackup(from, to, {});
    ASSERT_FALSE(restored.has_value());
    EXPECT_EQ(restored.error().reason, reason) << restored.error().message;
    EXPECT_EQ(Files(), files);
  }

  TempDir dir_;
};

using Names = std::vector<std::string>;

TEST_F(RestoreTest, TheBackupIsInPlaceAndTheOldDatabaseIsKept) {
  int64_t done = 0, total = -1;
  const auto restored = RestoreBackup(Backup(), Database(), [&](int64_t so_far, int64_t all) {
    done = so_far;
    total = all;
  });
  ASSERT_TRUE(restored.has_value()) << restored.error().message;
  EXPECT_EQ(done, total);
  EXPECT_EQ(OrgsOf(Database()), Names({"before"}));
  EXPECT_EQ(OrgsOf(restored->kept_as), Names({"after", "before"}));
  EXPECT_EQ(fs::status(Database()).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  // Once more, under another name; and nothing else is left.
  const auto again = RestoreBackup(Backup(), Database(), {});
  ASSERT_TRUE(again.has_value());
  EXPECT_NE(again->kept_as, restored->kept_as);
  EXPECT_EQ(Files(),
            Names({"fleet.backup", "fleet.db", "fleet.db.replaced-1", "fleet.db.replaced-2"}));
}

TEST_F(RestoreTest, WhatKilledProgramsLeftIsRemoved) {
  for (const char* name : {".partial-killed", ".partial-killed-journal", ".partial-active",
                           ".partial-of-somebody", ".replaced-7"})
    std::ofstream(Database() + name) << "x";
  const int active = ::open((Database() + ".partial-active").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(active, LOCK_EX), 0);
  const auto restored = RestoreBackup(Backup(), Database(), {});
  ASSERT_TRUE(restored.has_value()) << restored.error().message;
  EXPECT_EQ(Files(),
            Names({"fleet.backup", "fleet.db", "fleet.db.partial-active",
                   "fleet.db.partial-of-somebody", "fleet.db.replaced-1", "fleet.db.replaced-7"}));
  ::close(active);
}

TEST_F(RestoreTest, WhereNoDatabaseIsNothingIsKept) {
  const std::string other = (dir_.path() / "other.db").string();
  const auto restored = RestoreBackup(Backup(), other, {});
  ASSERT_TRUE(restored.has_value()) << restored.error().message;
  EXPECT_EQ(restored->kept_as, "");
  EXPECT_EQ(OrgsOf(other), Names({"before"}));
}

TEST_F(RestoreTest, WhatAKilledServerLeftInItsLogIsKeptToo) {
  const std::string killed = (dir_.path() / "killed.db").string();
  {
    const auto store = Open(Database());
    Add(*store, "later", 3);
    fs::copy_file(Database(), killed);
    fs::copy_file(Database() + "-wal", killed + "-wal");
  }
  const auto restored = RestoreBackup(Backup(), killed, {});
  ASSERT_TRUE(restored.has_value()) << restored.error().message;
  EXPECT_EQ(OrgsOf(killed), Names({"before"}));
  EXPECT_EQ(OrgsOf(restored->kept_as), Names({"after", "before", "later"}));
}

TEST_F(RestoreTest, ADatabaseInUseIsNotReplaced) {
  const auto store = Open(Database());
  ExpectRefused(Backup(), Database(), "DATABASE_IN_USE");
  Add(*store, "later", 3);
  EXPECT_EQ(OrgsOf(Database()), Names({"after", "before", "later"}));
}

TEST_F(RestoreTest, WhatIsNoSoundBackupIsRefused) {
  ExpectRefused((dir_.path() / "none").string(), Database(), "BACKUP_MISSING");
  ExpectRefused(Database(), Database(), "SAME_DATABASE");
  const std::string text = (dir_.path() / "text").string();
  std::ofstream(text) << std::string(8192, 'x');
  ExpectRefused(text, Database(), "NOT_A_DATABASE");
  const std::string empty = (dir_.path() / "empty").string();
  std::ofstream(empty) << "";
  ExpectRefused(empty, Database(), "NOT_A_DATABASE");
  {
    sqlite3* other = nullptr;
    ASSERT_EQ(sqlite3_open((dir_.path() / "other").c_str(), &other), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(other, "CREATE TABLE t (x)", nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(other);
  }
  ExpectRefused((dir_.path() / "other").string(), Database(), "NOT_A_DATABASE");
  {
    // A page in the middle is overwritten.
    std::fstream file(Backup(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096 * 3);
    file << std::string(4096, '\xff');
  }
  ExpectRefused(Backup(), Database(), "BACKUP_DAMAGED");
  EXPECT_EQ(OrgsOf(Database()), Names({"after", "before"}));
}

TEST_F(RestoreTest, ABackupCopiedBesideTheLogOfWhatItReplacedIsRefused) {
  std::string log;
  {
    // As a server that was killed leaves it.
    const auto store = Open(Database());
    Add(*store, "later", 3);
    log = Bytes(Database() + "-wal");
  }
  ASSERT_FALSE(log.empty());
  fs::copy_file(Backup(), Database(), fs::copy_options::overwrite_existing);
  std::ofstream(Database() + "-wal", std::ios::binary) << log;
  const auto opened = SqliteStore::Open(Database(), {});
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().reason, "DATABASE_LOG_OF_ANOTHER");
  EXPECT_EQ(Bytes(Database()), Bytes(Backup()));
  EXPECT_EQ(Bytes(Database() + "-wal"), log);
  // The way out.
  const auto restored = RestoreBackup(Backup(), Database(), {});
  ASSERT_TRUE(restored.has_value()) << restored.error().message;
  EXPECT_EQ(OrgsOf(Database()), Names({"before"}));
  EXPECT_EQ(Bytes(restored->kept_as + "-wal"), log);
}

}  // namespace
}  // namespace tallyman::store::sqlite
