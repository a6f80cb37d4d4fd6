#include "store/sqlite/sums.h"

#include <fmt/core.h>

#include "base/reasons.h"
#include "store/refusals.h"
#include "store/sqlite/rows.h"

namespace tallyman::store::sqlite {

using tallyman::sqlite::SqliteQuery;

namespace {

#define TALLYMAN_SUMS                                                          \
  "SELECT count(*), ifnull(sum(cpu_cores), 0), ifnull(sum(memory_bytes), 0), " \
  "ifnull(sum(disk_bytes), 0), ifnull(sum(held_cpu_cores), 0), "               \
  "ifnull(sum(held_memory_bytes), 0), ifnull(sum(held_disk_bytes), 0) "        \
  "FROM nodes INDEXED BY nodes_live "                                          \
  "WHERE host_id = ?1 AND released_at IS NULL AND deleted_at IS NULL"

constexpr char kSums[] = TALLYMAN_SUMS;
constexpr char kProof[] =
    "SELECT (node_count, node_cpu_cores, node_memory_bytes, node_disk_bytes, held_cpu_cores, "
    "held_memory_bytes, held_disk_bytes) = (" TALLYMAN_SUMS ") FROM hosts WHERE id = ?1";

bool IsOverflow(const Error& error) { return error.Fact("sqlite_message") == "integer overflow"; }

Result<bool> Balances(SqliteConnection& connection, const HostId& host) {
  SqliteQuery query = connection.Query(kProof);
  query.Bind(host);
  auto found = query.Next();
  if (!found) {
    if (IsOverflow(found.error())) return false;
    return Fail(std::move(found).error());
  }
  bool equal = false;
  if (*found) RETURN_IF_ERROR(query.Read(equal));
  return equal;
}

std::string Describe(std::string_view dimension, int64_t stored, int64_t sum) {
  return fmt::format("{} is {} but its nodes add up to {}", dimension, stored, sum);
}

// Describes the first difference of a host.
Result<std::string> Explain(SqliteConnection& connection, const HostId& id, std::string& name) {
  SqliteQuery query = connection.Query(kHostRow);
  query.Bind(id);
  ASSIGN_OR_RETURN(bool found, query.Next());
  if (!found) return "it is not there";
  Host host;
  RETURN_IF_ERROR(query.Read(host));
  name = host.name;
  auto sums = SumNodes(connection, id);
  if (!sums) {
    if (sums.error().reason == kResourceOverflow) return "its nodes add up to more than 64 bits";
    return Fail(std::move(sums).error());
  }
  if (host.books.node_count != sums->books.node_count) {
    return Describe("node_count", host.books.node_count, sums->books.node_count);
  }
  for (Dimension dimension : kDimensions) {
    int64_t stored = host.books.allocated.get(dimension);
    int64_t sum = sums->books.allocated.get(dimension);
    if (stored != sum) return Describe(fmt::format("node_{}", ToText(dimension)), stored, sum);
  }
  for (Dimension dimension : kDimensions) {
    int64_t stored = host.held.get(dimension);
    int64_t sum = sums->held.get(dimension);
    if (stored != sum) return Describe(fmt::format("held_{}", ToText(dimension)), stored, sum);
  }
  return "it differs from its nodes";
}

}  // namespace

Result<HostSums> SumNodes(SqliteConnection& connection, const HostId& host) {
  SqliteQuery query = connection.Query(kSums);
  query.Bind(host);
  auto found = query.Next();
  if (!found) {
    if (!IsOverflow(found.error())) return Fail(std::move(found).error());
    return Fail(SumsOverflow(host));
  }
  HostSums sums;
  RETURN_IF_ERROR(query.Read(sums.books, sums.held));
  return sums;
}

Status ProveBooks(SqliteConnection& connection, std::span<const HostId> hosts) {
  int64_t wrong = 0;
  std::optional<HostId> first;
  for (const HostId& host : hosts) {
    ASSIGN_OR_RETURN(bool equal, Balances(connection, host));
    if (equal) continue;
    ++wrong;
    if (!first) first = host;
  }
  if (!first) return {};
  std::string name = first->ToString();
  ASSIGN_OR_RETURN(std::string why, Explain(connection, *first, name));
  return Fail(BooksMismatch(wrong, *first, name, why));
}

}  // namespace tallyman::store::sqlite
