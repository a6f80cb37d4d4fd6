#include "store/sqlite/snapshot.h"

#include "base/sorted_unique.h"
#include "store/look_up_sql.h"
#include "store/refusals.h"
#include "store/sqlite/placement.h"
#include "store/sqlite/reports.h"
#include "store/sqlite/rows.h"
#include "store/sqlite/sums.h"

namespace tallyman::store::sqlite {

using tallyman::sqlite::SqliteQuery;

namespace {

constexpr char kNode[] =
    "SELECT " TALLYMAN_NODE_COLUMNS("n.")
    ", ifnull(o.name, ''), " TALLYMAN_HAS_QUOTA ", r.cpu_cores, r.memory_bytes, r.disk_bytes, "
    TALLYMAN_CONFIG_COLUMNS("c.") " FROM nodes n "
    "LEFT JOIN orgs o ON o.id = n.org_id LEFT JOIN configs c ON c.id = n.config_id "
    "LEFT JOIN configs r ON r.id = n.running_config_id WHERE n.id = ?1";
constexpr char kTransitions[] =
    "SELECT " TALLYMAN_TRANSITION_COLUMNS
    " FROM commands c INDEXED BY commands_pending "
    "LEFT JOIN configs f ON f.id = c.from_config_id LEFT JOIN configs t ON t.id = c.to_config_id "
    "WHERE c.node_id = ?1 AND c.state IN ('open', 'taken', 'unknown', 'failed') "
    "AND (c.state <> 'failed' OR NOT EXISTS (SELECT 1 FROM commands l INDEXED BY commands_ended "
    "WHERE l.node_id = ?1 AND l.seq > c.seq AND l.state IN ('settled', 'reverted') "
    "AND l.state IN ('settled', 'reverted', 'superseded', 'cancelled') "
    "AND l.kind IN ('node_create', 'node_upgrade', 'node_update'))) "
    "ORDER BY c.seq";
constexpr char kOrg[] = "SELECT " TALLYMAN_ORG_COLUMNS("o.") " FROM orgs o WHERE o.id = ?1";
constexpr char kNodeName[] = "SELECT id FROM nodes WHERE name = ?1 AND deleted_at IS NULL";
constexpr char kLedgerBalance[] =
    "SELECT balance_node_count, balance_cpu_cores, balance_memory_bytes, balance_disk_bytes "
    "FROM ledger WHERE host_id = ?1 ORDER BY seq DESC LIMIT 1";
constexpr char kRequest[] =
    "SELECT " TALLYMAN_REQUEST_COLUMNS("q.")
    ", q.response FROM requests q WHERE q.org_id = ?1 AND q.actor_id = ?2 AND q.request_id = ?3";

// The query is at the columns of the config.
Status ReadConfig(SqliteQuery& query, NodeSnapshot& snapshot) {
  const Node& node = snapshot.node;
  if (query.NextIsNull()) {
    snapshot.config = Fail(UnreadableConfig(node, "is missing"));
    return {};
  }
  NodeConfig config;
  config.id = node.config_id;
  // The text is parsed in place, without a copy; the row outlives the parse.
  RETURN_IF_ERROR(query.ReadMore(config.image_id));
  std::string_view json = query.TakeText();
  RETURN_IF_ERROR(query.ReadMore(config.resources, config.created_at));
  if (Status parsed = ConfigFromJson(json, config); !parsed) {
    snapshot.config = Fail(UnreadableConfig(node, "is not readable: " + parsed.error().message));
    return {};
  }
  snapshot.config = std::move(config);
  return {};
}

Status ReadNode(SqliteConnection& connection, ImageCache& images, const NodeId& id,
                Snapshot& snapshot) {
  SqliteQuery query = connection.Query(kNode);
  query.Bind(id);
  ASSIGN_OR_RETURN(bool found, query.Next());
  if (!found) return {};
  NodeSnapshot& node = snapshot.nodes[id];
  RETURN_IF_ERROR(query.Read(node.node, node.org_name, node.has_quota, node.running));
  RETURN_IF_ERROR(ReadConfig(query, node));
  ASSIGN_OR_RETURN(node.transitions, ReadTransitions(connection, id));
  ASSIGN_OR_RETURN(node.image, images.Get(connection, node.node.image_id));
  if (node.image == nullptr) {
    return Fail(MissingImage(node.node));
  }
  return {};
}

Result<Books> LedgerBalance(SqliteConnection& connection, const HostId& host) {
  SqliteQuery query = connection.Query(kLedgerBalance);
  query.Bind(host);
  Books balance;
  ASSIGN_OR_RETURN(bool found, query.Next());
  if (found) RETURN_IF_ERROR(query.Read(balance));
  return balance;
}

Status ReadHost(SqliteConnection& connection, const HostId& id, bool with_sums,
                Snapshot& snapshot) {
  SqliteQuery query = connection.Query(kHostRow);
  query.Bind(id);
  ASSIGN_OR_RETURN(bool found, query.Next());
  if (!found) return {};
  HostSnapshot& host = snapshot.hosts[id];
  RETURN_IF_ERROR(query.Read(host.host));
  if (with_sums) {
    ASSIGN_OR_RETURN(host.sums, SumNodes(connection, id));
    ASSIGN_OR_RETURN(host.ledger_balance, LedgerBalance(connection, id));
  }
  return {};
}

Status ReadRequest(SqliteConnection& connection, const RequestKey& key, Snapshot& snapshot) {
  SqliteQuery query = connection.Query(kRequest);
  query.Bind(key.org_id, key.actor_id, key.request_id);
  ASSIGN_OR_RETURN(bool found, query.Next());
  if (!found) return {};
  RequestRecord& record = snapshot.requests[key];
  RETURN_IF_ERROR(query.Read(record));
  record.response = query.TakeBlob();
  return {};
}

Result<bool> ReadOrg(SqliteConnection& connection, const OrgId& id, Org& org) {
  SqliteQuery query = connection.Query(kOrg);
  query.Bind(id);
  ASSIGN_OR_RETURN(bool found, query.Next());
  if (found) RETURN_IF_ERROR(query.Read(org));
  return found;
}

Status ReadTheRest(SqliteConnection& connection, ImageCache& images, const LockSet& wanted,
                   Snapshot& snapshot) {
  for (const ImageId& id : wanted.images) {
    ASSIGN_OR_RETURN(std::shared_ptr<const Image> image, images.Get(connection, id));
    if (image != nullptr) snapshot.images[id] = std::move(image);
  }
  for (const OrgId& id : wanted.orgs) {
    Org org;
    ASSIGN_OR_RETURN(bool found, ReadOrg(connection, id, org));
    if (found) snapshot.orgs[id] = std::move(org);
  }
  for (const std::string& name : wanted.node_names) {
    SqliteQuery query = connection.Query(kNodeName);
    query.Bind(name);
    ASSIGN_OR_RETURN(bool found, query.Next());
    if (found) RETURN_IF_ERROR(query.Read(snapshot.taken_names[name]));
  }
  for (const RequestKey& key : wanted.requests) {
    RETURN_IF_ERROR(ReadRequest(connection, key, snapshot));
  }
  return {};
}

// REQUIRES: the nodes and orgs that are wanted have been read.
Status ReadQuotas(SqliteConnection& connection, Snapshot& snapshot) {
  for (const OrgId& id : OrgsWithQuota(snapshot)) {
    LimitedOrg& limited = snapshot.limited[id];
    RETURN_IF_ERROR(ReadOrg(connection, id, limited.org));
    SqliteQuery query = connection.Query(sql::kOrgUsage);
    query.Bind(id);
    RETURN_IF_ERROR(query.Next());
    HostSums sums;
    RETURN_IF_ERROR(query.Read(sums.books, sums.held));
    ASSIGN_OR_RETURN(limited.taken, sums.Taken());
  }
  return {};
}

}  // namespace

Result<std::vector<Transition>> ReadTransitions(SqliteConnection& connection, const NodeId& node) {
  SqliteQuery query = connection.Query(kTransitions);
  query.Bind(node);
  std::vector<Transition> transitions;
  while (true) {
    ASSIGN_OR_RETURN(bool more, query.Next());
    if (!more) return transitions;
    RETURN_IF_ERROR(query.Read(transitions.emplace_back()));
  }
}

Result<Snapshot> ReadSnapshot(SqliteConnection& connection, ImageCache& images,
                              const LockSet& wanted) {
  Snapshot snapshot;
  if (wanted.placement) {
    ASSIGN_OR_RETURN(snapshot.candidates, FindCandidates(connection, *wanted.placement));
  }
  const std::vector<NodeId> nodes = SortedUnique(wanted.nodes);
  snapshot.nodes.reserve(nodes.size());
  for (const NodeId& id : nodes) RETURN_IF_ERROR(ReadNode(connection, images, id, snapshot));

  std::vector<HostId> hosts = wanted.hosts;
  hosts.insert(hosts.end(), snapshot.candidates.begin(), snapshot.candidates.end());
  for (const auto& [id, node] : snapshot.nodes) hosts.push_back(node.node.host_id);
  hosts = SortedUnique(std::move(hosts));
  snapshot.hosts.reserve(hosts.size());
  for (const HostId& id : hosts) {
    RETURN_IF_ERROR(ReadHost(connection, id, wanted.with_sums, snapshot));
  }
  RETURN_IF_ERROR(ReadTheRest(connection, images, wanted, snapshot));
  RETURN_IF_ERROR(ReadForReports(connection, images, wanted, snapshot));
  if (wanted.with_quotas) RETURN_IF_ERROR(ReadQuotas(connection, snapshot));
  return snapshot;
}

}  // namespace tallyman::store::sqlite
