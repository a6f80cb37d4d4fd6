// Puts a backup in the place of a database.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"

namespace tallyman::store::sqlite {

struct Restored {
  int64_t schema_version = 0;
  // Where the database that was there is now; empty: there was none.
  std::string kept_as;
};

// Copies the database in the file `from`, which may be in use, to `to`. Whoever opens `to` sees the
// old one or the new one, at any moment, also where this is interrupted; the old one is kept beside
// it, with its log. `progress` receives pages done and pages in total. Errors, which change
// nothing:
//   NOT_FOUND BACKUP_MISSING                     there is no file `from`
//   INVALID_ARGUMENT SAME_DATABASE               `from` is `to`
//   DATA_LOSS BACKUP_DAMAGED                     `from` is not sound
//   FAILED_PRECONDITION DATABASE_IN_USE          somebody has `to` open
//   FAILED_PRECONDITION RESTORE_CANNOT_WRITE     the directory of `to` cannot be written
//   as SqliteStore::Open                         `from` is no database, or of a newer program
Result<Restored> RestoreBackup(const std::string& from, const std::string& to,
                               const std::function<void(int64_t, int64_t)>& progress);

}  // namespace tallyman::store::sqlite
