#include "store/postgres/changes.h"

#include <algorithm>
#include <boost/json.hpp>
#include <unordered_map>

#include "model/config.h"
#include "store/corrections.h"
#include "store/insert_sql.h"
#include "store/postgres/constraint.h"
#include "store/postgres/rows.h"
#include "store/proof.h"
#include "store/refusals.h"

namespace tallyman::store::postgres {
namespace {

// One array per column.
constexpr SqlLiteral kArrays = "SELECT * FROM unnest";
using Insert = InsertSql<kArrays>;

// The two widest updates unnest only columns of variable length or with nulls, and index into the
// other arrays. An unnested array costs a statement 5 us, an indexed one 1 us; but to index an
// array of texts, PostgreSQL walks over all elements before.
constexpr char kUpdateNodes[] =
    "WITH done AS (UPDATE nodes n SET org_id = ($3::uuid[])[v.k], image_id = ($4::uuid[])[v.k], "
    "config_id = ($5::uuid[])[v.k], protocol_id = ($6::uuid[])[v.k], "
    "protocol_version_id = ($7::uuid[])[v.k], semantic_version = v.semantic_version, "
    "auto_upgrade = ($9::boolean[])[v.k], node_state = v.node_state, next_state = v.next_state, "
    "cpu_cores = ($12::bigint[])[v.k], memory_bytes = ($13::bigint[])[v.k], "
    "disk_bytes = ($14::bigint[])[v.k], held_cpu_cores = ($15::bigint[])[v.k], "
    "held_memory_bytes = ($16::bigint[])[v.k], held_disk_bytes = ($17::bigint[])[v.k], "
    "running_config_id = v.running_config_id, handed_out = ($19::boolean[])[v.k], "
    "version = ($20::bigint[])[v.k], updated_at = ($21::bigint[])[v.k], "
    "released_at = v.released_at, deleted_at = v.deleted_at "
    "FROM unnest($8::text[], $10::text[], $11::text[], $18::uuid[], $22::bigint[], $23::bigint[]) "
    "WITH ORDINALITY AS v (semantic_version, node_state, next_state, running_config_id, "
    "released_at, deleted_at, k) "
    "WHERE n.id = ($1::uuid[])[v.k] AND n.version = ($2::bigint[])[v.k] RETURNING n.id) "
    "SELECT tallyman_require('NODE_UPDATE_FAILED', $1::uuid[], (SELECT array_agg(id) FROM done))";
constexpr char kUpdateHosts[] =
    "WITH done AS (UPDATE hosts h SET cpu_cores = ($3::bigint[])[v.k], "
    "memory_bytes = ($4::bigint[])[v.k], disk_bytes = ($5::bigint[])[v.k], "
    "capacity_policy = v.capacity_policy, node_count = ($7::bigint[])[v.k], "
    "node_cpu_cores = ($8::bigint[])[v.k], node_memory_bytes = ($9::bigint[])[v.k], "
    "node_disk_bytes = ($10::bigint[])[v.k], held_cpu_cores = ($11::bigint[])[v.k], "
    "held_memory_bytes = ($12::bigint[])[v.k], held_disk_bytes = ($13::bigint[])[v.k], "
    "ledger_seq = ($14::bigint[])[v.k], version = ($15::bigint[])[v.k], "
    "updated_at = ($16::bigint[])[v.k], heard = ($17::boolean[])[v.k], "
    "silent_since = v.silent_since, cordoned = ($19::boolean[])[v.k], "
    "retired_at = v.retired_at, name = v.name "
    "FROM unnest($6::text[], $18::bigint[], $20::bigint[], $21::text[]) "
    "WITH ORDINALITY AS v (capacity_policy, silent_since, retired_at, name, k) "
    "WHERE h.id = ($1::uuid[])[v.k] AND h.version = ($2::bigint[])[v.k] RETURNING h.id) "
    "SELECT tallyman_require('HOST_UPDATE_FAILED', $1::uuid[], (SELECT array_agg(id) FROM done))";
constexpr char kUpdateQuotas[] =
    "UPDATE orgs o SET quota_node_count = v.node_count, quota_cpu_cores = v.cpu_cores, "
    "quota_memory_bytes = v.memory_bytes, quota_disk_bytes = v.disk_bytes "
    "FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) "
    "AS v (id, node_count, cpu_cores, memory_bytes, disk_bytes) WHERE o.id = v.id";
constexpr char kEndClaims[] =
    "DELETE FROM host_claims c USING unnest($1::uuid[], $2::text[], $3::text[]) "
    "AS v (host_id, owner, kind) "
    "WHERE c.host_id = v.host_id AND c.owner = v.owner AND c.kind = v.kind";
constexpr char kUpdateCommands[] =
    "WITH done AS (UPDATE commands c SET state = v.state, ended_at = v.ended_at, "
    "attempt = coalesce(v.attempt, c.attempt), taken_at = coalesce(v.taken_at, c.taken_at), "
    "not_before = coalesce(v.not_before, c.not_before), "
    "not_after = coalesce(v.not_after, c.not_after), outcome = coalesce(v.outcome, c.outcome), "
    "from_config_id = coalesce(v.from_config_id, c.from_config_id) "
    "FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], "
    "$7::bigint[], $8::text[], $9::uuid[]) "
    "AS v (id, state, ended_at, attempt, taken_at, not_before, not_after, outcome, "
    "from_config_id) WHERE c.id = v.id RETURNING c.id) "
    "SELECT tallyman_require('COMMAND_UPDATE_FAILED', $1::uuid[], "
    "(SELECT array_agg(id) FROM done))";
constexpr char kUpdateRollouts[] =
    "WITH done AS (UPDATE rollouts r SET state = v.state, why = v.why, wave = v.wave, "
    "version = v.version, progress_at = v.progress_at, ended_at = v.ended_at, plan = v.plan "
    "FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], "
    "$7::bigint[], $8::bigint[], $9::text[]) "
    "AS v (id, version_before, state, why, wave, version, progress_at, ended_at, plan) "
    "WHERE r.id = v.id AND r.version = v.version_before RETURNING r.id) "
    "SELECT tallyman_require('ROLLOUT_UPDATE_FAILED', $1::uuid[], "
    "(SELECT array_agg(id) FROM done))";
constexpr char kUpdateRolloutNodes[] =
    "UPDATE rollout_nodes x SET state = v.state, why = v.why, "
    "from_config_id = v.from_config_id, command_id = v.command_id, not_before = v.not_before, "
    "released_at = v.released_at, decided_at = v.decided_at "
    "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], "
    "$7::bigint[], $8::bigint[], $9::bigint[]) "
    "AS v (rollout_id, node_id, state, why, from_config_id, command_id, not_before, released_at, "
    "decided_at) "
    "WHERE x.rollout_id = v.rollout_id AND x.node_id = v.node_id";
constexpr char kEndPolicies[] =
    "WITH done AS (DELETE FROM upgrade_policies p USING unnest($1::uuid[], $2::bigint[]) "
    "AS v (id, version) WHERE p.id = v.id AND p.version = v.version RETURNING p.id) "
    "SELECT tallyman_require('POLICY_CHANGED', $1::uuid[], (SELECT array_agg(id) FROM done))";
constexpr char kUpdateTokens[] =
    "WITH done AS (UPDATE tokens t SET revoked_at = v.revoked_at, used_at = v.used_at, "
    "nonce_digest = v.nonce_digest, host_id = coalesce(v.host_id, t.host_id) "
    "FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::uuid[]) "
    "AS v (id, revoked_at, used_at, nonce_digest, host_id) "
    "WHERE t.id = v.id AND t.revoked_at IS NULL "
    "AND (t.used_at IS NULL OR t.nonce_digest = v.nonce_digest) RETURNING t.id) "
    "SELECT tallyman_require('TOKEN_CHANGED', $1::uuid[], (SELECT array_agg(id) FROM done))";
constexpr const char* kWriteHostReports = kInsertSql<
    "WITH done AS (INSERT INTO host_reports AS r", TALLYMAN_HOST_REPORT_COLUMNS(""), kArrays,
    " ON CONFLICT (host_id) DO UPDATE SET sequence = excluded.sequence, "
    "heard_at = excluded.heard_at, status_at = coalesce(excluded.status_at, r.status_at), "
    "cpu_cores = coalesce(excluded.cpu_cores, r.cpu_cores), "
    "memory_bytes = coalesce(excluded.memory_bytes, r.memory_bytes), "
    "disk_bytes = coalesce(excluded.disk_bytes, r.disk_bytes), "
    "agent_version = coalesce(excluded.agent_version, r.agent_version), "
    "reserved_cpu_cores = coalesce(excluded.reserved_cpu_cores, r.reserved_cpu_cores), "
    "reserved_memory_bytes = coalesce(excluded.reserved_memory_bytes, r.reserved_memory_bytes), "
    "reserved_disk_bytes = coalesce(excluded.reserved_disk_bytes, r.reserved_disk_bytes), "
    "thin_disks = coalesce(excluded.thin_disks, r.thin_disks), "
    "problem = coalesce(excluded.problem, r.problem), "
    "incident_number = excluded.incident_number, "
    "unknown_nodes = coalesce(excluded.unknown_nodes, r.unknown_nodes) "
    "WHERE r.sequence < excluded.sequence RETURNING r.host_id) "
    "SELECT tallyman_require('REPORT_OUTDATED', $1, (SELECT array_agg(host_id) FROM done))">.data();
// An unchanged row is not written again.
constexpr const char* kWriteNodeReports = kInsertSql<
    "INSERT INTO node_reports AS r",
    "host_id, node_id, changed_at, " TALLYMAN_NODE_REPORT_COLUMNS(""), kArrays,
    " ON CONFLICT (host_id, node_id) DO UPDATE SET (changed_at, " TALLYMAN_NODE_REPORT_COLUMNS("")
    ") = ROW (excluded.changed_at, " TALLYMAN_NODE_REPORT_COLUMNS("excluded.")
    ") WHERE (" TALLYMAN_NODE_REPORT_COLUMNS("r.") ") IS DISTINCT FROM (" TALLYMAN_NODE_REPORT_COLUMNS("excluded.") ")">.data();
constexpr char kAddNodeIncidents[] =
    "INSERT INTO node_incidents AS i (node_id, kind, count) "
    "SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[]) ON CONFLICT (node_id, kind) "
    "DO UPDATE SET count = least(i.count + excluded.count, " TALLYMAN_COUNT_MAX ")";
constexpr char kHaveJoined[] =
    "UPDATE host_reports SET incident_number = 0, sequence = 1 WHERE host_id = ANY ($1::uuid[])";
// Of the hosts $1, what is not among the pairs ($2, $3).
constexpr char kForgetNodeReports[] =
    "DELETE FROM node_reports r WHERE r.host_id = ANY ($1::uuid[]) AND NOT EXISTS ("
    "SELECT 1 FROM unnest($2::uuid[], $3::uuid[]) AS k (host_id, node_id) "
    "WHERE k.host_id = r.host_id AND k.node_id = r.node_id)";
// The same of those nodes only that are not on the host.
constexpr char kForgetUnknown[] =
    "DELETE FROM node_reports r WHERE r.host_id = ANY ($1::uuid[]) AND NOT EXISTS ("
    "SELECT 1 FROM nodes n WHERE n.id = r.node_id AND n.host_id = r.host_id) AND NOT EXISTS ("
    "SELECT 1 FROM unnest($2::uuid[], $3::uuid[]) AS k (host_id, node_id) "
    "WHERE k.host_id = r.host_id AND k.node_id = r.node_id)";
// The commands of the nodes $1, by the two indexes that have them.
#define TALLYMAN_COMMANDS_OF_NODES                                                        \
  "((node_id = ANY ($1::uuid[]) AND state IN ('open', 'taken', 'unknown', 'failed')) OR " \
  "(node_id = ANY ($1::uuid[]) AND state IN ('settled', 'reverted', 'superseded', 'cancelled')))"
constexpr char kEraseSecretsOfConfigs[] =
    "UPDATE configs SET json = (json::jsonb - 'secrets')::text "
    "WHERE position('\"secrets\":{' IN json) > 0 AND id IN (SELECT to_config_id FROM commands "
    "WHERE to_config_id IS NOT NULL AND " TALLYMAN_COMMANDS_OF_NODES ")";
constexpr char kEraseSecretsOfCommands[] =
    "UPDATE commands SET payload = (payload::jsonb #- '{config_with_secrets,secrets}')::text "
    "WHERE position('\"config_with_secrets\":' IN payload) > 0 AND " TALLYMAN_COMMANDS_OF_NODES;
constexpr char kProve[] = "SELECT tallyman_prove_books($1)";

// Merges an update with the one before it: the last row, with the version at which the first began.
void Join(NodeUpdate& into, const NodeUpdate& next) { into.after = next.after; }
void Join(HostUpdate& into, const HostUpdate& next) { into.after = next.after; }
bool Follows(const NodeUpdate& next, const NodeUpdate& before) {
  return next.version_before == before.after.version;
}
bool Follows(const HostUpdate& next, const HostUpdate& before) {
  return next.version_before == before.after.version;
}

// Keeps the order of the first update of each row. An update that does not follow on is kept
// separate, and so misses its row.
template <class Update>
std::vector<Update> Merge(std::vector<Update> updates) {
  std::vector<Update> merged;
  std::unordered_map<Uuid, size_t> places;
  for (Update& update : updates) {
    auto [place, is_new] = places.try_emplace(update.after.id.uuid, merged.size());
    if (!is_new && Follows(update, merged[place->second])) {
      Join(merged[place->second], update);
    } else {
      merged.push_back(std::move(update));
    }
  }
  return merged;
}

// The last update of each command counts.
std::vector<CommandUpdate> Merge(std::vector<CommandUpdate> updates) {
  std::vector<CommandUpdate> merged;
  std::unordered_map<CommandId, size_t> places;
  for (CommandUpdate& update : updates) {
    auto [place, is_new] = places.try_emplace(update.id, merged.size());
    if (is_new) {
      merged.push_back(std::move(update));
    } else {
      merged[place->second] = std::move(update);
    }
  }
  return merged;
}

PgColumns ColumnsOf(const std::vector<NodeUpdate>& updates) {
  PgColumns columns;
  for (const NodeUpdate& update : updates) {
    const Node& node = update.after;
    columns.AddRow(node.id, update.version_before, node.org_id, node.image_id, node.config_id,
                   node.protocol_id, node.protocol_version_id, node.semantic_version,
                   node.auto_upgrade, node.node_state, node.next_state, node.resources, node.held,
                   node.running_config_id, node.handed_out, node.version, node.updated_at,
                   node.released_at, node.deleted_at);
  }
  return columns;
}

PgColumns ColumnsOf(const std::vector<HostUpdate>& updates) {
  PgColumns columns;
  for (const HostUpdate& update : updates) {
    const Host& host = update.after;
    columns.AddRow(host.id, update.version_before, host.capacity, host.capacity_policy, host.books,
                   host.held, host.ledger_seq, host.version, host.updated_at, host.heard,
                   host.silent_since, host.cordoned, host.retired_at, host.name);
  }
  return columns;
}

PgColumns ColumnsOf(const std::vector<CommandUpdate>& updates) {
  PgColumns columns;
  for (const CommandUpdate& update : updates) {
    columns.AddRow(update.id, update.state, update.ended_at, update.attempt, update.taken_at,
                   update.not_before, update.not_after, update.outcome, update.from_config_id);
  }
  return columns;
}

void AddRows(PgBatch& batch, const char* sql, const PgColumns& columns) {
  if (columns.rows() > 0) batch.Add(sql, PgParams::Of(columns));
}

template <class T>
void AppendTo(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

std::string TextOf(const boost::json::object& from, std::string_view key) {
  const boost::json::value* value = from.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(std::string_view(value->get_string()))
                                                : std::string();
}

int64_t NumberOf(const boost::json::object& from, std::string_view key) {
  const boost::json::value* value = from.if_contains(key);
  return value != nullptr && value->is_int64() ? value->get_int64() : 0;
}

// The detail of the exceptions that the schema's own functions raise.
boost::json::object DetailOf(const PgFailure& failure) {
  boost::system::error_code error;
  boost::json::value detail = boost::json::parse(failure.detail, error);
  return !error && detail.is_object() ? detail.get_object() : boost::json::object();
}

Error ExplainMismatch(const PgFailure& failure) {
  const boost::json::object detail = DetailOf(failure);
  const auto host = HostId::Parse(TextOf(detail, "host_id")).value_or(HostId{});
  std::string name = TextOf(detail, "host"), why = TextOf(detail, "why");
  if (name.empty()) name = host.ToString();
  if (why.empty()) why = "is not there";
  return BooksMismatch(NumberOf(detail, "hosts"), host, name, why);
}

}  // namespace

PendingChanges::PendingChanges(std::span<const ChangeSet> sets)
    : hosts_touched_(HostsTouched({sets.begin(), sets.end()})) {
  for (const ChangeSet& set : sets) Collect(set);
  node_updates_ = Merge(std::move(node_updates_));
  host_updates_ = Merge(std::move(host_updates_));
  command_updates_ = Merge(std::move(command_updates_));
}

void PendingChanges::Collect(const ChangeSet& set) {
  for (const RequestRecord& r : set.requests) {
    requests_.AddRow(r, PgBytes{r.response});
  }
  for (const Org& o : set.new_orgs) orgs_.AddRow(o);
  for (const Region& r : set.new_regions) regions_.AddRow(r);
  for (const Protocol& p : set.new_protocols) protocols_.AddRow(p);
  for (const ProtocolVersion& v : set.new_versions) versions_.AddRow(v);
  for (const Image& i : set.new_images) {
    images_.AddRow(i, i.version.id, FirewallRulesToJson(i.firewall_rules));
    for (const Property& p : i.properties) properties_.AddRow(i.id, p);
  }
  for (const Host& h : set.new_hosts) hosts_.AddRow(h);
  for (const NodeConfig& c : set.new_configs) {
    configs_.AddRow(c.id, c.image_id, ConfigToJson(c), c.resources, c.created_at);
  }
  for (const Node& n : set.new_nodes) nodes_.AddRow(n);
  for (const QuotaUpdate& q : set.quota_updates) quotas_.AddRow(q.org_id, q.quota);
  for (const ClaimEnd& e : set.ended_claims) ended_claims_.AddRow(e.host_id, e.owner, e.kind);
  for (const HostClaim& c : set.new_claims) claims_.AddRow(c);
  for (const DrainNode& d : set.drain_nodes) drain_nodes_.AddRow(d);
  for (const LedgerEntry& l : set.ledger) {
    std::optional<std::string> corrections;
    if (!l.corrections.empty()) corrections = CorrectionsToJson(l.corrections);
    ledger_.AddRow(l, corrections);
  }
  for (const Command& c : set.new_commands) commands_.AddRow(AsNew{c});
  for (const Event& e : set.events) events_.AddRow(AsNew{e});
  for (const Rollout& r : set.new_rollouts) rollouts_.AddRow(r, PlanToJson(r));
  for (const RolloutUpdate& u : set.rollout_updates) {
    const Rollout& r = u.after;
    rollout_updates_.AddRow(r.id, u.version_before, r.state, r.why, r.wave, r.version,
                            r.progress_at, r.ended_at, PlanToJson(r));
  }
  for (const RolloutNode& n : set.new_rollout_nodes) rollout_nodes_.AddRow(n);
  for (const RolloutNode& n : set.rollout_node_updates) {
    rollout_node_updates_.AddRow(n.rollout_id, n.node_id, n.state, n.why, n.from_config_id,
                                 n.command_id, n.not_before, n.released_at, n.decided_at);
  }
  for (const PolicyEnd& e : set.ended_policies) ended_policies_.AddRow(e.id, e.version);
  for (const UpgradePolicy& p : set.new_policies) policies_.AddRow(p);
  for (const TokenUpdate& t : set.token_updates) {
    token_updates_.AddRow(t.id, t.revoked_at, t.used_at, t.nonce_digest, t.host_id);
  }
  for (const Token& t : set.new_tokens) tokens_.AddRow(t);
  for (const HostReport& r : set.host_reports) host_reports_.AddRow(r);
  for (const StatusReport& s : set.status_reports) {
    if (s.complete) complete_hosts_.push_back(s.host_id);
    if (s.forgets_unknown) forgetting_hosts_.push_back(s.host_id);
    for (const NodeReport& n : s.nodes) {
      node_reports_.AddRow(s.host_id, n.node_id, s.at, n);
      if (!s.complete && !s.forgets_unknown) continue;
      reported_hosts_.push_back(s.host_id);
      reported_nodes_.push_back(n.node_id);
    }
  }
  for (const NodeIncidents& i : set.node_incidents) incidents_[{i.node_id, i.kind}] += i.count;
  AppendTo(joined_hosts_, set.joined_hosts);
  AppendTo(node_updates_, set.node_updates);
  AppendTo(host_updates_, set.host_updates);
  AppendTo(command_updates_, set.command_updates);
}

void PendingChanges::AddTo(PgBatch& batch) {
  AddRows(batch, Insert::kRequests, requests_);
  AddRows(batch, Insert::kOrgs, orgs_);
  AddRows(batch, Insert::kRegions, regions_);
  AddRows(batch, Insert::kProtocols, protocols_);
  AddRows(batch, Insert::kVersions, versions_);
  AddRows(batch, Insert::kImages, images_);
  AddRows(batch, Insert::kProperties, properties_);
  AddRows(batch, Insert::kHosts, hosts_);
  AddRows(batch, Insert::kConfigs, configs_);
  AddRows(batch, Insert::kNodes, nodes_);
  AddRows(batch, kUpdateNodes, ColumnsOf(node_updates_));
  AddRows(batch, kUpdateHosts, ColumnsOf(host_updates_));
  AddRows(batch, kUpdateQuotas, quotas_);
  AddRows(batch, kEndClaims, ended_claims_);
  AddRows(batch, Insert::kClaims, claims_);
  AddRows(batch, Insert::kLedger, ledger_);
  // A superseded upgrade must release its unique key before the new one takes it.
  AddRows(batch, kUpdateCommands, ColumnsOf(command_updates_));
  AddRows(batch, Insert::kCommands, commands_);
  AddRows(batch, kEndPolicies, ended_policies_);
  AddRows(batch, Insert::kPolicies, policies_);
  AddRows(batch, Insert::kRollouts, rollouts_);
  AddRows(batch, kUpdateRollouts, rollout_updates_);
  // A node leaves one rollout before it enters another.
  AddRows(batch, kUpdateRolloutNodes, rollout_node_updates_);
  AddRows(batch, Insert::kRolloutNodes, rollout_nodes_);
  AddRows(batch, Insert::kDrainNodes, drain_nodes_);
  if (const std::vector<NodeId> deleted = DeletedNodes(); !deleted.empty()) {
    for (const char* erase : {kEraseSecretsOfConfigs, kEraseSecretsOfCommands}) {
      PgParams nodes;
      nodes.AddList(deleted);
      batch.Add(erase, std::move(nodes));
    }
  }
  // A revoked token must release its name before a new one takes it.
  AddRows(batch, kUpdateTokens, token_updates_);
  AddRows(batch, Insert::kTokens, tokens_);
  AddRows(batch, kWriteHostReports, host_reports_);
  const auto forget = [&](const char* sql, const std::vector<HostId>& hosts) {
    if (hosts.empty()) return;
    PgParams reported;
    reported.AddList(hosts);
    reported.AddList(reported_hosts_);
    reported.AddList(reported_nodes_);
    batch.Add(sql, std::move(reported));
  };
  forget(kForgetNodeReports, complete_hosts_);
  forget(kForgetUnknown, forgetting_hosts_);
  AddRows(batch, kWriteNodeReports, node_reports_);
  PgColumns incidents;
  for (const auto& [key, count] : incidents_) incidents.AddRow(key.first, key.second, count);
  AddRows(batch, kAddNodeIncidents, incidents);
  if (!joined_hosts_.empty()) {
    PgParams joined;
    joined.AddList(joined_hosts_);
    batch.Add(kHaveJoined, std::move(joined));
  }
  if (!hosts_touched_.empty()) {
    PgParams hosts;
    hosts.AddList(hosts_touched_);
    batch.Add(kProve, std::move(hosts));
  }
  // Last, so that cursors are drawn late, and not at all if the proof fails.
  AddRows(batch, Insert::kEvents, events_);
}

std::vector<NodeId> PendingChanges::DeletedNodes() const {
  std::vector<NodeId> deleted;
  for (const NodeUpdate& update : node_updates_)
    if (update.after.deleted_at) deleted.push_back(update.after.id);
  return deleted;
}

Error PendingChanges::ExplainMissedRow(const PgFailure& failure, Error error) const {
  const boost::json::object detail = DetailOf(failure);
  const std::string reason = TextOf(detail, "reason");
  const auto id = Uuid::Parse(TextOf(detail, "id")).value_or(Uuid{});
  if (reason == kCommandUpdateFailed) return CommandNotThere(CommandId{id});
  if (reason == kReportOutdated) return ReportOutdated(HostId{id});
  if (reason == kTokenChanged) return TokenChanged(TokenId{id});
  if (reason == kPolicyChanged) return PolicyChanged(PolicyId{id});
  if (reason == kRolloutUpdateFailed) return NotOneRow(reason, "rollout", id.ToString(), id, 0);
  for (const NodeUpdate& update : node_updates_) {
    if (reason != kNodeUpdateFailed || update.after.id.uuid != id) continue;
    return NotOneRow(reason, "node", update.after.name, id, update.version_before);
  }
  for (const HostUpdate& update : host_updates_) {
    if (reason != kHostUpdateFailed || update.after.id.uuid != id) continue;
    return NotOneRow(reason, "host", update.after.name, id, update.version_before);
  }
  return error;
}

Error PendingChanges::Explain(const PgFailure& failure, Error error) const {
  if (failure.sqlstate == kBooksMismatchState) return ExplainMismatch(failure);
  if (failure.sqlstate == kRowsMissedState) return ExplainMissedRow(failure, std::move(error));
  return ExplainConstraint(failure, std::move(error));
}

}  // namespace tallyman::store::postgres
