// Lists as SQL: which expression stands for which field, and the keyset query over them.
#pragma once

#include <string>

#include "store/list.h"
#include "store/postgres/values.h"

namespace tallyman {

// How a value of a field, or a key, is kept.
enum class PgListKind { kInteger, kText, kUuid };

struct PgListSql {
  std::string sql;
  PgParams params;
  PgListKind order_kind;
  PgListKind key_kind;
};

// The rows have the listing's columns, then the value of the ordering field and the key, which
// ReadListCursor() takes. INVALID_ARGUMENT, reason INVALID_LIST, for a field that the listing does
// not have.
Result<PgListSql> MakeListSql(Listing listing, const ListQuery& wanted);

// Events by cursor, as a follower reads them, and whoever asks where to begin.
bool IsByCursor(Listing listing, const ListQuery& wanted);

// REQUIRES: the row stands behind the listing's columns.
Status ReadListCursor(PgRow& row, const PgListSql& list, ListCursor& cursor);

}  // namespace tallyman
