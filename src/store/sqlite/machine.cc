// What an audit of machines compares, host by host.
#include "store/sqlite/rows.h"
#include "store/sqlite/transaction.h"

namespace tallyman::store::sqlite {
namespace {

constexpr char kReporters[] =
    "SELECT " TALLYMAN_HOST_REPORT_COLUMNS("r.")
    ", ifnull(h.name, '') FROM host_reports r LEFT JOIN hosts h ON h.id = r.host_id "
    "WHERE r.host_id > ?1 AND r.status_at IS NOT NULL ORDER BY r.host_id LIMIT ?2";
constexpr char kReporter[] =
    "SELECT " TALLYMAN_HOST_REPORT_COLUMNS("r.")
    ", ifnull(h.name, '') FROM host_reports r LEFT JOIN hosts h ON h.id = r.host_id "
    "WHERE r.host_id = ?1 AND r.status_at IS NOT NULL";
constexpr char kBooked[] =
    "SELECT n.id, n.name, n.org_id, n.config_id, ifnull(i.uri, ''), n.cpu_cores, n.memory_bytes, "
    "n.disk_bytes, n.node_state, EXISTS (SELECT 1 FROM commands c INDEXED BY commands_pending "
    "WHERE c.node_id = n.id AND c.state IN ('open', 'taken', 'unknown', 'failed') "
    "AND c.state <> 'failed'), n.updated_at "
    "FROM nodes n LEFT JOIN images i ON i.id = n.image_id "
    "WHERE n.host_id = ?1 AND n.released_at IS NULL AND n.deleted_at IS NULL ORDER BY n.id";
constexpr char kSeen[] =
    "SELECT r.node_id, r.config_id, r.image_uri, r.container_id, r.run_state, r.health, "
    "r.cpu_cores, r.memory_bytes, r.disk_bytes, r.pending, r.remains, ifnull(n.name, ''), "
    "n.updated_at "
    "FROM node_reports r LEFT JOIN nodes n ON n.id = r.node_id "
    "WHERE r.host_id = ?1 ORDER BY r.node_id";

Status ReadNodes(SqliteConnection& connection, MachineAudit& audit) {
  SqliteQuery booked = connection.Query(kBooked);
  booked.Bind(audit.host.host_id);
  while (true) {
    ASSIGN_OR_RETURN(bool more, booked.Next());
    if (!more) break;
    BookedNode& node = audit.booked.emplace_back();
    RETURN_IF_ERROR(booked.Read(node.id, node.name, node.org_id, node.config_id, node.image_uri,
                                node.resources, node.node_state, node.in_motion, node.updated_at));
  }
  SqliteQuery seen = connection.Query(kSeen);
  seen.Bind(audit.host.host_id);
  while (true) {
    ASSIGN_OR_RETURN(bool more, seen.Next());
    if (!more) return {};
    SeenNode& node = audit.seen.emplace_back();
    NodeReport& report = node.report;
    RETURN_IF_ERROR(seen.Read(report.node_id, report.config_id, report.image_uri,
                              report.container_id, report.run_state, report.health, report.limits,
                              report.pending, report.remains, node.name, node.updated_at));
  }
}

}  // namespace

Result<std::vector<MachineAudit>> SqliteTransaction::AuditMachines(const HostId& after,
                                                                   int64_t limit) {
  RETURN_IF_ERROR(CheckReadable());
  std::vector<MachineAudit> audits;
  SqliteQuery query = connection_.Query(kReporters);
  query.Bind(after, limit);
  while (true) {
    ASSIGN_OR_RETURN(bool more, query.Next());
    if (!more) break;
    MachineAudit& audit = audits.emplace_back();
    RETURN_IF_ERROR(query.Read(audit.host, audit.host_name));
  }
  for (MachineAudit& audit : audits) RETURN_IF_ERROR(ReadNodes(connection_, audit));
  return audits;
}

Result<std::optional<MachineAudit>> SqliteTransaction::AuditMachine(const HostId& host) {
  RETURN_IF_ERROR(CheckReadable());
  SqliteQuery query = connection_.Query(kReporter);
  query.Bind(host);
  ASSIGN_OR_RETURN(bool found, query.Next());
  std::optional<MachineAudit> audit;
  if (!found) return audit;
  RETURN_IF_ERROR(query.Read(audit.emplace().host, audit->host_name));
  RETURN_IF_ERROR(ReadNodes(connection_, *audit));
  return audit;
}

}  // namespace tallyman::store::sqlite
