// What an audit compares, computed by the database set by set.
//
// Hosts: a page of hosts, the sums over their live nodes and one walk over their ledgers. Nodes:
// SQL picks those that could be wrong, in id order; each of them is then checked exactly.
#include <algorithm>
#include <unordered_map>

#include "store/postgres/rows.h"
#include "store/postgres/snapshot.h"
#include "store/postgres/sums.h"
#include "store/postgres/transaction.h"
#include "store/proof.h"

namespace tallyman::store::postgres {
namespace {

constexpr char kAuditedHosts[] =
    "SELECT " TALLYMAN_HOST_COLUMNS("h.") ", " TALLYMAN_IS_CLAIMED
                                          " FROM hosts h WHERE h.id > $1 ORDER BY h.id LIMIT $2";
constexpr char kHost[] =
    "SELECT " TALLYMAN_HOST_COLUMNS("h.") ", " TALLYMAN_IS_CLAIMED " FROM hosts h WHERE h.id = $1";
constexpr char kSums[] =
    "SELECT " TALLYMAN_SUM_COLUMNS
    " FROM hosts h JOIN nodes n ON n.host_id = h.id "
    "WHERE h.id BETWEEN $1 AND $2 AND n.host_id BETWEEN $1 AND $2 AND n.released_at IS NULL "
    "AND n.deleted_at IS NULL GROUP BY h.id";

// The sum of a column, clamped to 64 bits: a sum beyond them differs from any counter anyway.
#define TALLYMAN_FOLD(column) \
  "least(greatest(sum(" column "), -9223372036854775808), 9223372036854775807)::bigint"
// An entry follows from the one before: the next number, and the balance before plus the delta. A
// correction vouches for itself and for all entries before it.
#define TALLYMAN_BALANCE_FOLLOWS(name) \
  "balance_" name " = lag(balance_" name ", 1, 0::bigint) OVER entries + delta_" name "::numeric"
constexpr char kLedgers[] =
    "SELECT host_id, count(*), max(seq), "
    "count(*) FILTER (WHERE NOT follows AND seq > coalesce(vouched, 0)), " TALLYMAN_FOLD(
        "delta_node_count") ", " TALLYMAN_FOLD("delta_cpu_cores") ", " TALLYMAN_FOLD(
        "delta_memory_bytes") ", " TALLYMAN_FOLD("delta_disk_bytes")
    ", max(balance_node_count) FILTER (WHERE seq = newest), "
    "max(balance_cpu_cores) FILTER (WHERE seq = newest), "
    "max(balance_memory_bytes) FILTER (WHERE seq = newest), "
    "max(balance_disk_bytes) FILTER (WHERE seq = newest) FROM ("
    "SELECT host_id, seq, delta_node_count, delta_cpu_cores, delta_memory_bytes, "
    "delta_disk_bytes, balance_node_count, balance_cpu_cores, balance_memory_bytes, "
    "balance_disk_bytes, max(seq) OVER (PARTITION BY host_id) AS newest, "
    "max(seq) FILTER (WHERE kind = 'drift_correction') OVER (PARTITION BY host_id) AS vouched, "
    "seq = lag(seq, 1, 0::bigint) OVER entries + 1 AND " TALLYMAN_BALANCE_FOLLOWS(
        "node_count") " AND " TALLYMAN_BALANCE_FOLLOWS("cpu_cores") " AND " TALLYMAN_BALANCE_FOLLOWS(
        "memory_bytes") " AND " TALLYMAN_BALANCE_FOLLOWS("disk_bytes")
    " AS follows FROM ledger WHERE host_id BETWEEN $1 AND $2 "
    "WINDOW entries AS (PARTITION BY host_id ORDER BY seq)) walked GROUP BY host_id";

// Fields that are not the config's, a hold where there could be none, or another config running; or
// transitions that may ask for more than the node is charged.
constexpr char kSuspects[] =
    "SELECT s.id FROM ("
    "(SELECT n.id FROM nodes n LEFT JOIN configs c ON c.id = n.config_id "
    "AND c.image_id = n.image_id AND c.cpu_cores = n.cpu_cores "
    "AND c.memory_bytes = n.memory_bytes AND c.disk_bytes = n.disk_bytes "
    "WHERE n.id > $1 AND n.released_at IS NULL AND n.deleted_at IS NULL "
    "AND (c.id IS NULL OR n.held_cpu_cores <> 0 OR n.held_memory_bytes <> 0 "
    "OR n.held_disk_bytes <> 0 OR n.running_config_id <> n.config_id) ORDER BY n.id LIMIT $2) "
    "UNION "
    "(SELECT DISTINCT c.node_id FROM commands c JOIN nodes n ON n.id = c.node_id "
    "WHERE c.node_id > $1 AND c.state IN ('open', 'taken', 'unknown', 'failed') "
    "AND (c.state = 'failed' OR c.to_config_id <> n.config_id) "
    "AND n.released_at IS NULL AND n.deleted_at IS NULL ORDER BY c.node_id LIMIT $2)"
    ") s ORDER BY s.id LIMIT $2";
constexpr char kNodesOfHost[] =
    "SELECT n.id FROM nodes n WHERE n.host_id = $1 AND n.released_at IS NULL "
    "AND n.deleted_at IS NULL ORDER BY n.id";
constexpr char kAuditedNodes[] =
    "SELECT " TALLYMAN_NODE_COLUMNS("n.")
    ", coalesce(h.name, ''), c.image_id, c.cpu_cores, c.memory_bytes, c.disk_bytes, r.cpu_cores, "
    "r.memory_bytes, r.disk_bytes FROM nodes n LEFT JOIN hosts h ON h.id = n.host_id "
    "LEFT JOIN configs c ON c.id = n.config_id LEFT JOIN configs r ON r.id = n.running_config_id "
    "WHERE n.id = ANY ($1::uuid[]) ORDER BY n.id";

constexpr int64_t kSuspectsAtOnce = 500;

// The audit of one host in a page of hosts; null: it is not on the page.
HostAudit* Find(std::vector<HostAudit>& audits, const HostId& id) {
  auto found = std::ranges::lower_bound(audits, id, {},
                                        [](const HostAudit& audit) { return audit.host.id; });
  return found != audits.end() && found->host.id == id ? &*found : nullptr;
}

Status TakeLedgers(const PgResult& result, std::vector<HostAudit>& audits) {
  for (int i = 0; i < result.rows(); ++i) {
    HostId id;
    HostAudit read;
    RETURN_IF_ERROR(result.row(i).Read(id, read.ledger_entries, read.ledger_last_seq,
                                       read.ledger_breaks, read.ledger_fold, read.ledger_balance));
    HostAudit* audit = Find(audits, id);
    if (audit == nullptr) continue;
    audit->ledger_entries = read.ledger_entries;
    audit->ledger_last_seq = read.ledger_last_seq;
    audit->ledger_breaks = read.ledger_breaks;
    audit->ledger_fold = read.ledger_fold;
    audit->ledger_balance = read.ledger_balance;
  }
  return {};
}

Result<std::vector<HostAudit>> TakeHosts(const PgResult& result) {
  std::vector<HostAudit> audits(static_cast<size_t>(result.rows()));
  for (int i = 0; i < result.rows(); ++i) {
    HostAudit& audit = audits[static_cast<size_t>(i)];
    RETURN_IF_ERROR(result.row(i).Read(audit.host, audit.claimed));
  }
  return audits;
}

Result<std::vector<NodeId>> TakeIds(const PgResult& result) {
  std::vector<NodeId> ids(static_cast<size_t>(result.rows()));
  for (int i = 0; i < result.rows(); ++i) {
    RETURN_IF_ERROR(result.row(i).Read(ids[static_cast<size_t>(i)]));
  }
  return ids;
}

}  // namespace

Result<std::vector<HostAudit>> PgTransaction::CompleteAudits(std::vector<HostAudit> audits) {
  if (audits.empty()) return audits;
  const PgParams range = PgParams::Of(audits.front().host.id, audits.back().host.id);
  PgBatch batch;
  batch.Add(kSums, range);
  batch.Add(kLedgers, range);
  ASSIGN_OR_RETURN(std::vector<PgResult> results, Run(std::move(batch)));
  for (int i = 0; i < results[0].rows(); ++i) {
    HostId id;
    HostSums sums;
    RETURN_IF_ERROR(TakeSum(results[0].row(i), id, sums));
    if (HostAudit* audit = Find(audits, id)) audit->sums = sums;
  }
  RETURN_IF_ERROR(TakeLedgers(results[1], audits));
  return audits;
}

Result<std::vector<HostAudit>> PgTransaction::AuditHosts(const HostId& after, int64_t limit) {
  ASSIGN_OR_RETURN(PgResult hosts, RunOne(kAuditedHosts, PgParams::Of(after, limit)));
  ASSIGN_OR_RETURN(std::vector<HostAudit> audits, TakeHosts(hosts));
  return CompleteAudits(std::move(audits));
}

Result<std::optional<HostAudit>> PgTransaction::AuditHost(const HostId& host) {
  ASSIGN_OR_RETURN(PgResult hosts, RunOne(kHost, PgParams::Of(host)));
  ASSIGN_OR_RETURN(std::vector<HostAudit> audits, TakeHosts(hosts));
  ASSIGN_OR_RETURN(audits, CompleteAudits(std::move(audits)));
  std::optional<HostAudit> audit;
  if (!audits.empty()) audit = std::move(audits.front());
  return audit;
}

// The wrong ones among these nodes.
Result<std::vector<NodeAudit>> PgTransaction::CheckNodes(const std::vector<NodeId>& ids) {
  std::vector<NodeAudit> wrong;
  if (ids.empty()) return wrong;
  PgParams params;
  params.AddList(ids);
  PgBatch batch;
  batch.Add(kAuditedNodes, params);
  batch.Add(kTransitions, std::move(params));
  ASSIGN_OR_RETURN(std::vector<PgResult> results, Run(std::move(batch)));
  std::unordered_map<NodeId, std::vector<Transition>> transitions;
  for (int i = 0; i < results[1].rows(); ++i) {
    NodeId id;
    Transition transition;
    RETURN_IF_ERROR(results[1].row(i).Read(id, transition));
    transitions[id].push_back(transition);
  }
  for (int i = 0; i < results[0].rows(); ++i) {
    NodeAudit audit;
    std::optional<ImageId> image;
    std::optional<Resources> running;
    RETURN_IF_ERROR(
        results[0].row(i).Read(audit.node, audit.host_name, image, audit.config, running));
    audit.hold =
        HoldOf(audit.config.value_or(audit.node.resources), running, transitions[audit.node.id]);
    const bool right = audit.config == audit.node.resources && image == audit.node.image_id &&
                       audit.hold == audit.node.held;
    if (!right) wrong.push_back(std::move(audit));
  }
  return wrong;
}

Result<std::vector<NodeAudit>> PgTransaction::AuditNodes(const NodeId& after, int64_t limit) {
  std::vector<NodeAudit> wrong;
  NodeId last = after;
  while (std::ssize(wrong) < limit) {
    ASSIGN_OR_RETURN(PgResult result, RunOne(kSuspects, PgParams::Of(last, kSuspectsAtOnce)));
    ASSIGN_OR_RETURN(std::vector<NodeId> suspects, TakeIds(result));
    ASSIGN_OR_RETURN(std::vector<NodeAudit> found, CheckNodes(suspects));
    for (NodeAudit& audit : found) {
      if (std::ssize(wrong) < limit) wrong.push_back(std::move(audit));
    }
    if (std::ssize(suspects) < kSuspectsAtOnce) break;
    last = suspects.back();
  }
  return wrong;
}

Result<std::vector<NodeAudit>> PgTransaction::AuditNodesOf(const HostId& host) {
  ASSIGN_OR_RETURN(PgResult result, RunOne(kNodesOfHost, PgParams::Of(host)));
  ASSIGN_OR_RETURN(std::vector<NodeId> ids, TakeIds(result));
  return CheckNodes(ids);
}

}  // namespace tallyman::store::postgres
