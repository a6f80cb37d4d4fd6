// What a decision reads: one batch, the locks first.
//
// One statement locks the hosts in id order, another one the nodes; later statements read what the
// locks guard, because each sees what was committed before it began. (A row that changed while the
// lock was awaited could drop out of a join in the locking statement.)
#include "store/postgres/snapshot.h"
#include "base/sorted_unique.h"
#include "model/config.h"
#include "store/look_up_sql.h"
#include "store/postgres/placement.h"
#include "store/postgres/rows.h"
#include "store/postgres/sums.h"
#include "store/postgres/transaction.h"
#include "store/refusals.h"

namespace tallyman::store::postgres {

const char kTransitions[] =
    "SELECT c.node_id, " TALLYMAN_TRANSITION_COLUMNS
    " FROM commands c LEFT JOIN configs f ON f.id = c.from_config_id "
    "LEFT JOIN configs t ON t.id = c.to_config_id "
    "WHERE c.node_id = ANY ($1::uuid[]) AND c.state IN ('open', 'taken', 'unknown', 'failed') "
    "AND (c.state <> 'failed' OR NOT EXISTS (SELECT 1 FROM commands l "
    "WHERE l.node_id = c.node_id AND l.seq > c.seq AND l.state IN ('settled', 'reverted') "
    "AND l.state IN ('settled', 'reverted', 'superseded', 'cancelled') "
    "AND l.kind IN ('node_create', 'node_upgrade', 'node_update'))) "
    "ORDER BY c.node_id, c.seq";

namespace {

constexpr char kLockRollouts[] =
    "SELECT count(*) FROM (SELECT 1 FROM rollouts l WHERE l.id = ANY ($1::uuid[]) ORDER BY l.id "
    "FOR NO KEY UPDATE) locked";
constexpr char kLockHosts[] =
    "SELECT count(*) FROM (SELECT 1 FROM hosts h WHERE h.id IN (" TALLYMAN_HOSTS_WANTED
    ") ORDER BY h.id FOR NO KEY UPDATE) locked";
constexpr char kLockNodes[] =
    "SELECT count(*) FROM (SELECT 1 FROM nodes n WHERE n.id = ANY ($1::uuid[]) ORDER BY n.id "
    "FOR NO KEY UPDATE) locked";
constexpr char kHosts[] =
    "SELECT " TALLYMAN_HOST_COLUMNS("h.") " FROM hosts h WHERE h.id IN (" TALLYMAN_HOSTS_WANTED ")";
constexpr char kNodes[] =
    "SELECT " TALLYMAN_NODE_COLUMNS("n.")
    ", coalesce(o.name, ''), " TALLYMAN_HAS_QUOTA ", r.cpu_cores, r.memory_bytes, r.disk_bytes, "
    TALLYMAN_CONFIG_COLUMNS("c.") " FROM nodes n "
    "LEFT JOIN orgs o ON o.id = n.org_id LEFT JOIN configs c ON c.id = n.config_id "
    "LEFT JOIN configs r ON r.id = n.running_config_id WHERE n.id = ANY ($1::uuid[])";
constexpr char kOrgs[] = "SELECT " TALLYMAN_ORG_COLUMNS("o.") " FROM orgs o WHERE o.id = ANY ($1)";
constexpr char kLockOrgs[] =
    "SELECT count(*) FROM (SELECT 1 FROM orgs o WHERE o.id = ANY ($1::uuid[]) ORDER BY o.id "
    "FOR NO KEY UPDATE) locked";
// Whoever decides locks hosts before it looks for a quota, and so holds, or waits for, a lock that
// conflicts with this one; reads do not.
constexpr char kWaitForDecisions[] = "LOCK TABLE hosts IN EXCLUSIVE MODE";
constexpr char kNodeNames[] =
    "SELECT name, id FROM nodes WHERE name = ANY ($1) AND deleted_at IS NULL";
constexpr char kRequests[] =
    "SELECT " TALLYMAN_REQUEST_COLUMNS("r.")
    ", r.response FROM unnest($1::uuid[], $2::text[], $3::text[]) AS k (org_id, actor_id, id) "
    "JOIN requests r ON r.org_id = k.org_id AND r.actor_id = k.actor_id AND r.request_id = k.id";
constexpr char kLockHostReports[] =
    "SELECT count(*) FROM (SELECT 1 FROM host_reports r WHERE r.host_id = ANY ($1::uuid[]) "
    "ORDER BY r.host_id FOR NO KEY UPDATE) locked";
constexpr char kHostReports[] = "SELECT " TALLYMAN_HOST_REPORT_COLUMNS(
    "r.") " FROM host_reports r WHERE r.host_id = ANY ($1::uuid[])";
constexpr char kPlaces[] =
    "SELECT id, node_id, host_id, state FROM commands WHERE id = ANY ($1::uuid[])";
constexpr char kEndedSeq[] =
    "SELECT w.id, e.seq FROM unnest($1::uuid[]) AS w (id) JOIN LATERAL ("
    "SELECT c.seq FROM commands c WHERE c.node_id = w.id AND c.state IN ('settled', 'reverted') "
    "AND c.state IN ('settled', 'reverted', 'superseded', 'cancelled') "
    "AND c.kind IN ('node_create', 'node_upgrade', 'node_update') "
    "ORDER BY c.seq DESC LIMIT 1) e ON true";
// The configs that run on the nodes $1, and those of the pairs ($2, $3) to which a command leads.
constexpr char kNodeConfigs[] =
    "SELECT k.node_id, k.config_id, c.image_id, c.cpu_cores, c.memory_bytes, c.disk_bytes FROM ("
    "SELECT n.id AS node_id, n.running_config_id AS config_id FROM nodes n "
    "WHERE n.id = ANY ($1::uuid[]) AND n.running_config_id IS NOT NULL UNION "
    "SELECT p.node_id, p.config_id FROM unnest($2::uuid[], $3::uuid[]) AS p (node_id, config_id) "
    "WHERE EXISTS (SELECT 1 FROM commands m WHERE m.node_id = p.node_id "
    "AND m.state IN ('open', 'taken', 'unknown', 'failed') AND m.to_config_id = p.config_id) "
    "OR EXISTS (SELECT 1 FROM commands m WHERE m.node_id = p.node_id "
    "AND m.state IN ('settled', 'reverted', 'superseded', 'cancelled') "
    "AND m.to_config_id = p.config_id)) k JOIN configs c ON c.id = k.config_id "
    "WHERE c.json <> ''";

template <class T>
PgParams ListOf(const std::vector<T>& values) {
  PgParams params;
  params.AddList(values);
  return params;
}

// The row is at the columns of the config.
Status ReadConfig(PgRow& row, NodeSnapshot& snapshot) {
  const Node& node = snapshot.node;
  if (row.NextIsNull()) {
    snapshot.config = Fail(UnreadableConfig(node, "is missing"));
    return {};
  }
  NodeConfig config;
  config.id = node.config_id;
  RETURN_IF_ERROR(row.Read(config.image_id));
  const std::string_view json = row.TakeBytes();
  RETURN_IF_ERROR(row.Read(config.resources, config.created_at));
  if (Status parsed = ConfigFromJson(json, config); !parsed) {
    snapshot.config = Fail(UnreadableConfig(node, "is not readable: " + parsed.error().message));
    return {};
  }
  snapshot.config = std::move(config);
  return {};
}

Status TakeNodes(const PgResult& nodes, const PgResult& transitions, Snapshot& snapshot) {
  snapshot.nodes.reserve(static_cast<size_t>(nodes.rows()));
  for (int i = 0; i < nodes.rows(); ++i) {
    PgRow row = nodes.row(i);
    NodeSnapshot node;
    RETURN_IF_ERROR(row.Read(node.node, node.org_name, node.has_quota, node.running));
    RETURN_IF_ERROR(ReadConfig(row, node));
    snapshot.nodes.emplace(node.node.id, std::move(node));
  }
  for (int i = 0; i < transitions.rows(); ++i) {
    NodeId id;
    Transition transition;
    RETURN_IF_ERROR(transitions.row(i).Read(id, transition));
    if (auto node = snapshot.nodes.find(id); node != snapshot.nodes.end()) {
      node->second.transitions.push_back(transition);
    }
  }
  return {};
}

Status TakeHosts(const PgResult& hosts, Snapshot& snapshot) {
  snapshot.hosts.reserve(static_cast<size_t>(hosts.rows()));
  for (int i = 0; i < hosts.rows(); ++i) {
    HostSnapshot host;
    RETURN_IF_ERROR(hosts.row(i).Read(host.host));
    snapshot.hosts.emplace(host.host.id, std::move(host));
  }
  return {};
}

Status TakeRequests(const PgResult& requests, Snapshot& snapshot) {
  for (int i = 0; i < requests.rows(); ++i) {
    RequestRecord record;
    RETURN_IF_ERROR(requests.row(i).Read(record, record.response));
    RequestKey key = record.key;
    snapshot.requests.emplace(std::move(key), std::move(record));
  }
  return {};
}

// A batch in which a function takes the results of each group of statements.
class SnapshotReader {
 public:
  using Take = std::function<Status(std::span<const PgResult>)>;

  void Add(const char* sql, PgParams params) { batch_.Add(sql, std::move(params)); }
  // `take` receives the results of the statements added since the last call.
  void Then(Take take) { takes_.emplace_back(batch_.size(), std::move(take)); }
  bool empty() const { return batch_.size() == 0; }
  PgBatch& batch() { return batch_; }

  Status RunIn(PgTransaction& transaction) {
    ASSIGN_OR_RETURN(std::vector<PgResult> results, transaction.Run(std::move(batch_)));
    size_t from = 0;
    for (const auto& [to, take] : takes_) {
      RETURN_IF_ERROR(take(std::span(results).subspan(from, to - from)));
      from = to;
    }
    return {};
  }

 private:
  PgBatch batch_;
  std::vector<std::pair<size_t, Take>> takes_;
};

Status IgnoreResults(std::span<const PgResult>) { return {}; }

void AddNodes(SnapshotReader& reader, const std::vector<NodeId>& nodes, Snapshot& snapshot) {
  reader.Add(kNodes, ListOf(nodes));
  reader.Add(kTransitions, ListOf(nodes));
  reader.Then([&](auto results) { return TakeNodes(results[0], results[1], snapshot); });
}

void AddHosts(SnapshotReader& reader, const PgParams& wanted, bool with_sums, Snapshot& snapshot) {
  reader.Add(kHosts, wanted);
  reader.Then([&](auto results) { return TakeHosts(results[0], snapshot); });
  if (!with_sums) return;
  reader.Add(kHostSums, wanted);
  reader.Add(kLedgerBalances, wanted);
  reader.Then([&](auto results) { return TakeSums(results[0], results[1], snapshot); });
}

void AddTheRest(SnapshotReader& reader, const LockSet& wanted, Snapshot& snapshot) {
  if (!wanted.orgs.empty()) {
    reader.Add(kOrgs, ListOf(wanted.orgs));
    reader.Then([&](auto results) -> Status {
      for (int i = 0; i < results[0].rows(); ++i) {
        Org org;
        RETURN_IF_ERROR(results[0].row(i).Read(org));
        snapshot.orgs[org.id] = org;
      }
      return {};
    });
  }
  if (!wanted.node_names.empty()) {
    reader.Add(kNodeNames, ListOf(wanted.node_names));
    reader.Then([&](auto results) -> Status {
      for (int i = 0; i < results[0].rows(); ++i) {
        std::string name;
        NodeId id;
        RETURN_IF_ERROR(results[0].row(i).Read(name, id));
        snapshot.taken_names[name] = id;
      }
      return {};
    });
  }
  if (!wanted.commands.empty()) {
    reader.Add(kPlaces, ListOf(wanted.commands));
    reader.Then([&](auto results) -> Status {
      for (int i = 0; i < results[0].rows(); ++i) {
        CommandId id;
        CommandPlace place;
        RETURN_IF_ERROR(results[0].row(i).Read(id, place.node_id, place.host_id, place.state));
        snapshot.commands[id] = place;
      }
      return {};
    });
  }
  if (!wanted.requests.empty()) {
    PgColumns keys;
    for (const RequestKey& key : SortedUnique(wanted.requests)) {
      keys.AddRow(key.org_id, key.actor_id, key.request_id);
    }
    reader.Add(kRequests, PgParams::Of(keys));
    reader.Then([&](auto results) { return TakeRequests(results[0], snapshot); });
  }
}

// A config that a node has had; its image may still have to be read.
struct NodeConfigRow {
  NodeConfigKey key;
  ImageId image_id;
  Resources resources;
};

void AddHistory(SnapshotReader& reader, const std::vector<NodeId>& nodes,
                const std::vector<NodeConfigKey>& keys, Snapshot& snapshot,
                std::vector<NodeConfigRow>& configs) {
  PgParams wanted = ListOf(nodes);
  std::vector<NodeId> key_nodes;
  std::vector<ConfigId> key_configs;
  for (const NodeConfigKey& key : keys) {
    key_nodes.push_back(key.node_id);
    key_configs.push_back(key.config_id);
  }
  reader.Add(kEndedSeq, wanted);
  reader.Then([&](auto results) -> Status {
    for (int i = 0; i < results[0].rows(); ++i) {
      NodeId id;
      int64_t seq = 0;
      RETURN_IF_ERROR(results[0].row(i).Read(id, seq));
      if (auto node = snapshot.nodes.find(id); node != snapshot.nodes.end())
        node->second.ended_seq = seq;
    }
    return {};
  });
  wanted.AddList(key_nodes);
  wanted.AddList(key_configs);
  reader.Add(kNodeConfigs, std::move(wanted));
  reader.Then([&](auto results) -> Status {
    for (int i = 0; i < results[0].rows(); ++i) {
      NodeConfigRow& row = configs.emplace_back();
      RETURN_IF_ERROR(
          results[0].row(i).Read(row.key.node_id, row.key.config_id, row.image_id, row.resources));
    }
    return {};
  });
}

Status TakeHostReports(const PgResult& result, Snapshot& snapshot) {
  for (int i = 0; i < result.rows(); ++i) {
    HostReport report;
    RETURN_IF_ERROR(result.row(i).Read(report));
    snapshot.host_reports[report.host_id] = report;
  }
  return {};
}

}  // namespace

// Of orgs that have a quota; the last locks, because only what they guard says whose they are.
Status PgTransaction::ReadQuotas(bool lock, Snapshot& snapshot) {
  const std::vector<OrgId> orgs = OrgsWithQuota(snapshot);
  if (orgs.empty()) return {};
  PgBatch batch;
  if (lock) batch.Add(kLockOrgs, ListOf(orgs));
  const size_t first = batch.size();
  for (const OrgId& id : orgs) {
    batch.Add(kOrgs, ListOf(std::vector{id}));
    batch.Add(sql::kOrgUsage, PgParams::Of(id));
  }
  ASSIGN_OR_RETURN(const std::vector<PgResult> results, Run(std::move(batch)));
  for (size_t i = first; i < results.size(); i += 2) {
    LimitedOrg limited;
    HostSums sums;
    if (results[i].rows() == 0) continue;
    RETURN_IF_ERROR(results[i].row(0).Read(limited.org));
    RETURN_IF_ERROR(results[i + 1].row(0).Read(sums.books, sums.held));
    ASSIGN_OR_RETURN(limited.taken, sums.Taken());
    snapshot.limited[limited.org.id] = std::move(limited);
  }
  return {};
}

Result<Snapshot> PgTransaction::ReadSnapshot(const LockSet& wanted, bool lock) {
  Snapshot snapshot;
  std::vector<HostId> named_hosts = wanted.hosts;
  if (wanted.placement) {
    ASSIGN_OR_RETURN(snapshot.candidates, FindCandidates(*this, *wanted.placement));
    named_hosts.insert(named_hosts.end(), snapshot.candidates.begin(), snapshot.candidates.end());
  }
  const std::vector<NodeId> nodes = SortedUnique(wanted.nodes);
  PgParams hosts = ListOf(SortedUnique(named_hosts));
  hosts.AddList(nodes);

  SnapshotReader reader;
  if (lock && wanted.changes_quotas) {
    reader.Add(kWaitForDecisions, {});
    reader.Add(kLockOrgs, ListOf(SortedUnique(wanted.orgs)));
    reader.Then(IgnoreResults);
  }
  if (!wanted.report_hosts.empty()) {
    const PgParams reporters = ListOf(SortedUnique(wanted.report_hosts));
    if (lock) {
      reader.Add(kLockHostReports, reporters);
      reader.Then(IgnoreResults);
    }
    reader.Add(kHostReports, reporters);
    reader.Then([&](auto results) { return TakeHostReports(results[0], snapshot); });
  }
  if (lock && !wanted.rollouts.empty()) {
    reader.Add(kLockRollouts, ListOf(SortedUnique(wanted.rollouts)));
    reader.Then(IgnoreResults);
  }
  const bool names_rows = !nodes.empty() || !named_hosts.empty();
  if (lock && names_rows) {
    reader.Add(kLockHosts, hosts);
    reader.Add(kLockNodes, ListOf(nodes));
    reader.Then(IgnoreResults);
  }
  if (!nodes.empty()) AddNodes(reader, nodes, snapshot);
  if (names_rows) AddHosts(reader, hosts, wanted.with_sums, snapshot);
  AddTheRest(reader, wanted, snapshot);
  std::vector<NodeConfigRow> node_configs;
  if (wanted.with_history) AddHistory(reader, nodes, wanted.node_configs, snapshot, node_configs);
  const std::vector<ImageId> unseen = images_.Missing(wanted.images);
  if (!unseen.empty()) {
    PgImageCache::AddTo(reader.batch(), unseen);
    reader.Then([&](auto results) { return images_.Take(results[0], results[1]); });
  }
  if (!reader.empty() || lock) RETURN_IF_ERROR(reader.RunIn(*this));

  if (wanted.with_quotas) RETURN_IF_ERROR(ReadQuotas(lock, snapshot));
  std::vector<ImageId> of_nodes;
  for (const auto& [id, node] : snapshot.nodes) of_nodes.push_back(node.node.image_id);
  for (const NodeConfigRow& row : node_configs) of_nodes.push_back(row.image_id);
  RETURN_IF_ERROR(EnsureImages(std::move(of_nodes)));
  for (auto& [id, node] : snapshot.nodes) {
    node.image = images_.Find(node.node.image_id);
    if (node.image == nullptr) return Fail(MissingImage(node.node));
  }
  for (const NodeConfigRow& row : node_configs) {
    auto node = snapshot.nodes.find(row.key.node_id);
    ImagePointer image = images_.Find(row.image_id);
    if (node == snapshot.nodes.end() || image == nullptr) continue;
    node->second.configs[row.key.config_id] = {row.resources, std::move(image)};
  }
  for (const ImageId& id : wanted.images) {
    if (ImagePointer image = images_.Find(id)) snapshot.images[id] = std::move(image);
  }
  if (lock && wanted.placement && !SortByPlacement(*wanted.placement, snapshot)) {
    lost_a_race_ = true;
  }
  return snapshot;
}

}  // namespace tallyman::store::postgres
