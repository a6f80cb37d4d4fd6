// Writes a change set, row by row, in an order that the foreign keys allow.
#pragma once

#include "model/change_set.h"
#include "sqlite/connection.h"

namespace tallyman {

// Stops at the first failure; the caller rolls back. Unique keys that are taken become
// ALREADY_EXISTS with a reason of their own (store.h), other constraints INTERNAL
// CONSTRAINT_FAILED.
Status WriteChanges(SqliteConnection& connection, const ChangeSet& changes);

}  // namespace tallyman
