#include "store/postgres/dsn.h"

#include <libpq-fe.h>

#include <memory>
#include <string_view>
#include <vector>

namespace tallyman::store::postgres {
namespace {

std::vector<std::string> Split(std::string_view text) {
  std::vector<std::string> parts(1);
  for (char c : text) {
    if (c == ',') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::string Hosts(const std::string& hosts, const std::string& ports) {
  const std::vector<std::string> names = Split(hosts), numbers = Split(ports);
  std::string out;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += ',';
    out += names[i];
    // One port counts for all hosts.
    const std::string& port = numbers[i < numbers.size() ? i : numbers.size() - 1];
    if (!port.empty()) out += ':' + port;
  }
  return out;
}

}  // namespace

Result<std::string> ShownDsn(const std::string& dsn) {
  std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(
      dsn.find('\0') == std::string::npos ? PQconninfoParse(dsn.c_str(), nullptr) : nullptr,
      &PQconninfoFree);
  if (options == nullptr) {
    return Fail(
        InvalidArgument("INVALID_DATABASE",
                        "the database is not a connection string that PostgreSQL's library can "
                        "read: its form is postgres://USER:PASSWORD@HOST:PORT/DATABASE, with all "
                        "characters other than A-Z a-z 0-9 . _ - ~ written as %XX")
            .With("field", "db"));
  }
  std::string user, host, hostaddr, port, database;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    const std::string_view keyword = option->keyword;
    if (keyword == "user") user = option->val;
    if (keyword == "host") host = option->val;
    if (keyword == "hostaddr") hostaddr = option->val;
    if (keyword == "port") port = option->val;
    if (keyword == "dbname") database = option->val;
  }
  std::string shown = "postgres://";
  if (!user.empty()) shown += user + '@';
  shown += Hosts(host.empty() ? hostaddr : host, port);
  return shown + '/' + database;
}

}  // namespace tallyman::store::postgres
