// The schema's version: what a database has, what this program knows, and the way from one to the
// other. The version stands in the one row of the table tallyman_schema.
#pragma once

#include "store/migration.h"
#include "store/postgres/connection.h"

namespace tallyman {

// FAILED_PRECONDITION NOT_A_DATABASE when the tables there are another program's.
Result<SchemaState> ReadSchema(PgConnection& connection);

// Under an advisory lock: who migrates at the same time waits. Each migration is a transaction.
Result<SchemaState> MigrateSchema(PgConnection& connection);

}  // namespace tallyman
