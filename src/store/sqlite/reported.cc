// What hosts last said of nodes, for people.
#include "store/sqlite/rows.h"
#include "store/sqlite/transaction.h"

namespace tallyman {
namespace {

constexpr char kReport[] =
    "SELECT " TALLYMAN_NODE_REPORT_COLUMNS
    ", r.changed_at FROM node_reports r WHERE r.host_id = ?1 AND r.node_id = ?2";
constexpr char kCounts[] =
    "SELECT kind, count FROM node_incidents WHERE node_id = ?1 "
    "AND kind IN ('node_crashed', 'node_out_of_memory')";
constexpr char kCondition[] =
    "SELECT run_state, health, problem, restarts FROM node_reports "
    "WHERE host_id = ?1 AND node_id = ?2";
constexpr char kNodeTotals[] =
    "SELECT count(*) FILTER (WHERE r.health = 'unhealthy'), "
    "count(*) FILTER (WHERE r.problem <> ''), ifnull(sum(r.restarts), 0) "
    "FROM node_reports r JOIN nodes n ON n.id = r.node_id AND n.host_id = r.host_id "
    "WHERE (r.health = 'unhealthy' OR r.problem <> '' OR r.restarts > 0) "
    "AND n.released_at IS NULL AND n.deleted_at IS NULL";
constexpr char kHostTotals[] = "SELECT count(*) FROM host_reports WHERE problem <> ''";

}  // namespace

Result<std::optional<ReportedNode>> SqliteTransaction::FindReported(const NodePlace& node) {
  RETURN_IF_ERROR(CheckReadable());
  std::optional<ReportedNode> reported;
  SqliteQuery report = connection_.Query(kReport);
  report.Bind(node.host_id, node.node_id);
  ASSIGN_OR_RETURN(const bool found, report.Next());
  if (found) {
    reported.emplace();
    RETURN_IF_ERROR(report.Read(reported->report, reported->changed_at));
  }
  SqliteQuery counts = connection_.Query(kCounts);
  counts.Bind(node.node_id);
  while (true) {
    ASSIGN_OR_RETURN(const bool more, counts.Next());
    if (!more) break;
    ReportedIncident kind{};
    int64_t count = 0;
    RETURN_IF_ERROR(counts.Read(kind, count));
    if (!reported) reported.emplace();
    (kind == ReportedIncident::kNodeCrashed ? reported->crashes : reported->out_of_memory) = count;
  }
  if (reported) reported->report.node_id = node.node_id;
  return reported;
}

Result<std::unordered_map<NodeId, NodeCondition>> SqliteTransaction::FindConditions(
    const std::vector<NodePlace>& nodes) {
  RETURN_IF_ERROR(CheckReadable());
  std::unordered_map<NodeId, NodeCondition> conditions;
  for (const NodePlace& node : nodes) {
    SqliteQuery query = connection_.Query(kCondition);
    query.Bind(node.host_id, node.node_id);
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) continue;
    NodeCondition& condition = conditions[node.node_id];
    RETURN_IF_ERROR(
        query.Read(condition.run_state, condition.health, condition.problem, condition.restarts));
  }
  return conditions;
}

Result<ReportedTotals> SqliteTransaction::CountReported() {
  RETURN_IF_ERROR(CheckReadable());
  ReportedTotals totals;
  SqliteQuery nodes = connection_.Query(kNodeTotals);
  nodes.Bind();
  ASSIGN_OR_RETURN(const bool has_nodes, nodes.Next());
  if (has_nodes) {
    RETURN_IF_ERROR(
        nodes.Read(totals.unhealthy_nodes, totals.nodes_with_problems, totals.restarts));
  }
  SqliteQuery hosts = connection_.Query(kHostTotals);
  hosts.Bind();
  ASSIGN_OR_RETURN(const bool has_hosts, hosts.Next());
  if (has_hosts) RETURN_IF_ERROR(hosts.Read(totals.hosts_with_problems));
  return totals;
}

}  // namespace tallyman
