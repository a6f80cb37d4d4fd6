// Parts of what is done to a database as a whole.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sqlite/connection.h"

namespace tallyman::store::sqlite {

using tallyman::sqlite::SqliteConnection;

// What waiting does not change, where a file is only now opened, is FAILED_PRECONDITION.
Error AtOpening(Error error);

// FAILED_PRECONDITION DATABASE_LOG_OF_ANOTHER for a backup beside which the log of the database
// that it replaced was left: SQLite would mix the pages of both. Nothing is read of either.
Status CheckLog(const SqliteConnection& connection);

// Copies the database of `source` into the file `to`, which is then complete by itself: no log goes
// with it. `progress` receives pages done and pages in total.
Status CopyInto(SqliteConnection& source, const std::string& to, const std::string& vfs,
                const std::function<void(int64_t, int64_t)>& progress);

// One line per fault of pages, indexes and foreign keys; empty: none.
Result<std::vector<std::string>> FindFaults(SqliteConnection& connection);

}  // namespace tallyman::store::sqlite
