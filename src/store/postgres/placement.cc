#include "store/postgres/placement.h"

#include <algorithm>
#include <tuple>

namespace tallyman::store::postgres {
namespace {

// The hosts of one walk, as the partial indexes have them.
#define TALLYMAN_PLACEABLE(heard) \
  "WHERE NOT h.cordoned AND h.silent_since IS NULL AND h.region_id = $1 AND " heard " "

// Both strategies walk an index in the order of the strategy: from one value of its leading column
// to the next, and within a value over the hosts with enough free resources. The walk ends with the
// last host that is requested, so that a large fleet costs no more than a small one.
#define TALLYMAN_SPREAD(heard) \
  "(WITH RECURSIVE steps (node_count) AS ("                                                  \
  "(SELECT h.node_count FROM hosts h " TALLYMAN_PLACEABLE(heard)                             \
  "ORDER BY h.node_count LIMIT 1) "                                                          \
  "UNION ALL SELECT (SELECT h.node_count FROM hosts h " TALLYMAN_PLACEABLE(heard)            \
  "AND h.node_count > s.node_count ORDER BY h.node_count LIMIT 1) "                          \
  "FROM steps s WHERE s.node_count IS NOT NULL) "                                            \
  "SELECT f.id FROM steps s CROSS JOIN LATERAL (SELECT h.id FROM hosts h "                   \
  TALLYMAN_PLACEABLE(heard) "AND h.node_count = s.node_count AND h.free_cpu_cores >= $2 "    \
  "AND h.free_memory_bytes >= $3 AND h.free_disk_bytes >= $4 "                               \
  "ORDER BY h.free_cpu_cores DESC, h.id LIMIT $5) f LIMIT $5)"
#define TALLYMAN_PACK(heard) \
  "(WITH RECURSIVE steps (free_cpu_cores) AS ("                                              \
  "(SELECT h.free_cpu_cores FROM hosts h " TALLYMAN_PLACEABLE(heard)                         \
  "AND h.free_cpu_cores >= $2 ORDER BY h.free_cpu_cores LIMIT 1) "                           \
  "UNION ALL SELECT (SELECT h.free_cpu_cores FROM hosts h " TALLYMAN_PLACEABLE(heard)        \
  "AND h.free_cpu_cores > s.free_cpu_cores ORDER BY h.free_cpu_cores LIMIT 1) "              \
  "FROM steps s WHERE s.free_cpu_cores IS NOT NULL) "                                        \
  "SELECT f.id FROM steps s CROSS JOIN LATERAL (SELECT h.id FROM hosts h "                   \
  TALLYMAN_PLACEABLE(heard) "AND h.free_cpu_cores = s.free_cpu_cores "                       \
  "AND h.free_memory_bytes >= $3 AND h.free_disk_bytes >= $4 "                               \
  "ORDER BY h.free_memory_bytes, h.id LIMIT $5) f LIMIT $5)"

// Hosts that were heard come before those that never were: the second walk begins only where the
// first one leaves room for it.
constexpr char kSpread[] =
    TALLYMAN_SPREAD("h.heard") " UNION ALL " TALLYMAN_SPREAD("NOT h.heard") " LIMIT $5";
constexpr char kPack[] =
    TALLYMAN_PACK("h.heard") " UNION ALL " TALLYMAN_PACK("NOT h.heard") " LIMIT $5";

}  // namespace

Result<std::vector<HostId>> FindCandidates(PgTransaction& transaction,
                                           const PlacementQuery& wanted) {
  const bool pack = wanted.strategy == PlacementStrategy::kPack;
  ASSIGN_OR_RETURN(PgResult result,
                   transaction.RunOne(pack ? kPack : kSpread,
                                      PgParams::Of(wanted.region_id, wanted.need, wanted.limit)));
  std::vector<HostId> candidates(static_cast<size_t>(result.rows()));
  for (int i = 0; i < result.rows(); ++i) {
    RETURN_IF_ERROR(result.row(i).Read(candidates[static_cast<size_t>(i)]));
  }
  return candidates;
}

bool SortByPlacement(const PlacementQuery& wanted, Snapshot& snapshot) {
  const size_t found = snapshot.candidates.size();
  const auto free_of = [&](const HostId& id) {
    return FreeOf(snapshot.hosts.at(id).host).value_or(Resources{-1, -1, -1});
  };
  std::erase_if(snapshot.candidates, [&](const HostId& id) {
    return !snapshot.hosts.contains(id) || !TakesNewNodes(snapshot.hosts.at(id).host) ||
           !wanted.need.FitsIn(free_of(id));
  });
  std::ranges::sort(snapshot.candidates, {}, [&](const HostId& id) {
    const Resources free = free_of(id);
    const Host& host = snapshot.hosts.at(id).host;
    if (wanted.strategy == PlacementStrategy::kPack) {
      return std::tuple(!host.heard, free.cpu_cores, free.memory_bytes, id);
    }
    return std::tuple(!host.heard, host.books.node_count, -free.cpu_cores, id);
  });
  return snapshot.candidates.size() == found;
}

}  // namespace tallyman::store::postgres
