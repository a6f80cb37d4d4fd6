#include "http/told_error.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "base/reasons.h"
#include "base/retry_later.h"

namespace tallyman::http {
namespace {

constexpr std::string_view kDatabase = "database ";
constexpr std::chrono::milliseconds kComeBack{1000};

struct Told {
  std::string_view reason;
  std::string_view message;
};

// Of errors in whose message the database's library has its say about users and addresses.
constexpr Told kTold[] = {
    {kDatabaseUnreachable,
     "the server cannot reach its database now, and nothing was changed: try again in a few "
     "seconds"},
    {"DATABASE_ACCESS_DENIED",
     "the server may not use its database, and nothing was changed: see the server's log"},
    {"DATABASE_MISSING",
     "the server's database is not there, and nothing was changed: see the server's log"},
    {kCommitUnknown,
     "the server lost its database during the commit, so the outcome is unknown: send the request "
     "again with the same request id"},
};

void Replace(std::string& text, std::string_view what, std::string_view by) {
  if (what.empty()) return;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
}

}  // namespace

Error ToldError(Error error) {
  const bool is_of_database = error.resource.starts_with(kDatabase);
  if (is_of_database) {
    Replace(error.message, error.resource, "the server's database");
    error.resource = "database";
  }
  const auto* told = std::ranges::find(kTold, error.reason, &Told::reason);
  if (is_of_database && told != std::end(kTold)) error.message = told->message;
  if (error.code == Code::kUnavailable && PassesByItself(error) && !RetryAfterOf(error))
    error = RetryLater(std::move(error), kComeBack);
  return error;
}

}  // namespace tallyman::http
