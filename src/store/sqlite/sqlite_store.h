// The embedded store: one SQLite file in WAL mode.
//
// One writer connection behind a mutex (BEGIN IMMEDIATE, so other processes wait their turn), and a
// bounded pool of readers, each on its own snapshot; connections are opened when first needed.
// Durable: with synchronous FULL, an acknowledged commit survives a power cut. Thread-safe. A
// Read() or Write() inside another Write() of the same thread is a deadlock.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "store/copy.h"
#include "store/sqlite/image_cache.h"

namespace tallyman::store::sqlite {

using tallyman::sqlite::StatementHook;

enum class SqliteSynchronous { kOff, kNormal, kFull };

struct SqliteStoreOptions {
  bool create_if_missing = false;
  // Opens an empty or older database, which Migrate() has to bring up before it is read or written.
  bool for_migration = false;
  // Opens for reading what cannot be written, and refuses what writes. Makes no file beside it,
  // which would belong to the reader. In use by others, it is read as usual; at rest, without
  // locks, and a read fails that a change overtakes. What can be written is left as it is until
  // something is written.
  bool may_be_read_only = false;
  SqliteSynchronous synchronous = SqliteSynchronous::kFull;
  int64_t busy_timeout_ms = 5000;
  int64_t wal_autocheckpoint_pages = 20000;
  int64_t readers_max = 4;
  std::string vfs;     // empty: the system's; for tests of faults
  StatementHook hook;  // likewise
};

class SqliteStore final : public Store, public StoreAdmin, public CopyableStore {
 public:
  // Errors, beside those of sqlite_error.h:
  //   NOT_FOUND DATABASE_MISSING            there is no file
  //   FAILED_PRECONDITION NOT_A_DATABASE    not a database, or another program's
  //   FAILED_PRECONDITION SCHEMA_TOO_NEW    a newer program wrote it
  //   FAILED_PRECONDITION SCHEMA_TOO_OLD    it has to be migrated first
  //   FAILED_PRECONDITION DATABASE_LOG_OF_ANOTHER  a backup beside the log of what it replaced
  //   FAILED_PRECONDITION DATABASE_READ_ONLY    the file or its directory cannot be written
  //   FAILED_PRECONDITION DATABASE_CANNOT_OPEN  it is no file, or what is beside it is in the way
  //   FAILED_PRECONDITION DATABASE_LOG_UNREAD   read-only, with a log that only a writer can read
  // Reading and writing return UNAVAILABLE DATABASE_MOVED once the file is not at its path any
  // more. Writing what was opened for reading returns FAILED_PRECONDITION DATABASE_READ_ONLY.
  static Result<std::unique_ptr<SqliteStore>> Open(const std::string& path,
                                                   SqliteStoreOptions options);
  ~SqliteStore() override;

  Status Read(const std::function<Status(ReadTx&)>& body) override;
  Status Write(const std::function<Status(WriteTx&)>& body) override;
  Status Together(const std::function<Result<bool>(Store& within)>& body) override;
  // The file is on this machine, so its clock is the database's.
  Result<std::optional<Time>> Now() override { return std::nullopt; }

  Result<SchemaState> Schema() override;
  Result<SchemaState> Migrate() override;
  Status Backup(const std::string& to,
                const std::function<void(int64_t, int64_t)>& progress) override;
  Result<std::vector<std::string>> CheckIntegrity() override;
  Status CopyOut(const std::function<Status(CopySource&, ReadTx&)>& body) override;
  Status CopyIn(const std::function<Status(CopyTarget&, ReadTx&)>& body) override;

  // See may_be_read_only.
  bool is_read_only() const { return is_read_only_; }

 private:
  class Lease;
  // A file as it stands; a change of its content changes it.
  struct Stamp {
    dev_t device;
    ino_t number;
    off_t bytes;
    std::pair<time_t, long> modified;
    std::pair<time_t, long> changed;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  static std::optional<Stamp> StampOf(const std::string& path);
  SqliteStore(std::string path, SqliteStoreOptions options)
      : path_(std::move(path)), options_(std::move(options)) {}
  Result<std::unique_ptr<SqliteConnection>> Connect(bool create);
  // REQUIRES: writer_mutex_ is held.
  Status EnsureWriter();
  // The same, and the file has a write-ahead log from then on.
  Status PrepareToWrite();
  Status CheckOpened();
  // DATABASE_MOVED: what is written to a file that is not at its path any more is gone when the
  // last who has it open ends.
  Status CheckPlace() const;
  Status PrepareReadOnly();
  // Runs `body` in a transaction of the writer, which is committed when it gives true.
  Status Change(const std::function<Result<bool>()>& body);
  // UNAVAILABLE DATABASE_CHANGED: what was read without locks may be of two states.
  Status CheckStill() const;
  // SCHEMA_TOO_OLD until a database that was opened for migration is migrated.
  Status CheckReady() const;

  const std::string path_;
  const SqliteStoreOptions options_;
  ImageCache images_;
  std::atomic<int64_t> schema_version_{0};
  std::optional<std::pair<dev_t, ino_t>> place_;  // of the file that was opened
  bool is_read_only_ = false;
  bool has_log_ = false;        // under writer_mutex_
  std::optional<Stamp> stamp_;  // of a file that is read without locks

  std::mutex writer_mutex_;
  std::unique_ptr<SqliteConnection> writer_;  // null: reopened when next needed

  std::mutex pool_mutex_;
  std::condition_variable pool_changed_;
  std::vector<std::unique_ptr<SqliteConnection>> idle_;
  int64_t leased_ = 0;
};

}  // namespace tallyman::store::sqlite
