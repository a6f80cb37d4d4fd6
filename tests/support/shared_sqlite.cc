#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <mutex>
#include <set>
#include <thread>

#include "store/sqlite/sqlite_store.h"
#include "tests/support/shared_database.h"
#include "tests/support/temp_dir.h"

namespace tallyman {
namespace {

using namespace tallyman::store::sqlite;

namespace fs = std::filesystem;

// Which threads have asked for the write lock and were not heard of since.
class WriteLockQueue {
 public:
  int Ask(std::string_view sql) {
    std::lock_guard lock(mutex_);
    if (sql == "BEGIN IMMEDIATE") {
      waiting_.insert(std::this_thread::get_id());
    } else {
      waiting_.erase(std::this_thread::get_id());
    }
    return SQLITE_OK;
  }
  int64_t size() const {
    std::lock_guard lock(mutex_);
    return static_cast<int64_t>(waiting_.size());
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::thread::id> waiting_;
};

bool HasOpen(const fs::path& process, const std::string& file) {
  std::error_code gone;
  for (const auto& descriptor : fs::directory_iterator(process / "fd", gone)) {
    if (fs::read_symlink(descriptor.path(), gone) == file) return true;
  }
  return false;
}

class WriteLock final : public HeldLock {
 public:
  explicit WriteLock(const std::string& path) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &database_), SQLITE_OK);
    sqlite3_busy_timeout(database_, 30'000);
    EXPECT_EQ(sqlite3_exec(database_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  }
  WriteLock(const WriteLock&) = delete;
  WriteLock& operator=(const WriteLock&) = delete;
  ~WriteLock() override { sqlite3_close(database_); }

 private:
  sqlite3* database_ = nullptr;
};

class Shares final : public HeldLock {
 public:
  explicit Shares(std::shared_ptr<WriteLock> lock) : lock_(std::move(lock)) {}

 private:
  std::shared_ptr<WriteLock> lock_;
};

class SqliteDatabase final : public SharedDatabase {
 public:
  SqliteDatabase() {
    SqliteStoreOptions options;
    options.create_if_missing = true;
    auto opened = SqliteStore::Open(path(), options);
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
    auto migrated = (*opened)->Migrate();
    EXPECT_TRUE(migrated.has_value()) << (migrated ? "" : migrated.error().message);
  }

  std::unique_ptr<store::Store> Open() override {
    SqliteStoreOptions options;
    // A race is no matter of power cuts, and waits as long as the test does.
    options.synchronous = SqliteSynchronous::kOff;
    options.busy_timeout_ms = 30'000;
    options.hook = [this](std::string_view sql) { return queue_.Ask(sql); };
    auto opened = SqliteStore::Open(path(), options);
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
    return *std::move(opened);
  }

  int64_t Waiting() override { return queue_.size(); }

  int64_t WaitingProcesses() override {
    int64_t count = 0;
    for (const auto& process : fs::directory_iterator("/proc")) {
      const std::string name = process.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      count += name != std::to_string(::getpid()) && HasOpen(process.path(), path() + "-wal");
    }
    return count;
  }

  std::unique_ptr<HeldLock> LockHost(const std::string&) override {
    std::shared_ptr<WriteLock> lock = held_.lock();
    if (lock == nullptr) lock = std::make_shared<WriteLock>(path());
    held_ = lock;
    return std::make_unique<Shares>(std::move(lock));
  }

  void Sql(const std::string& sql) override {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &database), SQLITE_OK);
    sqlite3_busy_timeout(database, 30'000);
    const std::string all = "PRAGMA ignore_check_constraints = ON; " + sql;
    char* message = nullptr;
    EXPECT_EQ(sqlite3_exec(database, all.c_str(), nullptr, nullptr, &message), SQLITE_OK)
        << message;
    sqlite3_free(message);
    sqlite3_close(database);
  }

  std::string Dsn() const override { return "sqlite:" + path(); }

 private:
  std::string path() const { return (directory_.path() / "fleet.db").string(); }

  TempDir directory_;
  WriteLockQueue queue_;
  std::weak_ptr<WriteLock> held_;
};

}  // namespace

DatabaseParameter SharedSqlite() {
  return {"Sqlite", [] { return std::make_unique<SqliteDatabase>(); }};
}

}  // namespace tallyman
