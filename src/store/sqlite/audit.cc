// What an audit compares, read in few passes.
//
// Hosts: one walk over the covering index of the live nodes and one over the ledger's primary key,
// both in host order, summed up here; memory does not grow with the fleet. Nodes: SQL picks those
// that could be wrong in two streams, in id order; each of them is then checked exactly.
#include <algorithm>

#include "base/checked.h"
#include "store/proof.h"
#include "store/sqlite/rows.h"
#include "store/sqlite/snapshot.h"
#include "store/sqlite/sums.h"
#include "store/sqlite/transaction.h"

namespace tallyman::store::sqlite {
namespace {

constexpr char kHosts[] =
    "SELECT " TALLYMAN_HOST_COLUMNS("h.") ", " TALLYMAN_IS_CLAIMED
                                          " FROM hosts h WHERE h.id > ?1 ORDER BY h.id LIMIT ?2";
constexpr char kOneHost[] =
    "SELECT " TALLYMAN_HOST_COLUMNS("h.") ", " TALLYMAN_IS_CLAIMED " FROM hosts h WHERE h.id = ?1";
constexpr char kTrueSums[] =
    "SELECT host_id, count(*), sum(cpu_cores), sum(memory_bytes), sum(disk_bytes), "
    "sum(held_cpu_cores), sum(held_memory_bytes), sum(held_disk_bytes) "
    "FROM nodes INDEXED BY nodes_live "
    "WHERE host_id BETWEEN ?1 AND ?2 AND released_at IS NULL AND deleted_at IS NULL "
    "GROUP BY host_id";
constexpr char kLedger[] =
    "SELECT seq, kind = 'drift_correction', delta_node_count, delta_cpu_cores, delta_memory_bytes, "
    "delta_disk_bytes, balance_node_count, balance_cpu_cores, balance_memory_bytes, "
    "balance_disk_bytes FROM ledger WHERE host_id = ?1 ORDER BY seq";

// Fields that are not the config's, a hold where there could be none, or another config running.
constexpr char kSuspectsByFields[] =
    "SELECT n.id FROM nodes n WHERE n.id > ?1 AND n.released_at IS NULL AND n.deleted_at IS NULL "
    "AND (n.held_cpu_cores <> 0 OR n.held_memory_bytes <> 0 OR n.held_disk_bytes <> 0 "
    "OR n.running_config_id <> n.config_id "
    "OR NOT EXISTS (SELECT 1 FROM configs c INDEXED BY configs_fields WHERE c.id = n.config_id "
    "AND c.image_id = n.image_id AND c.cpu_cores = n.cpu_cores "
    "AND c.memory_bytes = n.memory_bytes AND c.disk_bytes = n.disk_bytes)) ORDER BY n.id";
// Transitions that may ask for more than the node is charged.
constexpr char kSuspectsByTransitions[] =
    "SELECT c.node_id FROM commands c INDEXED BY commands_pending CROSS JOIN nodes n "
    "ON n.id = c.node_id WHERE c.node_id > ?1 "
    "AND c.state IN ('open', 'taken', 'unknown', 'failed') "
    "AND (c.state = 'failed' OR c.to_config_id <> n.config_id) "
    "AND n.released_at IS NULL AND n.deleted_at IS NULL ORDER BY c.node_id";
constexpr char kNodesOfHost[] =
    "SELECT id FROM nodes INDEXED BY nodes_live WHERE host_id = ?1 AND released_at IS NULL "
    "AND deleted_at IS NULL ORDER BY id";
constexpr char kAuditedNode[] =
    "SELECT " TALLYMAN_NODE_COLUMNS("n.")
    ", ifnull(h.name, ''), c.image_id, c.cpu_cores, c.memory_bytes, c.disk_bytes, r.cpu_cores, "
    "r.memory_bytes, r.disk_bytes FROM nodes n LEFT JOIN hosts h ON h.id = n.host_id "
    "LEFT JOIN configs c ON c.id = n.config_id LEFT JOIN configs r ON r.id = n.running_config_id "
    "WHERE n.id = ?1";

// The next id of a stream of ids; nil at its end.
template <class IdType>
Status Step(SqliteQuery& query, IdType& id) {
  ASSIGN_OR_RETURN(bool more, query.Next());
  if (more) return query.Read(id);
  id = IdType{};
  return {};
}

Status ReadSums(SqliteConnection& connection, std::vector<HostAudit>& audits) {
  SqliteQuery query = connection.Query(kTrueSums);
  query.Bind(audits.front().host.id, audits.back().host.id);
  auto audit = audits.begin();
  while (true) {
    auto more = query.Next();
    // Sums beyond 64 bits stop the statement: name the host.
    if (!more) {
      for (HostAudit& each : audits) {
        ASSIGN_OR_RETURN(each.sums, SumNodes(connection, each.host.id));
      }
      return {};
    }
    if (!*more) return {};
    HostId id;
    HostSums sums;
    RETURN_IF_ERROR(query.Read(id, sums.books, sums.held));
    while (audit != audits.end() && audit->host.id < id) ++audit;
    if (audit != audits.end() && audit->host.id == id) audit->sums = sums;
  }
}

// Adds `delta` to `into`; false if that is beyond 64 bits, and `into` is unchanged.
bool AddTo(int64_t& into, int64_t delta) {
  auto sum = CheckedAdd(into, delta);
  if (sum) into = *sum;
  return sum.has_value();
}

// False: some dimension overflowed, so it cannot follow from the one before.
bool AddTo(Books& into, const Books& delta) {
  bool fine = AddTo(into.node_count, delta.node_count);
  for (Dimension dimension : kDimensions) {
    fine &= AddTo(into.allocated.at(dimension), delta.allocated.get(dimension));
  }
  return fine;
}

Status ReadLedger(SqliteConnection& connection, HostAudit& audit) {
  SqliteQuery query = connection.Query(kLedger);
  query.Bind(audit.host.id);
  while (true) {
    ASSIGN_OR_RETURN(bool more, query.Next());
    if (!more) return {};
    bool is_correction = false;
    Books delta, balance;
    const int64_t seq_wanted = audit.ledger_last_seq + 1;
    RETURN_IF_ERROR(query.Read(audit.ledger_last_seq, is_correction, delta, balance));
    ++audit.ledger_entries;
    Books expected = audit.ledger_balance;
    const bool follows =
        audit.ledger_last_seq == seq_wanted && AddTo(expected, delta) && expected == balance;
    if (!follows) ++audit.ledger_breaks;
    // A correction vouches for all entries before it.
    if (is_correction) audit.ledger_breaks = 0;
    AddTo(audit.ledger_fold, delta);
    audit.ledger_balance = balance;
  }
}

// Checks one node; appends it if it is wrong.
Status CheckNode(SqliteConnection& connection, const NodeId& id, std::vector<NodeAudit>& wrong) {
  SqliteQuery query = connection.Query(kAuditedNode);
  query.Bind(id);
  ASSIGN_OR_RETURN(bool found, query.Next());
  if (!found) return {};
  NodeAudit audit;
  std::optional<ImageId> image;
  std::optional<Resources> running;
  RETURN_IF_ERROR(query.Read(audit.node, audit.host_name, image, audit.config, running));
  ASSIGN_OR_RETURN(std::vector<Transition> transitions, ReadTransitions(connection, id));
  audit.hold = HoldOf(audit.config.value_or(audit.node.resources), running, transitions);
  const bool right = audit.config == audit.node.resources && image == audit.node.image_id &&
                     audit.hold == audit.node.held;
  if (!right) wrong.push_back(std::move(audit));
  return {};
}

}  // namespace

Result<std::vector<HostAudit>> SqliteTransaction::AuditHosts(const HostId& after, int64_t limit) {
  RETURN_IF_ERROR(CheckReadable());
  std::vector<HostAudit> audits;
  SqliteQuery query = connection_.Query(kHosts);
  query.Bind(after, limit);
  while (true) {
    ASSIGN_OR_RETURN(bool more, query.Next());
    if (!more) break;
    HostAudit& audit = audits.emplace_back();
    RETURN_IF_ERROR(query.Read(audit.host, audit.claimed));
  }
  if (audits.empty()) return audits;
  RETURN_IF_ERROR(ReadSums(connection_, audits));
  for (HostAudit& audit : audits) RETURN_IF_ERROR(ReadLedger(connection_, audit));
  return audits;
}

Result<std::optional<HostAudit>> SqliteTransaction::AuditHost(const HostId& host) {
  RETURN_IF_ERROR(CheckReadable());
  SqliteQuery query = connection_.Query(kOneHost);
  query.Bind(host);
  ASSIGN_OR_RETURN(bool found, query.Next());
  if (!found) return std::optional<HostAudit>();
  HostAudit audit;
  RETURN_IF_ERROR(query.Read(audit.host, audit.claimed));
  ASSIGN_OR_RETURN(audit.sums, SumNodes(connection_, host));
  RETURN_IF_ERROR(ReadLedger(connection_, audit));
  return audit;
}

Result<std::vector<NodeAudit>> SqliteTransaction::AuditNodes(const NodeId& after, int64_t limit) {
  RETURN_IF_ERROR(CheckReadable());
  SqliteQuery by_fields = connection_.Query(kSuspectsByFields);
  SqliteQuery by_transitions = connection_.Query(kSuspectsByTransitions);
  by_fields.Bind(after);
  by_transitions.Bind(after);
  NodeId from_fields, from_transitions;
  RETURN_IF_ERROR(Step(by_fields, from_fields));
  RETURN_IF_ERROR(Step(by_transitions, from_transitions));
  std::vector<NodeAudit> wrong;
  while (std::ssize(wrong) < limit && !(from_fields.is_nil() && from_transitions.is_nil())) {
    const bool fields_first =
        from_transitions.is_nil() || (!from_fields.is_nil() && from_fields <= from_transitions);
    const NodeId id = fields_first ? from_fields : from_transitions;
    RETURN_IF_ERROR(CheckNode(connection_, id, wrong));
    if (from_fields == id) RETURN_IF_ERROR(Step(by_fields, from_fields));
    while (from_transitions == id) RETURN_IF_ERROR(Step(by_transitions, from_transitions));
  }
  return wrong;
}

Result<std::vector<NodeAudit>> SqliteTransaction::AuditNodesOf(const HostId& host) {
  RETURN_IF_ERROR(CheckReadable());
  SqliteQuery query = connection_.Query(kNodesOfHost);
  query.Bind(host);
  std::vector<NodeAudit> wrong;
  while (true) {
    NodeId id;
    RETURN_IF_ERROR(Step(query, id));
    if (id.is_nil()) return wrong;
    RETURN_IF_ERROR(CheckNode(connection_, id, wrong));
  }
}

}  // namespace tallyman::store::sqlite
