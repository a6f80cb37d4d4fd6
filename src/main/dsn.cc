#include "main/dsn.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "store/postgres/dsn.h"

namespace tallyman::app {
namespace {

Error Invalid(std::string_view dsn) {
  // Any text with an @ may have a password before it.
  const std::string shown = dsn.find('@') == std::string_view::npos
                                ? Quote(dsn)
                                : Quote(std::string(dsn.substr(0, dsn.find(':'))) + ":...");
  return InvalidArgument(
             "INVALID_DATABASE",
             fmt::format("database {} is not of the form sqlite:PATH, such as "
                         "sqlite:/var/lib/tallyman/fleet.db, or postgres://USER@HOST/DATABASE",
                         shown))
      .With("field", "db")
      .With("value", shown);
}

}  // namespace

Result<DatabaseName> ParseDsn(std::string_view dsn) {
  constexpr std::string_view kSqlite = "sqlite:";
  // Such as the carriage return of a file of variables that was written elsewhere.
  if (std::ranges::any_of(dsn, [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
    return Fail(Invalid(dsn));
  if (dsn.starts_with("postgres://") || dsn.starts_with("postgresql://")) {
    DatabaseName name{.kind = DatabaseKind::kPostgres, .place = std::string(dsn)};
    ASSIGN_OR_RETURN(name.shown, store::postgres::ShownDsn(name.place));
    return name;
  }
  if (!dsn.starts_with(kSqlite) || dsn.size() == kSqlite.size()) return Fail(Invalid(dsn));
  // Of other programs, where they are no files.
  if (dsn == "sqlite::memory:" || dsn.starts_with("sqlite:file:")) return Fail(Invalid(dsn));
  return DatabaseName{.kind = DatabaseKind::kSqlite,
                      .place = std::string(dsn.substr(kSqlite.size())),
                      .shown = std::string(dsn)};
}

}  // namespace tallyman::app
