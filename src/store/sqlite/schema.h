// The schema's version: what a database has, what this program knows, and the way from one to the
// other.
#pragma once

#include "sqlite/connection.h"
#include "store/migration.h"
#include "store/store.h"

namespace tallyman {

int64_t NewestSchemaVersion();

// FAILED_PRECONDITION NOT_A_DATABASE when the file is another program's.
Result<SchemaState> ReadSchema(SqliteConnection& connection);

// Each migration is a transaction of its own; another process that migrates at the same time waits.
Result<SchemaState> MigrateSchema(SqliteConnection& connection);

}  // namespace tallyman
