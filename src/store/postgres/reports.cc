// What hosts can be given, and what they have had for too long.
#include "store/postgres/rows.h"
#include "store/postgres/transaction.h"

namespace tallyman {
namespace {

constexpr char kHostReport[] =
    "SELECT " TALLYMAN_HOST_REPORT_COLUMNS " FROM host_reports r WHERE r.host_id = $1";
// The oldest open command of each node.
#define TALLYMAN_HEADS                                                                  \
  "WHERE c.host_id = $1 AND c.state = 'open' AND NOT EXISTS (SELECT 1 FROM commands e " \
  "WHERE e.host_id = $1 AND e.node_id = c.node_id AND e.seq < c.seq AND e.state = 'open') "
constexpr char kReady[] =
    "SELECT " TALLYMAN_COMMAND_COLUMNS
    ", n.name, n.handed_out FROM commands c JOIN nodes n ON n.id = c.node_id " TALLYMAN_HEADS
    "AND (c.not_before IS NULL OR c.not_before <= $2) ORDER BY c.node_id LIMIT $3";
constexpr char kNextAt[] =
    "SELECT min(c.not_before) FROM commands c " TALLYMAN_HEADS "AND c.not_before > $2";
constexpr char kOverdue[] =
    "SELECT id, node_id FROM commands WHERE state = 'taken' AND taken_at < $1 "
    "ORDER BY taken_at LIMIT $2";
constexpr char kLiveNodes[] =
    "SELECT id FROM nodes WHERE host_id = $1 AND released_at IS NULL AND deleted_at IS NULL "
    "ORDER BY id";

}  // namespace

Result<HandOut> PgTransaction::FindCommandsFor(const HandOutQuery& wanted) {
  PgBatch batch;
  batch.Add(kHostReport, PgParams::Of(wanted.host_id));
  batch.Add(kReady, PgParams::Of(wanted.host_id, wanted.now, wanted.limit));
  batch.Add(kNextAt, PgParams::Of(wanted.host_id, wanted.now));
  ASSIGN_OR_RETURN(std::vector<PgResult> results, Run(std::move(batch)));
  HandOut out;
  if (results[0].rows() > 0) RETURN_IF_ERROR(results[0].row(0).Read(out.last_heard.emplace()));
  for (int i = 0; i < results[1].rows(); ++i) {
    HandOut::Entry& entry = out.commands.emplace_back();
    RETURN_IF_ERROR(results[1].row(i).Read(entry.command, entry.node, entry.handed_out));
  }
  RETURN_IF_ERROR(results[2].row(0).Read(out.next_at));
  return out;
}

Result<std::vector<CommandOfNode>> PgTransaction::FindOverdue(Time before, int64_t limit) {
  ASSIGN_OR_RETURN(PgResult result, RunOne(kOverdue, PgParams::Of(before, limit)));
  std::vector<CommandOfNode> overdue(static_cast<size_t>(result.rows()));
  for (int i = 0; i < result.rows(); ++i) {
    CommandOfNode& command = overdue[static_cast<size_t>(i)];
    RETURN_IF_ERROR(result.row(i).Read(command.id, command.node_id));
  }
  return overdue;
}

Result<std::vector<NodeId>> PgTransaction::LiveNodesOf(const HostId& host) {
  ASSIGN_OR_RETURN(PgResult result, RunOne(kLiveNodes, PgParams::Of(host)));
  std::vector<NodeId> nodes(static_cast<size_t>(result.rows()));
  for (int i = 0; i < result.rows(); ++i) {
    RETURN_IF_ERROR(result.row(i).Read(nodes[static_cast<size_t>(i)]));
  }
  return nodes;
}

}  // namespace tallyman
