// The schema's version: the database's, this program's, and the migration from one to the other.
// The table tallyman_schema holds the version in its one row.
#pragma once

#include "store/migration.h"
#include "store/postgres/connection.h"

namespace tallyman::store::postgres {

// FAILED_PRECONDITION NOT_A_DATABASE when the tables belong to another program, DATABASE_ENCODING
// when the database is not in UTF-8.
Result<SchemaState> ReadSchema(PgConnection& connection);

// Takes an advisory lock, so that concurrent migrations wait for each other. Each migration is a
// transaction.
Result<SchemaState> MigrateSchema(PgConnection& connection);

}  // namespace tallyman::store::postgres
