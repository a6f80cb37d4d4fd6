#include "store/sqlite/placement.h"

#include "store/sqlite/rows.h"

namespace tallyman {
namespace {

// One strategy: how to step to the next value of the leading column, and the hosts of one value in
// order. Spread leads with the number of nodes, pack with the free cores.
struct Strategy {
  const char* next_value;
  const char* hosts_of_value;
};

constexpr char kNextNodeCount[] =
    "SELECT min(node_count) FROM hosts INDEXED BY hosts_spread "
    "WHERE region_id = ?1 AND node_count >= ?2";
constexpr char kHostsOfNodeCount[] =
    "SELECT id FROM hosts INDEXED BY hosts_spread WHERE region_id = ?1 AND node_count = ?2 "
    "AND free_cpu_cores >= ?3 AND free_memory_bytes >= ?4 AND free_disk_bytes >= ?5 "
    "ORDER BY free_cpu_cores DESC, id LIMIT ?6";
constexpr char kNextFreeCores[] =
    "SELECT min(free_cpu_cores) FROM hosts INDEXED BY hosts_pack "
    "WHERE region_id = ?1 AND free_cpu_cores >= ?2";
constexpr char kHostsOfFreeCores[] =
    "SELECT id FROM hosts INDEXED BY hosts_pack WHERE region_id = ?1 AND free_cpu_cores = ?2 "
    "AND free_cpu_cores >= ?3 AND free_memory_bytes >= ?4 AND free_disk_bytes >= ?5 "
    "ORDER BY free_memory_bytes, id LIMIT ?6";

constexpr Strategy kSpread = {kNextNodeCount, kHostsOfNodeCount};
constexpr Strategy kPack = {kNextFreeCores, kHostsOfFreeCores};

Result<std::optional<int64_t>> NextValue(SqliteConnection& connection, const Strategy& strategy,
                                         const RegionId& region, int64_t from) {
  SqliteQuery query = connection.Query(strategy.next_value);
  query.Bind(region, from);
  ASSIGN_OR_RETURN(bool found, query.Next());
  std::optional<int64_t> value;
  if (found) RETURN_IF_ERROR(query.Read(value));
  return value;
}

}  // namespace

Result<std::vector<HostId>> FindCandidates(SqliteConnection& connection,
                                           const PlacementQuery& wanted) {
  const bool pack = wanted.strategy == PlacementStrategy::kPack;
  const Strategy& strategy = pack ? kPack : kSpread;
  std::vector<HostId> candidates;
  int64_t from = pack ? wanted.need.cpu_cores : 0;
  while (std::ssize(candidates) < wanted.limit) {
    ASSIGN_OR_RETURN(std::optional<int64_t> value,
                     NextValue(connection, strategy, wanted.region_id, from));
    if (!value) break;
    SqliteQuery hosts = connection.Query(strategy.hosts_of_value);
    hosts.Bind(wanted.region_id, *value, wanted.need,
               wanted.limit - static_cast<int64_t>(std::ssize(candidates)));
    while (true) {
      ASSIGN_OR_RETURN(bool more, hosts.Next());
      if (!more) break;
      RETURN_IF_ERROR(hosts.Read(candidates.emplace_back()));
    }
    if (*value == INT64_MAX) break;
    from = *value + 1;
  }
  return candidates;
}

}  // namespace tallyman
