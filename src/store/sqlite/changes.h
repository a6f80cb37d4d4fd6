// Writes a change set, row by row, in an order that the foreign keys allow.
#pragma once

#include "model/change_set.h"
#include "sqlite/connection.h"

namespace tallyman::store::sqlite {

using tallyman::sqlite::SqliteConnection;

// Stops at the first failure; the caller rolls back. Taken unique keys become ALREADY_EXISTS with
// their own reason (store.h), other constraints INTERNAL CONSTRAINT_FAILED.
Status WriteChanges(SqliteConnection& connection, const ChangeSet& changes);

}  // namespace tallyman::store::sqlite
