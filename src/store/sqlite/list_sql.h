// Lists as SQL: which expression stands for which field, and the keyset query over them.
#pragma once

#include <string>
#include <vector>

#include "sqlite/connection.h"
#include "store/list.h"

namespace tallyman {

// How a value of a field, or a key, is kept.
enum class ListValueKind { kInteger, kText, kUuid };

// A query that is prepared and bound. Its rows have the listing's columns, then the value of the
// ordering field and the key, which ReadCursor() takes.
struct PreparedList {
  SqliteQuery query;
  ListValueKind order_kind;
  ListValueKind key_kind;
};

// INVALID_ARGUMENT, reason INVALID_LIST, for a field that the listing does not have.
Result<PreparedList> PrepareList(SqliteConnection& connection, Listing listing,
                                 const ListQuery& wanted);

// REQUIRES: the query stands behind the listing's columns.
Status ReadCursor(PreparedList& list, ListCursor& cursor);

}  // namespace tallyman
