#include "store/sqlite/restore.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/reasons.h"
#include "base/sync.h"
#include "base/text.h"
#include "store/sqlite/admin.h"
#include "store/sqlite/draft.h"
#include "store/sqlite/schema.h"

namespace tallyman::store::sqlite {
namespace {

namespace fs = std::filesystem;

Error CannotWrite(const std::string& path, int error) {
  return FailedPrecondition("RESTORE_CANNOT_WRITE",
                            fmt::format("{} cannot be written: {}; nothing was changed",
                                        Quote(path), std::strerror(error)))
      .About(path);
}

bool Exists(const std::string& path) {
  std::error_code none;
  return fs::exists(fs::symlink_status(path, none));
}

Status CheckBackup(const std::string& from, const std::string& to) {
  std::error_code none;
  if (!Exists(from)) {
    return Fail(NotFound("BACKUP_MISSING", fmt::format("there is no backup {}: give the path of a "
                                                       "file that `tallyman db backup` made",
                                                       Quote(from)))
                    .About(from));
  }
  if (!fs::equivalent(from, to, none)) return {};
  return Fail(InvalidArgument("SAME_DATABASE",
                              fmt::format("{} is the database itself: give the path of a backup of "
                                          "it, or of another database with --db",
                                          Quote(from)))
                  .About(from));
}

// The database as one sound file, in the empty file `draft`. Returns its schema's version.
Result<int64_t> MakeDraft(const std::string& from, const std::string& draft,
                          const std::function<void(int64_t, int64_t)>& progress) {
  ASSIGN_OR_RETURN(auto source, SqliteConnection::Open(from, {}));
  ASSIGN_OR_RETURN(const SchemaState schema, ReadSchema(*source));
  RETURN_IF_ERROR(CheckSchema(schema, from, true));
  if (schema.version == 0) {
    return Fail(FailedPrecondition(
                    "NOT_A_DATABASE",
                    fmt::format("{} is an empty database: give the path of a backup", Quote(from)))
                    .About(from));
  }
  RETURN_IF_ERROR(CopyInto(*source, draft, "", progress));
  ASSIGN_OR_RETURN(auto copy, SqliteConnection::Open(draft, {}));
  const auto faults = FindFaults(*copy);
  if (faults && faults->empty()) return schema.version;
  if (!faults && faults.error().code != Code::kDataLoss) return Fail(faults.error());
  return Fail(DataLoss("BACKUP_DAMAGED",
                       fmt::format("backup {} is damaged{}: nothing was changed, take another",
                                   Quote(from), faults ? ": " + faults->front() : ""))
                  .About(from));
}

// Nobody has the database open, and nobody will have begun to before it is replaced but to find
// that it was moved. Its log is part of its file afterwards, unless it is damaged.
Status CheckUnused(const std::string& path) {
  ASSIGN_OR_RETURN(auto connection, SqliteConnection::Open(path, {.busy_timeout_ms = 0}));
  if (!CheckLog(*connection)) return {};
  // A connection in WAL mode keeps a lock for as long as it is open, and this asks for all of them.
  const Status locked = connection->Execute(
      "PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
  if (locked || locked.error().reason != kDatabaseBusy) return {};
  return Fail(FailedPrecondition("DATABASE_IN_USE",
                                 fmt::format("{} is in use: stop the server that has it open; "
                                             "nothing was changed",
                                             Quote(path)))
                  .About(path));
}

std::string FreeName(const std::string& path) {
  for (int i = 1;; ++i) {
    std::string name = fmt::format("{}.replaced-{}", path, i);
    bool is_free = !Exists(name);
    for (std::string_view end : kBesideFile) is_free = is_free && !Exists(name + std::string(end));
    if (is_free) return name;
  }
}

// A second name for the old file, before the new one takes the first: there is a database at each
// moment.
Status Keep(const std::string& path, const std::string& kept_as) {
  if (::link(path.c_str(), kept_as.c_str()) != 0) return Fail(CannotWrite(kept_as, errno));
  // A log that is left belongs to the old file: it is not to be read with the new one.
  for (std::string_view end : kBesideFile) {
    const std::string beside = path + std::string(end);
    if (::rename(beside.c_str(), (kept_as + std::string(end)).c_str()) != 0 && errno != ENOENT)
      return Fail(CannotWrite(beside, errno));
  }
  return {};
}

// The owner of the database that was there, or of the directory, when root restores.
bool HandOver(const std::string& draft, const std::string& path) {
  if (::geteuid() != 0) return true;
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0 && ::stat(DirectoryOf(path).c_str(), &info) != 0)
    return false;
  return ::chown(draft.c_str(), info.st_uid, info.st_gid) == 0;
}

}  // namespace

Result<Restored> RestoreBackup(const std::string& from, const std::string& to,
                               const std::function<void(int64_t, int64_t)>& progress) {
  RETURN_IF_ERROR(CheckBackup(from, to));
  // A link stays one: what it points to is replaced.
  std::error_code none;
  const fs::path real = fs::canonical(to, none);
  const std::string path = none ? to : real.string();
  const bool replaces = Exists(path);
  if (replaces) {
    if (const Status unused = CheckUnused(path); !unused) return Fail(AtOpening(unused.error()));
  }

  Draft draft(path);
  if (!draft.is_made()) return Fail(CannotWrite(path, errno));
  Restored restored;
  const Result<int64_t> version = MakeDraft(from, draft.path(), progress);
  if (!version) return Fail(AtOpening(version.error()));
  restored.schema_version = *version;
  if (!HandOver(draft.path(), path)) return Fail(CannotWrite(draft.path(), errno));
  if (replaces) {
    restored.kept_as = FreeName(path);
    RETURN_IF_ERROR(Keep(path, restored.kept_as));
  }
  if (!draft.ReplaceName()) return Fail(CannotWrite(path, errno));
  return restored;
}

}  // namespace tallyman::store::sqlite
