#include "store/sqlite/placement.h"

#include "store/sqlite/rows.h"

namespace tallyman::store::sqlite {

using tallyman::sqlite::SqliteQuery;

namespace {

// One strategy: how to step to the next value of its first column, and the hosts of one value in
// order. Spread begins with the number of nodes, pack with the free cores.
struct Strategy {
  const char* next_value;
  const char* hosts_of_value;
};

// The hosts of one walk, as the partial indexes have them.
#define TALLYMAN_PLACEABLE \
  "WHERE cordoned = 0 AND silent_since IS NULL AND region_id = ?1 AND heard = ?2 "

constexpr char kNextNodeCount[] =
    "SELECT min(node_count) FROM hosts INDEXED BY hosts_spread " TALLYMAN_PLACEABLE
    "AND node_count >= ?3";
constexpr char kHostsOfNodeCount[] =
    "SELECT id FROM hosts INDEXED BY hosts_spread " TALLYMAN_PLACEABLE
    "AND node_count = ?3 AND free_cpu_cores >= ?4 AND free_memory_bytes >= ?5 "
    "AND free_disk_bytes >= ?6 ORDER BY free_cpu_cores DESC, id LIMIT ?7";
constexpr char kNextFreeCores[] =
    "SELECT min(free_cpu_cores) FROM hosts INDEXED BY hosts_pack " TALLYMAN_PLACEABLE
    "AND free_cpu_cores >= ?3";
constexpr char kHostsOfFreeCores[] =
    "SELECT id FROM hosts INDEXED BY hosts_pack " TALLYMAN_PLACEABLE
    "AND free_cpu_cores = ?3 AND free_cpu_cores >= ?4 AND free_memory_bytes >= ?5 "
    "AND free_disk_bytes >= ?6 ORDER BY free_memory_bytes, id LIMIT ?7";

constexpr Strategy kSpread = {kNextNodeCount, kHostsOfNodeCount};
constexpr Strategy kPack = {kNextFreeCores, kHostsOfFreeCores};

Result<std::optional<int64_t>> NextValue(SqliteConnection& connection, const Strategy& strategy,
                                         const RegionId& region, bool heard, int64_t from) {
  SqliteQuery query = connection.Query(strategy.next_value);
  query.Bind(region, heard, from);
  ASSIGN_OR_RETURN(bool found, query.Next());
  std::optional<int64_t> value;
  if (found) RETURN_IF_ERROR(query.Read(value));
  return value;
}

// Appends the hosts that were heard, or those that never were, up to the limit of both.
Status AddCandidates(SqliteConnection& connection, const PlacementQuery& wanted, bool heard,
                     std::vector<HostId>& candidates) {
  const bool pack = wanted.strategy == PlacementStrategy::kPack;
  const Strategy& strategy = pack ? kPack : kSpread;
  int64_t from = pack ? wanted.need.cpu_cores : 0;
  while (std::ssize(candidates) < wanted.limit) {
    ASSIGN_OR_RETURN(std::optional<int64_t> value,
                     NextValue(connection, strategy, wanted.region_id, heard, from));
    if (!value) break;
    SqliteQuery hosts = connection.Query(strategy.hosts_of_value);
    hosts.Bind(wanted.region_id, heard, *value, wanted.need,
               wanted.limit - static_cast<int64_t>(std::ssize(candidates)));
    while (true) {
      ASSIGN_OR_RETURN(bool more, hosts.Next());
      if (!more) break;
      RETURN_IF_ERROR(hosts.Read(candidates.emplace_back()));
    }
    if (*value == INT64_MAX) break;
    from = *value + 1;
  }
  return {};
}

}  // namespace

Result<std::vector<HostId>> FindCandidates(SqliteConnection& connection,
                                           const PlacementQuery& wanted) {
  std::vector<HostId> candidates;
  RETURN_IF_ERROR(AddCandidates(connection, wanted, true, candidates));
  RETURN_IF_ERROR(AddCandidates(connection, wanted, false, candidates));
  return candidates;
}

}  // namespace tallyman::store::sqlite
