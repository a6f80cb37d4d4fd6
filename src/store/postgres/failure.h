// PostgreSQL's failures, and what they mean to a caller.
#pragma once

#include <libpq-fe.h>

#include <string>
#include <string_view>

#include "base/error.h"

namespace tallyman::store::postgres {

struct PgFailure {
  std::string sqlstate;  // empty: the connection failed, not a statement
  std::string message;
  std::string detail;
  std::string constraint;
  std::string table;
  size_t statement = 0;  // index in the batch, from 0
  bool lost = false;     // the connection is no longer usable
};

// SQLSTATEs that the schema's own functions raise; their detail is a JSON object.
inline constexpr std::string_view kBooksMismatchState = "TM001";
inline constexpr std::string_view kRowsMissedState = "TM002";

// REQUIRES: `result` is an error.
PgFailure FailureOf(const PGresult* result);

// The transaction conflicted with another one: running it again may succeed.
bool IsConflict(const PgFailure& failure);

// `database` is the name to show. Reasons:
//   UNAVAILABLE DATABASE_CONFLICT       conflicts with other transactions exceeded the retry bound
//   UNAVAILABLE ROWS_LOCKED             a row stayed locked for longer than the bound
//   UNAVAILABLE DATABASE_TIMEOUT        a statement took longer than the bound
//   UNAVAILABLE DATABASE_UNREACHABLE    no connection, or it was lost
//   UNAVAILABLE DATABASE_BUSY           the server has no free connection
//   UNAVAILABLE DATABASE_FULL / DATABASE_IO / DATABASE_READ_ONLY
//   DATA_LOSS DATABASE_CORRUPT
//   NOT_FOUND DATABASE_MISSING, FAILED_PRECONDITION DATABASE_ACCESS_DENIED
//   INVALID_ARGUMENT INVALID_TEXT       text that PostgreSQL cannot store
//   INTERNAL CONSTRAINT_FAILED / DATABASE_ERROR
Error ErrorOf(const PgFailure& failure, std::string_view database);

}  // namespace tallyman::store::postgres
