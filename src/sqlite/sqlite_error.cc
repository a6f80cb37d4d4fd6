#include "sqlite/sqlite_error.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <string>

#include "base/reasons.h"

namespace tallyman::sqlite {
namespace {

// The meaning of a primary result code and the advice for it.
struct Meaning {
  int primary_code;
  Code code;
  std::string_view reason;
  std::string_view advice;
};

constexpr Meaning kMeanings[] = {
    {SQLITE_BUSY, Code::kUnavailable, kDatabaseBusy, "another process holds it: try again"},
    {SQLITE_LOCKED, Code::kUnavailable, kDatabaseBusy, "another connection holds it: try again"},
    {SQLITE_FULL, Code::kUnavailable, "DATABASE_FULL",
     "nothing was changed: make room on its disk and try again"},
    {SQLITE_IOERR, Code::kUnavailable, kDatabaseIo,
     "reading or writing the file failed: check the disk and the system's log"},
    {SQLITE_READONLY, Code::kUnavailable, kDatabaseReadOnly,
     "make the file and its directory writable for this user"},
    {SQLITE_PERM, Code::kUnavailable, kDatabaseReadOnly,
     "make the file and its directory writable for this user"},
    {SQLITE_CANTOPEN, Code::kUnavailable, "DATABASE_CANNOT_OPEN",
     "check that the path is a file and its directory is there and writable for this user"},
    {SQLITE_CORRUPT, Code::kDataLoss, "DATABASE_CORRUPT",
     "run `tallyman db check`, and restore a backup if it finds faults"},
    {SQLITE_NOTADB, Code::kFailedPrecondition, "NOT_A_DATABASE",
     "the file is not an SQLite database: give the path of one"},
    {SQLITE_INTERRUPT, Code::kDeadlineExceeded, "DEADLINE_EXCEEDED",
     "the caller's deadline passed: allow more time, or ask for less"},
    {SQLITE_NOMEM, Code::kResourceExhausted, "OUT_OF_MEMORY", "no memory is left"},
    {SQLITE_CONSTRAINT, Code::kInternal, kConstraintFailed,
     "the database refused a row that breaks its rules"},
};
constexpr Meaning kOther = {SQLITE_ERROR, Code::kInternal, "DATABASE_ERROR",
                            "this is a bug or a damaged file: run `tallyman db check`"};

const Meaning& MeaningOf(int extended_code) {
  for (const Meaning& meaning : kMeanings) {
    if (meaning.primary_code == (extended_code & 0xff)) return meaning;
  }
  return kOther;
}

}  // namespace

Error SqliteError(int extended_code, std::string_view message, std::string_view path,
                  std::string_view sql) {
  const Meaning& meaning = MeaningOf(extended_code);
  if (message.empty()) message = sqlite3_errstr(extended_code);
  if (meaning.primary_code == SQLITE_NOTADB) {
    // The statement is an arbitrary one and would mislead.
    return Error(meaning.code, std::string(meaning.reason),
                 fmt::format("database {}: {}", path, meaning.advice))
        .About(fmt::format("database {}", path))
        .With("sqlite_code", std::to_string(extended_code));
  }
  Error error(meaning.code, std::string(meaning.reason),
              fmt::format("database {}: {}: {}", path, message, meaning.advice));
  return std::move(error)
      .About(fmt::format("database {}", path))
      .With("sqlite_code", std::to_string(extended_code))
      .With("sqlite_message", std::string(message))
      .With("statement", std::string(sql.substr(0, 200)));
}

Error SqliteCorruptValue(std::string_view path, std::string_view sql, int column) {
  return DataLoss("DATABASE_CORRUPT",
                  fmt::format("database {}: column {} of a row does not have the form in which it "
                              "is written: run `tallyman db check`, and restore a backup",
                              path, column))
      .About(fmt::format("database {}", path))
      .With("column", std::to_string(column))
      .With("statement", std::string(sql.substr(0, 200)));
}

}  // namespace tallyman::sqlite
