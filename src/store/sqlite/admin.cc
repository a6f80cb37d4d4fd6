// The database as a whole: schema, backup, integrity.
#include <fmt/core.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/text.h"
#include "store/sqlite/admin.h"
#include "store/sqlite/draft.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite_store.h"

namespace tallyman::store::sqlite {

using tallyman::sqlite::SqliteQuery;

namespace {

Error CannotBackUp(const std::string& path, int error) {
  if (error == EEXIST) {
    return AlreadyExists(
               "BACKUP_EXISTS",
               fmt::format("file {} exists already: give the path of a new one", Quote(path)))
        .About(path);
  }
  return FailedPrecondition(
             "BACKUP_CANNOT_WRITE",
             fmt::format("a backup cannot be written to {}: {}", Quote(path), std::strerror(error)))
      .About(path);
}

Status AppendLines(SqliteConnection& connection, const char* sql, std::vector<std::string>& lines) {
  SqliteQuery query = connection.QueryOnce(sql);
  while (true) {
    ASSIGN_OR_RETURN(bool more, query.Next());
    if (!more) return {};
    std::string text;
    RETURN_IF_ERROR(query.Read(text));
    if (text != "ok") lines.push_back(std::move(text));
  }
}

}  // namespace

Status CheckLog(const SqliteConnection& connection) {
  if (!connection.is_complete_by_itself()) return {};
  const std::string log = connection.path() + "-wal";
  std::error_code none;
  if (std::filesystem::file_size(log, none) == 0 || none) return {};
  return Fail(
      FailedPrecondition(
          "DATABASE_LOG_OF_ANOTHER",
          fmt::format("{0} is a backup, and beside it is {1}, the log of the database that it "
                      "replaced: nothing was read or changed; move {1} away, or have `tallyman db "
                      "restore` put a backup in place",
                      connection.path(), log))
          .About(fmt::format("database {}", connection.path())));
}

Status CopyInto(SqliteConnection& source, const std::string& to, const std::string& vfs,
                const std::function<void(int64_t, int64_t)>& progress) {
  ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> target,
                   SqliteConnection::Open(to, {.vfs = vfs}));
  // A transaction pins the snapshot, so that writers do not make the copy start over.
  RETURN_IF_ERROR(source.Execute("BEGIN; SELECT count(*) FROM sqlite_schema"));
  Status copied = source.CopyTo(*target, progress);
  source.Rollback();
  RETURN_IF_ERROR(copied);
  // A backup needs no log, and says so: one that lies beside it later belongs to another file.
  return target->Execute("PRAGMA journal_mode = DELETE");
}

Result<std::vector<std::string>> FindFaults(SqliteConnection& connection) {
  std::vector<std::string> lines;
  RETURN_IF_ERROR(AppendLines(connection, "PRAGMA integrity_check", lines));
  RETURN_IF_ERROR(AppendLines(
      connection,
      "SELECT \"table\" || ': ' || count(*) || ' row(s) point to a missing row of ' || parent "
      "FROM pragma_foreign_key_check GROUP BY \"table\", parent",
      lines));
  return lines;
}

Result<SchemaState> SqliteStore::Schema() {
  std::lock_guard lock(writer_mutex_);
  RETURN_IF_ERROR(EnsureWriter());
  return ReadSchema(*writer_);
}

Result<SchemaState> SqliteStore::Migrate() {
  std::lock_guard lock(writer_mutex_);
  RETURN_IF_ERROR(PrepareToWrite());
  ASSIGN_OR_RETURN(SchemaState schema, MigrateSchema(*writer_));
  schema_version_ = schema.version;
  return schema;
}

Status SqliteStore::Backup(const std::string& to,
                           const std::function<void(int64_t, int64_t)>& progress) {
  // Said before the work as well.
  std::error_code none;
  if (std::filesystem::exists(std::filesystem::symlink_status(to, none)))
    return Fail(CannotBackUp(to, EEXIST));
  Draft draft(to);
  if (!draft.is_made()) return Fail(CannotBackUp(to, errno));
  // A separate connection, because a backup takes long and readers continue.
  ASSIGN_OR_RETURN(auto source, Connect(false));
  const Status copied = CopyInto(*source, draft.path(), options_.vfs, progress);
  RETURN_IF_ERROR(CheckStill());
  RETURN_IF_ERROR(copied);
  if (!draft.TakeName()) return Fail(CannotBackUp(to, errno));
  return {};
}

Result<std::vector<std::string>> SqliteStore::CheckIntegrity() {
  ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> connection, Connect(false));
  Result<std::vector<std::string>> faults = FindFaults(*connection);
  RETURN_IF_ERROR(CheckStill());
  return faults;
}

}  // namespace tallyman::store::sqlite
