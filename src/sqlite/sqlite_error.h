// SQLite's result codes as Errors.
//
//   BUSY, LOCKED      UNAVAILABLE DATABASE_BUSY
//   FULL              UNAVAILABLE DATABASE_FULL
//   IOERR             UNAVAILABLE DATABASE_IO
//   READONLY, PERM    UNAVAILABLE DATABASE_READ_ONLY
//   CANTOPEN          UNAVAILABLE DATABASE_CANNOT_OPEN
//   CORRUPT           DATA_LOSS DATABASE_CORRUPT
//   NOTADB            FAILED_PRECONDITION NOT_A_DATABASE
//   NOMEM             RESOURCE_EXHAUSTED OUT_OF_MEMORY
//   CONSTRAINT        INTERNAL CONSTRAINT_FAILED; callers that know the schema refine it
//   anything else     INTERNAL DATABASE_ERROR
//
// Each carries the facts sqlite_code (extended, a number), sqlite_message and statement.
#pragma once

#include <string_view>

#include "base/error.h"

namespace tallyman::sqlite {

// `message` is SQLite's; empty: the code's standard text. `sql` may be empty.
Error SqliteError(int extended_code, std::string_view message, std::string_view path,
                  std::string_view sql);

// A value read does not have the form in which it is written.
Error SqliteCorruptValue(std::string_view path, std::string_view sql, int column);

}  // namespace tallyman::sqlite
