#include "store/postgres/failure.h"

#include <fmt/core.h>

#include "base/reasons.h"
#include "store/refusals.h"

namespace tallyman::store::postgres {
namespace {

// The meaning of an SQLSTATE, or of a class of them (PostgreSQL 15, appendix A).
struct Meaning {
  std::string_view state;  // a prefix
  Code code;
  std::string_view reason;
  std::string_view advice;
};

constexpr Meaning kLost = {"", Code::kUnavailable, kDatabaseUnreachable,
                           "check that the server runs and can be reached, then try again"};
constexpr Meaning kOther = {"", Code::kInternal, "DATABASE_ERROR",
                            "this is a bug or a damaged database: run `tallyman db check`"};

// The first match counts.
constexpr Meaning kMeanings[] = {
    {"40", Code::kUnavailable, "DATABASE_CONFLICT",
     "another transaction changed the same rows at the same time: try again"},
    {"55P03", Code::kUnavailable, "ROWS_LOCKED",
     "another transaction held a needed row for too long: try again"},
    {"57014", Code::kUnavailable, "DATABASE_TIMEOUT", "it took too long: try again"},
    {"57P", kLost.code, kLost.reason, kLost.advice},
    {"08", kLost.code, kLost.reason, kLost.advice},
    {"53100", Code::kUnavailable, "DATABASE_FULL",
     "nothing was changed: make room on the server's disk and try again"},
    {"53200", Code::kResourceExhausted, "OUT_OF_MEMORY", "the server has no memory left"},
    {"53300", Code::kUnavailable, kDatabaseBusy,
     "the server has no free connection: raise max_connections, or try again"},
    {"25006", Code::kUnavailable, kDatabaseReadOnly,
     "it is a standby, or set to read only: name the primary, or all hosts with "
     "target_session_attrs=read-write"},
    {"58", Code::kUnavailable, kDatabaseIo,
     "reading or writing failed: check the server's disk and its log"},
    {"XX001", Code::kDataLoss, "DATABASE_CORRUPT", "restore a backup"},
    {"XX002", Code::kDataLoss, "DATABASE_CORRUPT", "run REINDEX, or restore a backup"},
    {"22021", Code::kInvalidArgument, "INVALID_TEXT", "take the NUL character out of the text"},
    {"23", Code::kInternal, kConstraintFailed, "the database refused a row that breaks its rules"},
    {"28", Code::kFailedPrecondition, kDatabaseAccessDenied,
     "check the user, the password and pg_hba.conf"},
    {"3D000", Code::kNotFound, kDatabaseMissing,
     "create it with createdb, then run `tallyman db migrate`"},
    {"42501", Code::kFailedPrecondition, kDatabaseAccessDenied, "let the user own the database"},
};

const Meaning& MeaningOf(const PgFailure& failure) {
  for (const Meaning& meaning : kMeanings) {
    if (failure.sqlstate.starts_with(meaning.state)) return meaning;
  }
  return failure.sqlstate.empty() ? kLost : kOther;
}

std::string FieldOf(const PGresult* result, int field) {
  const char* text = PQresultErrorField(result, field);
  return text == nullptr ? std::string() : std::string(text);
}

}  // namespace

PgFailure FailureOf(const PGresult* result) {
  PgFailure failure;
  failure.sqlstate = FieldOf(result, PG_DIAG_SQLSTATE);
  failure.message = FieldOf(result, PG_DIAG_MESSAGE_PRIMARY);
  failure.detail = FieldOf(result, PG_DIAG_MESSAGE_DETAIL);
  failure.constraint = FieldOf(result, PG_DIAG_CONSTRAINT_NAME);
  failure.table = FieldOf(result, PG_DIAG_TABLE_NAME);
  if (failure.message.empty()) failure.message = PQresultErrorMessage(result);
  while (!failure.message.empty() && failure.message.back() == '\n') failure.message.pop_back();
  // Without an SQLSTATE the error comes from libpq: the connection is lost.
  const std::string severity = FieldOf(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  failure.lost = failure.sqlstate.empty() || severity == "FATAL" || severity == "PANIC";
  return failure;
}

bool IsConflict(const PgFailure& failure) {
  return failure.sqlstate == "40001" || failure.sqlstate == "40P01";
}

Error ErrorOf(const PgFailure& failure, std::string_view database) {
  const Meaning& meaning = MeaningOf(failure);
  return Error(meaning.code, std::string(meaning.reason),
               fmt::format("database {}: {}: {}", database, failure.message, meaning.advice))
      .About(fmt::format("database {}", database))
      .With("sqlstate", failure.sqlstate);
}

}  // namespace tallyman::store::postgres
