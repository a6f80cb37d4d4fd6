#include "sqlite/connection.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "sqlite/sqlite_error.h"

namespace tallyman::sqlite {
namespace {

constexpr int kCopyPages = 512;
// Instructions of SQLite's virtual machine: a fraction of a millisecond.
constexpr int kInstructionsBetweenLooks = 10'000;
constexpr char kRollback[] = "ROLLBACK";

// SQLite's memory statistics, which nobody here uses, cost a lock and a sum for every allocation.
void ConfigureOnce() {
  [[maybe_unused]] static const int code = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

// A new file is its owner's alone, whatever the umask; the log and its index get the file's mode.
void CreateForOwner(const std::string& path) {
  // Only a file that nobody has open yet may be closed again: that gives up this process's locks.
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file >= 0) ::close(file);
}

// The path as a URI (RFC 3986), in which an option can be given.
std::string ImmutableUri(std::string_view path) {
  // Two slashes would begin the name of a machine.
  while (path.starts_with("//")) path.remove_prefix(1);
  std::string uri = "file:";
  for (const char c : path) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || std::string_view("/-._~").contains(c);
    uri += is_plain ? std::string(1, c) : fmt::format("%{:02x}", static_cast<unsigned char>(c));
  }
  return uri + "?immutable=1";
}

// SQLite would take these for something else than files.
std::string AsFile(const std::string& path) {
  return path == ":memory:" || path.starts_with("file:") ? "./" + path : path;
}

}  // namespace

Result<std::unique_ptr<SqliteConnection>> SqliteConnection::Open(const std::string& path,
                                                                 SqliteOpenOptions options) {
  ConfigureOnce();
  std::unique_ptr<SqliteConnection> connection(new SqliteConnection(path, std::move(options.hook)));
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  flags |= options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  if (options.immutable) flags |= SQLITE_OPEN_URI;
  if (options.create) {
    flags |= SQLITE_OPEN_CREATE;
    CreateForOwner(path);
  }
  const std::string name = options.immutable ? ImmutableUri(path) : AsFile(path);
  int code = sqlite3_open_v2(name.c_str(), &connection->database_, flags,
                             options.vfs.empty() ? nullptr : options.vfs.c_str());
  if (code != SQLITE_OK) return Fail(SqliteError(code, {}, path, "open"));
  sqlite3_busy_timeout(connection->database_,
                       static_cast<int>(std::min<int64_t>(options.busy_timeout_ms,
                                                          std::numeric_limits<int>::max())));
  return connection;
}

SqliteConnection::~SqliteConnection() {
  for (auto& [sql, kept] : kept_) sqlite3_finalize(kept.statement);
  sqlite3_close_v2(database_);
}

Result<sqlite3_stmt*> SqliteConnection::Prepare(std::string_view sql, bool keep,
                                                std::string_view* rest) {
  sqlite3_stmt* statement = nullptr;
  const char* tail = nullptr;
  int code = sqlite3_prepare_v3(database_, sql.data(), static_cast<int>(sql.size()),
                                keep ? SQLITE_PREPARE_PERSISTENT : 0, &statement, &tail);
  if (code != SQLITE_OK) return Fail(LastError(sql));
  if (rest != nullptr) *rest = sql.substr(static_cast<size_t>(tail - sql.data()));
  return statement;
}

SqliteQuery SqliteConnection::Query(const char* literal) {
  Kept& kept = kept_[literal];
  if (kept.busy) return QueryOnce(literal);
  if (kept.statement == nullptr) {
    auto prepared = Prepare(literal, true, nullptr);
    if (!prepared) return {*this, std::move(prepared).error()};
    kept.statement = *prepared;
  }
  kept.busy = true;
  return {*this, kept.statement, &kept.busy};
}

SqliteQuery SqliteConnection::QueryOnce(std::string_view sql) {
  auto prepared = Prepare(sql, false, nullptr);
  if (!prepared) return {*this, std::move(prepared).error()};
  return {*this, *prepared, nullptr};
}

Status SqliteConnection::Execute(std::string_view sql) {
  while (!sql.empty()) {
    std::string_view rest;
    ASSIGN_OR_RETURN(sqlite3_stmt * statement, Prepare(sql, false, &rest));
    sql = rest;
    if (statement == nullptr) continue;  // only white space or a comment
    RETURN_IF_ERROR(SqliteQuery(*this, statement, nullptr).Run());
  }
  return {};
}

void SqliteConnection::SetDeadline(std::optional<std::chrono::steady_clock::time_point> deadline) {
  deadline_ = deadline;
  auto overdue = [](void* connection) {
    return static_cast<const SqliteConnection*>(connection)->is_overdue() ? 1 : 0;
  };
  sqlite3_progress_handler(database_, deadline ? kInstructionsBetweenLooks : 0, overdue, this);
}

int64_t SqliteConnection::changes() const { return sqlite3_changes64(database_); }

bool SqliteConnection::in_transaction() const { return sqlite3_get_autocommit(database_) == 0; }

bool SqliteConnection::is_read_only() const { return sqlite3_db_readonly(database_, "main") == 1; }

bool SqliteConnection::Rollback() {
  // Some errors (FULL, IOERR) have rolled back already.
  if (!in_transaction()) return true;
  // Kept prepared, because every read ends with it, but run without the hook, which must not fail
  // it.
  sqlite3_stmt*& statement = kept_[kRollback].statement;
  if (statement == nullptr) {
    auto prepared = Prepare(kRollback, true, nullptr);
    if (!prepared) return false;
    statement = *prepared;
  }
  sqlite3_step(statement);
  sqlite3_reset(statement);
  return !in_transaction();
}

void SqliteConnection::KeepLog() {
  int keep = 1;
  sqlite3_file_control(database_, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
}

bool SqliteConnection::is_complete_by_itself() const {
  // Read through SQLite's own descriptor: to close another one gives up this process's locks. At
  // this place of the header is 2 for a file with a write-ahead log, and 1 for one without
  // (sqlite.org/fileformat2.html, 1.3).
  constexpr sqlite3_int64 kWriteVersionAt = 18;
  sqlite3_file* file = nullptr;
  char version = 0;
  return sqlite3_file_control(database_, "main", SQLITE_FCNTL_FILE_POINTER,
                              static_cast<void*>(&file)) == SQLITE_OK &&
         file != nullptr && file->pMethods != nullptr &&
         file->pMethods->xRead(file, &version, sizeof(version), kWriteVersionAt) == SQLITE_OK &&
         version == 1;
}

Status SqliteConnection::CopyTo(SqliteConnection& target,
                                const std::function<void(int64_t, int64_t)>& progress) {
  sqlite3_backup* backup = sqlite3_backup_init(target.database_, "main", database_, "main");
  if (backup == nullptr) return Fail(target.LastError("backup"));
  int code = SQLITE_OK;
  while (code == SQLITE_OK) {
    code = AskHook("backup step");
    if (code != SQLITE_OK) break;
    code = sqlite3_backup_step(backup, kCopyPages);
    if (progress && (code == SQLITE_OK || code == SQLITE_DONE)) {
      int64_t total = sqlite3_backup_pagecount(backup);
      progress(total - sqlite3_backup_remaining(backup), total);
    }
  }
  int finished = sqlite3_backup_finish(backup);
  if (code != SQLITE_DONE) return Fail(SqliteError(code, {}, target.path(), "backup"));
  if (finished != SQLITE_OK) return Fail(SqliteError(finished, {}, target.path(), "backup"));
  return {};
}

Error SqliteConnection::LastError(std::string_view sql) const {
  return SqliteError(sqlite3_extended_errcode(database_), sqlite3_errmsg(database_), path_, sql);
}

}  // namespace tallyman::sqlite
