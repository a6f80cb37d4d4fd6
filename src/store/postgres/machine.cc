// What an audit of machines compares: a page of hosts, with what is booked and what is reported on
// each of them.
#include <algorithm>

#include "store/postgres/rows.h"
#include "store/postgres/transaction.h"

namespace tallyman::store::postgres {
namespace {

constexpr char kReporters[] =
    "SELECT " TALLYMAN_HOST_REPORT_COLUMNS("r.")
    ", coalesce(h.name, '') FROM host_reports r LEFT JOIN hosts h ON h.id = r.host_id "
    "WHERE r.host_id > $1 AND r.status_at IS NOT NULL ORDER BY r.host_id LIMIT $2";
constexpr char kReporter[] =
    "SELECT " TALLYMAN_HOST_REPORT_COLUMNS("r.")
    ", coalesce(h.name, '') FROM host_reports r LEFT JOIN hosts h ON h.id = r.host_id "
    "WHERE r.host_id = $1 AND r.status_at IS NOT NULL";
constexpr char kBooked[] =
    "SELECT n.host_id, n.id, n.name, n.org_id, n.config_id, coalesce(i.uri, ''), n.cpu_cores, "
    "n.memory_bytes, n.disk_bytes, n.node_state, EXISTS (SELECT 1 FROM commands c "
    "WHERE c.node_id = n.id AND c.state IN ('open', 'taken', 'unknown', 'failed') "
    "AND c.state <> 'failed'), n.updated_at "
    "FROM nodes n LEFT JOIN images i ON i.id = n.image_id WHERE n.host_id = ANY ($1::uuid[]) "
    "AND n.released_at IS NULL AND n.deleted_at IS NULL ORDER BY n.id";
constexpr char kSeen[] =
    "SELECT r.host_id, r.node_id, r.config_id, r.image_uri, r.container_id, r.run_state, "
    "r.health, r.cpu_cores, r.memory_bytes, r.disk_bytes, r.pending, r.remains, "
    "coalesce(n.name, ''), n.updated_at FROM node_reports r LEFT JOIN nodes n ON n.id = r.node_id "
    "WHERE r.host_id = ANY ($1::uuid[]) ORDER BY r.node_id";

}  // namespace

Result<std::vector<MachineAudit>> PgTransaction::ReadMachines(const PgResult& hosts) {
  std::vector<MachineAudit> audits(static_cast<size_t>(hosts.rows()));
  std::vector<HostId> ids;
  for (int i = 0; i < hosts.rows(); ++i) {
    MachineAudit& audit = audits[static_cast<size_t>(i)];
    RETURN_IF_ERROR(hosts.row(i).Read(audit.host, audit.host_name));
    ids.push_back(audit.host.host_id);
  }
  if (audits.empty()) return audits;
  // By host, as the rows come.
  auto of = [&](const HostId& host) -> MachineAudit& {
    return audits[static_cast<size_t>(std::ranges::lower_bound(ids, host) - ids.begin())];
  };
  PgParams wanted;
  wanted.AddList(ids);
  PgBatch batch;
  batch.Add(kBooked, wanted);
  batch.Add(kSeen, std::move(wanted));
  ASSIGN_OR_RETURN(std::vector<PgResult> results, Run(std::move(batch)));
  for (int i = 0; i < results[0].rows(); ++i) {
    HostId host;
    BookedNode node;
    RETURN_IF_ERROR(results[0].row(i).Read(host, node.id, node.name, node.org_id, node.config_id,
                                           node.image_uri, node.resources, node.node_state,
                                           node.in_motion, node.updated_at));
    of(host).booked.push_back(std::move(node));
  }
  for (int i = 0; i < results[1].rows(); ++i) {
    HostId host;
    SeenNode node;
    NodeReport& report = node.report;
    RETURN_IF_ERROR(results[1].row(i).Read(host, report.node_id, report.config_id, report.image_uri,
                                           report.container_id, report.run_state, report.health,
                                           report.limits, report.pending, report.remains, node.name,
                                           node.updated_at));
    of(host).seen.push_back(std::move(node));
  }
  return audits;
}

Result<std::vector<MachineAudit>> PgTransaction::AuditMachines(const HostId& after, int64_t limit) {
  ASSIGN_OR_RETURN(PgResult hosts, RunOne(kReporters, PgParams::Of(after, limit)));
  return ReadMachines(hosts);
}

Result<std::optional<MachineAudit>> PgTransaction::AuditMachine(const HostId& host) {
  ASSIGN_OR_RETURN(PgResult hosts, RunOne(kReporter, PgParams::Of(host)));
  ASSIGN_OR_RETURN(std::vector<MachineAudit> audits, ReadMachines(hosts));
  std::optional<MachineAudit> audit;
  if (!audits.empty()) audit = std::move(audits.front());
  return audit;
}

}  // namespace tallyman::store::postgres
