// The location of the database, as given with --db.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace tallyman::app {

enum class DatabaseKind { kSqlite, kPostgres };

struct DatabaseName {
  DatabaseKind kind = DatabaseKind::kSqlite;
  // The path of "sqlite:PATH", or the whole connection string of a PostgreSQL database.
  std::string place;
  // For messages: without a password.
  std::string shown;
};

// Reads "sqlite:PATH", "postgres://..." or "postgresql://...". INVALID_ARGUMENT INVALID_DATABASE
// for anything else; the error repeats no text that could be a password.
Result<DatabaseName> ParseDsn(std::string_view dsn);

}  // namespace tallyman::app
