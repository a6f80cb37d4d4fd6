// What hosts last said of nodes, for people.
#include "store/postgres/rows.h"
#include "store/postgres/transaction.h"

namespace tallyman {
namespace {

constexpr char kReport[] =
    "SELECT " TALLYMAN_NODE_REPORT_COLUMNS
    ", r.changed_at FROM node_reports r WHERE r.host_id = $1 AND r.node_id = $2";
constexpr char kCounts[] =
    "SELECT kind, count FROM node_incidents WHERE node_id = $1 "
    "AND kind IN ('node_crashed', 'node_out_of_memory')";
constexpr char kConditions[] =
    "SELECT r.node_id, r.run_state, r.health, r.problem, r.restarts "
    "FROM unnest($1::uuid[], $2::uuid[]) AS w (host_id, node_id) "
    "JOIN node_reports r ON r.host_id = w.host_id AND r.node_id = w.node_id";
constexpr char kNodeTotals[] =
    "SELECT count(*) FILTER (WHERE r.health = 'unhealthy'), "
    "count(*) FILTER (WHERE r.problem <> ''), coalesce(sum(r.restarts), 0)::bigint "
    "FROM node_reports r JOIN nodes n ON n.id = r.node_id AND n.host_id = r.host_id "
    "WHERE (r.health = 'unhealthy' OR r.problem <> '' OR r.restarts > 0) "
    "AND n.released_at IS NULL AND n.deleted_at IS NULL";
constexpr char kHostTotals[] = "SELECT count(*) FROM host_reports WHERE problem <> ''";

}  // namespace

Result<std::optional<ReportedNode>> PgTransaction::FindReported(const NodePlace& node) {
  PgBatch batch;
  batch.Add(kReport, PgParams::Of(node.host_id, node.node_id));
  batch.Add(kCounts, PgParams::Of(node.node_id));
  ASSIGN_OR_RETURN(std::vector<PgResult> results, Run(std::move(batch)));
  std::optional<ReportedNode> reported;
  if (results[0].rows() > 0) {
    reported.emplace();
    RETURN_IF_ERROR(results[0].row(0).Read(reported->report, reported->changed_at));
  }
  for (int i = 0; i < results[1].rows(); ++i) {
    ReportedIncident kind{};
    int64_t count = 0;
    RETURN_IF_ERROR(results[1].row(i).Read(kind, count));
    if (!reported) reported.emplace();
    (kind == ReportedIncident::kNodeCrashed ? reported->crashes : reported->out_of_memory) = count;
  }
  if (reported) reported->report.node_id = node.node_id;
  return reported;
}

Result<std::unordered_map<NodeId, NodeCondition>> PgTransaction::FindConditions(
    const std::vector<NodePlace>& nodes) {
  std::unordered_map<NodeId, NodeCondition> conditions;
  if (nodes.empty()) return conditions;
  PgColumns wanted;
  for (const NodePlace& node : nodes) wanted.AddRow(node.host_id, node.node_id);
  ASSIGN_OR_RETURN(PgResult result, RunOne(kConditions, PgParams::Of(wanted)));
  for (int i = 0; i < result.rows(); ++i) {
    NodeId id;
    NodeCondition condition;
    RETURN_IF_ERROR(result.row(i).Read(id, condition.run_state, condition.health, condition.problem,
                                       condition.restarts));
    conditions[id] = std::move(condition);
  }
  return conditions;
}

Result<ReportedTotals> PgTransaction::CountReported() {
  PgBatch batch;
  batch.Add(kNodeTotals, PgParams());
  batch.Add(kHostTotals, PgParams());
  ASSIGN_OR_RETURN(std::vector<PgResult> results, Run(std::move(batch)));
  ReportedTotals totals;
  RETURN_IF_ERROR(
      results[0].row(0).Read(totals.unhealthy_nodes, totals.nodes_with_problems, totals.restarts));
  RETURN_IF_ERROR(results[1].row(0).Read(totals.hosts_with_problems));
  return totals;
}

}  // namespace tallyman
