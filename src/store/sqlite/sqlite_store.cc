#include "store/sqlite/sqlite_store.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/reasons.h"
#include "base/sync.h"
#include "store/refusals.h"
#include "store/sqlite/admin.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/transaction.h"

namespace tallyman::store::sqlite {
namespace {

constexpr std::string_view SynchronousWord(SqliteSynchronous value) {
  switch (value) {
    case SqliteSynchronous::kOff:
      return "OFF";
    case SqliteSynchronous::kNormal:
      return "NORMAL";
    case SqliteSynchronous::kFull:
      break;
  }
  return "FULL";
}

Error Missing(const std::string& path) {
  return NotFound(kDatabaseMissing,
                  fmt::format("there is no database at {}: make one with `tallyman db migrate`, or "
                              "give the path of one with --db sqlite:PATH",
                              path))
      .About(fmt::format("database {}", path));
}

Error CannotOpen(const std::string& path, std::string_view why) {
  return FailedPrecondition("DATABASE_CANNOT_OPEN",
                            fmt::format("database {}: {}: give the path of a file", path, why))
      .About(fmt::format("database {}", path));
}

Error ReadOnly(const std::string& path) {
  return FailedPrecondition(
             kDatabaseReadOnly,
             fmt::format("database {} cannot be written: make the file and its directory writable "
                         "for this user",
                         path))
      .About(fmt::format("database {}", path));
}

// Its index would have to be made beside it; without the log, the file alone is an older state.
Error LogUnread(const std::string& path, const std::string& log) {
  return FailedPrecondition(
             "DATABASE_LOG_UNREAD",
             fmt::format("database {0} cannot be written, and the changes in {1} cannot be read "
                         "without writing beside it: nothing was read; copy both files into a "
                         "directory of your own and read them there, or let the user of the server "
                         "run the command",
                         path, log))
      .About(fmt::format("database {}", path));
}

bool MayWrite(const std::string& path) {
  return ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0;
}

bool IsThere(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

// Its log and the index of the log, which are there while somebody has it open.
bool HasLogAndIndex(const std::string& path) {
  return IsThere(path + "-wal") && IsThere(path + "-shm");
}

// The log and its index are made beside the file unless somebody has it open.
bool CanBeWritten(const std::string& path) {
  if (!IsThere(path)) return true;
  return MayWrite(path) && (HasLogAndIndex(path) || MayWrite(DirectoryOf(path)));
}

// The device and number of the file at a path; nullopt: there is none.
std::optional<std::pair<dev_t, ino_t>> PlaceOf(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return std::pair(info.st_dev, info.st_ino);
}

Status CheckPath(const std::string& path, bool may_create) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (std::filesystem::is_directory(status)) return Fail(CannotOpen(path, "it is a directory"));
  if (status.type() == std::filesystem::file_type::not_found && !may_create) {
    return Fail(Missing(path));
  }
  return {};
}

// Rolls back unless Commit() succeeded, and discards a connection that cannot roll back.
class Scope {
 public:
  explicit Scope(std::unique_ptr<SqliteConnection>& connection) : connection_(connection) {}
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() {
    if (!connection_->Rollback()) connection_.reset();
  }
  Status Begin(const char* how) { return connection_->Query(how).Run(); }
  Status Commit() { return connection_->Query("COMMIT").Run(); }

 private:
  std::unique_ptr<SqliteConnection>& connection_;
};

// A transaction that is open, as a store. Its images are its own, as they may never be committed.
class OpenTransaction final : public Store {
 public:
  explicit OpenTransaction(SqliteConnection& connection) : connection_(connection) {}

  Status Read(const std::function<Status(ReadTx&)>& body) override {
    RETURN_IF_ERROR(failed_);
    SqliteTransaction transaction(connection_, images_);
    return body(transaction);
  }
  Status Write(const std::function<Status(WriteTx&)>& body) override {
    RETURN_IF_ERROR(failed_);
    RETURN_IF_ERROR(connection_.Query("SAVEPOINT step").Run());
    Status status = WriteStep(body);
    // Some errors (FULL, IOERR) have rolled back all of it.
    if (!connection_.in_transaction()) failed_ = status;
    RETURN_IF_ERROR(failed_);
    if (!status) RETURN_IF_ERROR(failed_ = connection_.Query("ROLLBACK TO step").Run());
    RETURN_IF_ERROR(failed_ = connection_.Query("RELEASE step").Run());
    return status;
  }
  Status Together(const std::function<Result<bool>(Store& within)>&) override {
    return Fail(TogetherWithin());
  }
  Result<std::optional<Time>> Now() override { return std::nullopt; }

  // Why the transaction cannot go on.
  const Status& failed() const { return failed_; }

 private:
  Status WriteStep(const std::function<Status(WriteTx&)>& body) {
    SqliteTransaction transaction(connection_, images_);
    RETURN_IF_ERROR(body(transaction));
    return transaction.has_written() ? transaction.Finish() : Status();
  }

  SqliteConnection& connection_;
  ImageCache images_;
  Status failed_;
};

}  // namespace

// Leases a reader for one call.
class SqliteStore::Lease {
 public:
  explicit Lease(SqliteStore& store) : store_(store) {
    std::unique_lock lock(store_.pool_mutex_);
    store_.pool_changed_.wait(lock, [&] { return store_.leased_ < store_.options_.readers_max; });
    ++store_.leased_;
    if (!store_.idle_.empty()) {
      connection = std::move(store_.idle_.back());
      store_.idle_.pop_back();
    }
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease() {
    {
      std::lock_guard lock(store_.pool_mutex_);
      --store_.leased_;
      if (connection != nullptr) store_.idle_.push_back(std::move(connection));
    }
    store_.pool_changed_.notify_one();
  }
  Status Ensure() {
    if (connection != nullptr) return {};
    ASSIGN_OR_RETURN(connection, store_.Connect(false));
    return {};
  }

  std::unique_ptr<SqliteConnection> connection;

 private:
  SqliteStore& store_;
};

Error AtOpening(Error error) {
  if (error.reason == kDatabaseReadOnly || error.reason == "DATABASE_CANNOT_OPEN")
    error.code = Code::kFailedPrecondition;
  return error;
}

SqliteStore::~SqliteStore() = default;

Result<std::unique_ptr<SqliteStore>> SqliteStore::Open(const std::string& path,
                                                       SqliteStoreOptions options) {
  RETURN_IF_ERROR(CheckPath(path, options.create_if_missing));
  std::unique_ptr<SqliteStore> store(new SqliteStore(path, std::move(options)));
  if (!CanBeWritten(path)) RETURN_IF_ERROR(store->PrepareReadOnly());
  auto connection = store->Connect(store->options_.create_if_missing);
  if (!connection) return Fail(AtOpening(std::move(connection).error()));
  store->writer_ = *std::move(connection);
  store->place_ = PlaceOf(store->path_);
  if (Status opened = store->CheckOpened(); !opened) {
    RETURN_IF_ERROR(store->CheckStill());
    return Fail(AtOpening(std::move(opened).error()));
  }
  return store;
}

Status SqliteStore::PrepareReadOnly() {
  if (!options_.may_be_read_only) return Fail(ReadOnly(path_));
  is_read_only_ = true;
  if (HasLogAndIndex(path_)) return {};
  // Taken first: what is written from now on is noticed.
  stamp_ = StampOf(path_);
  for (const char* suffix : {"-wal", "-journal"}) {
    std::error_code none;
    if (std::filesystem::file_size(path_ + suffix, none) > 0 && !none)
      return Fail(LogUnread(path_, path_ + suffix));
  }
  return {};
}

std::optional<SqliteStore::Stamp> SqliteStore::StampOf(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return Stamp{.device = info.st_dev,
               .number = info.st_ino,
               .bytes = info.st_size,
               .modified = {info.st_mtim.tv_sec, info.st_mtim.tv_nsec},
               .changed = {info.st_ctim.tv_sec, info.st_ctim.tv_nsec}};
}

Status SqliteStore::CheckStill() const {
  if (!stamp_ || StampOf(path_) == stamp_) return {};
  return Fail(Error(Code::kUnavailable, "DATABASE_CHANGED",
                    fmt::format("database {} was changed while it was read; it cannot be written "
                                "by this user, so it was read without locks: try again",
                                path_))
                  .About(fmt::format("database {}", path_)));
}

Status SqliteStore::CheckPlace() const {
  if (PlaceOf(path_) == place_) return {};
  return Fail(
      Error(
          Code::kUnavailable, kDatabaseMoved,
          fmt::format("the file of database {} was moved, deleted or replaced while it was in use: "
                      "nothing was changed; put it back, or stop the server and start it with the "
                      "file that is to go on",
                      path_))
          .About(fmt::format("database {}", path_)));
}

Result<std::unique_ptr<SqliteConnection>> SqliteStore::Connect(bool create) {
  ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> connection,
                   SqliteConnection::Open(path_, {.create = create && !is_read_only_,
                                                  .read_only = is_read_only_,
                                                  .immutable = stamp_.has_value(),
                                                  .busy_timeout_ms = options_.busy_timeout_ms,
                                                  .vfs = options_.vfs,
                                                  .hook = options_.hook}));
  // Checked first: without write access, the log beside the file cannot be created, not even for
  // reads.
  if (connection->is_read_only() && !is_read_only_) return Fail(ReadOnly(path_));
  RETURN_IF_ERROR(CheckLog(*connection));
  // By default Debian's SQLite overwrites deleted content with zeros, which doubles some writes;
  // nothing secret is stored here in the clear.
  RETURN_IF_ERROR(connection->Execute(
      fmt::format("PRAGMA secure_delete = OFF; PRAGMA foreign_keys = ON; PRAGMA synchronous = {}; "
                  "PRAGMA wal_autocheckpoint = {}; PRAGMA cache_size = -32768; "
                  "PRAGMA temp_store = MEMORY",
                  SynchronousWord(options_.synchronous), options_.wal_autocheckpoint_pages)));
  return connection;
}

Status SqliteStore::CheckOpened() {
  ASSIGN_OR_RETURN(SchemaState schema, ReadSchema(*writer_));
  const bool is_new = options_.create_if_missing && schema.version == 0;
  RETURN_IF_ERROR(CheckSchema(schema, path_, options_.for_migration || is_new));
  schema_version_ = schema.version;
  // Whoever may only read it leaves the file as it is: a backup that was checked is still one.
  return options_.may_be_read_only ? Status() : PrepareToWrite();
}

Status SqliteStore::CheckReady() const {
  const int64_t newest = NewestSchemaVersion();
  if (schema_version_ == newest) return {};
  return CheckSchema({schema_version_, newest}, path_, false);
}

Status SqliteStore::EnsureWriter() {
  if (writer_ != nullptr) return {};
  ASSIGN_OR_RETURN(writer_, Connect(false));
  return {};
}

Status SqliteStore::PrepareToWrite() {
  if (is_read_only_) return Fail(ReadOnly(path_));
  RETURN_IF_ERROR(EnsureWriter());
  if (has_log_) return {};
  SqliteQuery query = writer_->QueryOnce("PRAGMA journal_mode = WAL");
  std::string mode;
  ASSIGN_OR_RETURN(bool found, query.Next());
  if (found) RETURN_IF_ERROR(query.Read(mode));
  if (mode != "wal") return Fail(CannotOpen(path_, "write-ahead logging is not possible there"));
  has_log_ = true;
  return {};
}

Status SqliteStore::Read(const std::function<Status(ReadTx&)>& body) {
  RETURN_IF_ERROR(CheckReady());
  RETURN_IF_ERROR(CheckPlace());
  Lease lease(*this);
  RETURN_IF_ERROR(lease.Ensure());
  Scope scope(lease.connection);
  RETURN_IF_ERROR(scope.Begin("BEGIN"));
  SqliteTransaction transaction(*lease.connection, images_);
  Status read = body(transaction);
  RETURN_IF_ERROR(CheckStill());
  return read;
}

Status SqliteStore::Write(const std::function<Status(WriteTx&)>& body) {
  return Change([&]() -> Result<bool> {
    SqliteTransaction transaction(*writer_, images_);
    RETURN_IF_ERROR(body(transaction));
    if (!transaction.has_written()) return false;
    RETURN_IF_ERROR(transaction.Finish());
    return true;
  });
}

Status SqliteStore::Together(const std::function<Result<bool>(Store& within)>& body) {
  return Change([&]() -> Result<bool> {
    OpenTransaction open(*writer_);
    ASSIGN_OR_RETURN(const bool keep, body(open));
    RETURN_IF_ERROR(open.failed());
    return keep;
  });
}

Status SqliteStore::Change(const std::function<Result<bool>()>& body) {
  RETURN_IF_ERROR(CheckReady());
  std::lock_guard lock(writer_mutex_);
  RETURN_IF_ERROR(PrepareToWrite());
  Scope scope(writer_);
  RETURN_IF_ERROR(scope.Begin("BEGIN IMMEDIATE"));
  ASSIGN_OR_RETURN(const bool keep, body());
  if (!keep) return {};
  RETURN_IF_ERROR(CheckPlace());
  return scope.Commit();
}

}  // namespace tallyman::store::sqlite
