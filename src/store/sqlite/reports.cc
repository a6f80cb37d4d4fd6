#include "store/sqlite/reports.h"

#include <set>

#include "store/insert_sql.h"
#include "store/refusals.h"
#include "store/sqlite/rows.h"

namespace tallyman::store::sqlite {

using tallyman::sqlite::SqliteQuery;

namespace {

constexpr char kHostReport[] =
    "SELECT " TALLYMAN_HOST_REPORT_COLUMNS("r.") " FROM host_reports r WHERE r.host_id = ?1";
constexpr char kPlace[] = "SELECT node_id, host_id, state FROM commands WHERE id = ?1";
constexpr char kEndedSeq[] =
    "SELECT seq FROM commands INDEXED BY commands_ended WHERE node_id = ?1 "
    "AND state IN ('settled', 'reverted') "
    "AND state IN ('settled', 'reverted', 'superseded', 'cancelled') "
    "AND kind IN ('node_create', 'node_upgrade', 'node_update') ORDER BY seq DESC LIMIT 1";
constexpr char kConfig[] =
    "SELECT image_id, cpu_cores, memory_bytes, disk_bytes FROM configs WHERE id = ?1 "
    "AND json <> ''";
constexpr char kHadConfig[] =
    "SELECT EXISTS (SELECT 1 FROM commands INDEXED BY commands_pending WHERE node_id = ?1 "
    "AND state IN ('open', 'taken', 'unknown', 'failed') AND to_config_id = ?2) "
    "OR EXISTS (SELECT 1 FROM commands INDEXED BY commands_ended WHERE node_id = ?1 "
    "AND state IN ('settled', 'reverted', 'superseded', 'cancelled') AND to_config_id = ?2)";

constexpr const char* kWriteHost = kInsertSql<
    "INSERT INTO host_reports", TALLYMAN_HOST_REPORT_COLUMNS(""), "VALUES",
    " ON CONFLICT (host_id) DO UPDATE SET sequence = excluded.sequence, "
    "heard_at = excluded.heard_at, status_at = ifnull(excluded.status_at, status_at), "
    "cpu_cores = ifnull(excluded.cpu_cores, cpu_cores), "
    "memory_bytes = ifnull(excluded.memory_bytes, memory_bytes), "
    "disk_bytes = ifnull(excluded.disk_bytes, disk_bytes), "
    "agent_version = ifnull(excluded.agent_version, agent_version), "
    "reserved_cpu_cores = ifnull(excluded.reserved_cpu_cores, reserved_cpu_cores), "
    "reserved_memory_bytes = ifnull(excluded.reserved_memory_bytes, reserved_memory_bytes), "
    "reserved_disk_bytes = ifnull(excluded.reserved_disk_bytes, reserved_disk_bytes), "
    "thin_disks = ifnull(excluded.thin_disks, thin_disks), "
    "problem = ifnull(excluded.problem, problem), "
    "incident_number = excluded.incident_number, "
    "unknown_nodes = ifnull(excluded.unknown_nodes, unknown_nodes) "
    "WHERE sequence < excluded.sequence">.data();
// An unchanged row is not written again.
constexpr const char* kWriteNode = kInsertSql<
    "INSERT INTO node_reports AS r", "host_id, node_id, changed_at, " TALLYMAN_NODE_REPORT_COLUMNS(""), "VALUES",
    " ON CONFLICT (host_id, node_id) DO UPDATE SET (changed_at, " TALLYMAN_NODE_REPORT_COLUMNS("")
    ") = (excluded.changed_at, " TALLYMAN_NODE_REPORT_COLUMNS("excluded.")
    ") WHERE (" TALLYMAN_NODE_REPORT_COLUMNS("r.") ") IS NOT (" TALLYMAN_NODE_REPORT_COLUMNS("excluded.") ")">.data();
constexpr char kAddIncidents[] =
    "INSERT INTO node_incidents AS i (node_id, kind, count) VALUES (?1, ?2, ?3) "
    "ON CONFLICT (node_id, kind) DO UPDATE SET count = min(i.count + "
    "excluded.count, " TALLYMAN_COUNT_MAX ")";
constexpr char kHasJoined[] =
    "UPDATE host_reports SET incident_number = 0, sequence = 1 WHERE host_id = ?1";
constexpr char kReportedNodes[] = "SELECT node_id FROM node_reports WHERE host_id = ?1";
constexpr char kReportedUnknown[] =
    "SELECT r.node_id FROM node_reports r WHERE r.host_id = ?1 "
    "AND NOT EXISTS (SELECT 1 FROM nodes n WHERE n.id = r.node_id AND n.host_id = r.host_id)";
constexpr char kForgetNode[] = "DELETE FROM node_reports WHERE host_id = ?1 AND node_id = ?2";

Status ReadHostReport(SqliteConnection& connection, const HostId& host,
                      std::optional<HostReport>& report) {
  SqliteQuery query = connection.Query(kHostReport);
  query.Bind(host);
  ASSIGN_OR_RETURN(bool found, query.Next());
  if (found) RETURN_IF_ERROR(query.Read(report.emplace()));
  return {};
}

Status ReadConfig(SqliteConnection& connection, ImageCache& images, const ConfigId& id,
                  NodeSnapshot& node) {
  SqliteQuery query = connection.Query(kConfig);
  query.Bind(id);
  ASSIGN_OR_RETURN(bool found, query.Next());
  if (!found) return {};
  KnownConfig config;
  ImageId image;
  RETURN_IF_ERROR(query.Read(image, config.resources));
  ASSIGN_OR_RETURN(config.image, images.Get(connection, image));
  if (config.image != nullptr) node.configs[id] = std::move(config);
  return {};
}

Status ReadConfigIfHad(SqliteConnection& connection, ImageCache& images, const ConfigId& id,
                       NodeSnapshot& node) {
  if (node.configs.contains(id)) return {};
  SqliteQuery query = connection.Query(kHadConfig);
  query.Bind(node.node.id, id);
  ASSIGN_OR_RETURN(bool found, query.Next());
  bool had = false;
  if (found) RETURN_IF_ERROR(query.Read(had));
  return had ? ReadConfig(connection, images, id, node) : Status();
}

Status ReadHistory(SqliteConnection& connection, ImageCache& images, NodeSnapshot& node) {
  SqliteQuery query = connection.Query(kEndedSeq);
  query.Bind(node.node.id);
  ASSIGN_OR_RETURN(bool found, query.Next());
  if (found) RETURN_IF_ERROR(query.Read(node.ended_seq));
  if (!node.node.running_config_id) return {};
  return ReadConfig(connection, images, *node.node.running_config_id, node);
}

}  // namespace

Status ReadForReports(SqliteConnection& connection, ImageCache& images, const LockSet& wanted,
                      Snapshot& snapshot) {
  for (const HostId& host : wanted.report_hosts) {
    std::optional<HostReport> report;
    RETURN_IF_ERROR(ReadHostReport(connection, host, report));
    if (report) snapshot.host_reports[host] = *std::move(report);
  }
  for (const CommandId& id : wanted.commands) {
    SqliteQuery query = connection.Query(kPlace);
    query.Bind(id);
    ASSIGN_OR_RETURN(bool found, query.Next());
    if (!found) continue;
    CommandPlace& place = snapshot.commands[id];
    RETURN_IF_ERROR(query.Read(place.node_id, place.host_id, place.state));
  }
  if (!wanted.with_history) return {};
  for (auto& [id, node] : snapshot.nodes) RETURN_IF_ERROR(ReadHistory(connection, images, node));
  for (const NodeConfigKey& key : wanted.node_configs) {
    auto node = snapshot.nodes.find(key.node_id);
    if (node == snapshot.nodes.end()) continue;
    RETURN_IF_ERROR(ReadConfigIfHad(connection, images, key.config_id, node->second));
  }
  return {};
}

Status WriteReport(SqliteConnection& connection, const HostReport& report) {
  SqliteQuery query = connection.Query(kWriteHost);
  query.Bind(report);
  RETURN_IF_ERROR(query.Run());
  if (connection.changes() == 1) return {};
  return Fail(ReportOutdated(report.host_id));
}

Status WriteIncidents(SqliteConnection& connection, const NodeIncidents& incidents) {
  SqliteQuery query = connection.Query(kAddIncidents);
  query.Bind(incidents.node_id, incidents.kind, incidents.count);
  return query.Run();
}

Status WriteJoined(SqliteConnection& connection, const HostId& host) {
  SqliteQuery query = connection.Query(kHasJoined);
  query.Bind(host);
  return query.Run();
}

Status WriteReport(SqliteConnection& connection, const StatusReport& report) {
  std::set<NodeId> gone;
  if (report.complete || report.forgets_unknown) {
    SqliteQuery query = connection.Query(report.complete ? kReportedNodes : kReportedUnknown);
    query.Bind(report.host_id);
    while (true) {
      ASSIGN_OR_RETURN(bool more, query.Next());
      if (!more) break;
      NodeId id;
      RETURN_IF_ERROR(query.Read(id));
      gone.insert(id);
    }
  }
  for (const NodeReport& node : report.nodes) {
    gone.erase(node.node_id);
    SqliteQuery query = connection.Query(kWriteNode);
    query.Bind(report.host_id, node.node_id, report.at, node);
    RETURN_IF_ERROR(query.Run());
  }
  for (const NodeId& id : gone) {
    SqliteQuery query = connection.Query(kForgetNode);
    query.Bind(report.host_id, id);
    RETURN_IF_ERROR(query.Run());
  }
  return {};
}

}  // namespace tallyman::store::sqlite
