// The schema's version: the database's, this program's, and the migration from one to the other.
#pragma once

#include "sqlite/connection.h"
#include "store/migration.h"
#include "store/store.h"

namespace tallyman::store::sqlite {

using tallyman::sqlite::SqliteConnection;

int64_t NewestSchemaVersion();

// FAILED_PRECONDITION NOT_A_DATABASE when the file belongs to another program.
Result<SchemaState> ReadSchema(SqliteConnection& connection);

// Each migration is one transaction; another process that migrates at the same time waits.
Result<SchemaState> MigrateSchema(SqliteConnection& connection);

}  // namespace tallyman::store::sqlite
