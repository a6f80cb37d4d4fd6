#include "store/postgres/sums.h"

#include "store/postgres/rows.h"
#include "store/refusals.h"

namespace tallyman::store::postgres {

const char kHostSums[] = "SELECT " TALLYMAN_SUM_COLUMNS
                         " FROM hosts h LEFT JOIN nodes n "
                         "ON n.host_id = h.id AND n.released_at IS NULL AND n.deleted_at IS NULL "
                         "WHERE h.id IN (" TALLYMAN_HOSTS_WANTED ") GROUP BY h.id";

const char kLedgerBalances[] =
    "SELECT w.id, l.balance_node_count, l.balance_cpu_cores, l.balance_memory_bytes, "
    "l.balance_disk_bytes FROM (" TALLYMAN_HOSTS_WANTED
    ") AS w (id) CROSS JOIN LATERAL (SELECT e.* FROM ledger e WHERE e.host_id = w.id "
    "ORDER BY e.seq DESC LIMIT 1) l";

Status TakeSum(PgRow row, HostId& host, HostSums& sums) {
  RETURN_IF_ERROR(row.Read(host, sums.books.node_count));
  for (Resources* amounts : {&sums.books.allocated, &sums.held}) {
    for (Dimension dimension : kDimensions) {
      std::optional<int64_t> sum;
      RETURN_IF_ERROR(row.Read(sum));
      if (!sum) return Fail(SumsOverflow(host));
      amounts->at(dimension) = *sum;
    }
  }
  return {};
}

Status TakeSums(const PgResult& sums, const PgResult& balances, Snapshot& snapshot) {
  for (int i = 0; i < sums.rows(); ++i) {
    HostId id;
    HostSums of_host;
    RETURN_IF_ERROR(TakeSum(sums.row(i), id, of_host));
    auto host = snapshot.hosts.find(id);
    if (host == snapshot.hosts.end()) continue;
    host->second.sums = of_host;
    host->second.ledger_balance = Books{};
  }
  for (int i = 0; i < balances.rows(); ++i) {
    HostId id;
    Books balance;
    RETURN_IF_ERROR(balances.row(i).Read(id, balance));
    auto host = snapshot.hosts.find(id);
    if (host != snapshot.hosts.end()) host->second.ledger_balance = balance;
  }
  return {};
}

}  // namespace tallyman::store::postgres
