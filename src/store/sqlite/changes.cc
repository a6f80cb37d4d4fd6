#include "store/sqlite/changes.h"

#include <fmt/core.h>

#include "base/text.h"
#include "model/config.h"
#include "store/corrections.h"
#include "store/insert_sql.h"
#include "store/refusals.h"
#include "store/sqlite/constraint.h"
#include "store/sqlite/reports.h"
#include "store/sqlite/rows.h"

namespace tallyman::store::sqlite {

using tallyman::sqlite::SqliteBlob;
using tallyman::sqlite::SqliteQuery;

namespace {

using Insert = InsertSql<"VALUES">;

#define TALLYMAN_UPDATE_NODE                                                                 \
  "UPDATE nodes SET image_id = ?, config_id = ?, protocol_id = ?, protocol_version_id = ?, " \
  "semantic_version = ?, auto_upgrade = ?, node_state = ?, next_state = ?, cpu_cores = ?, "  \
  "memory_bytes = ?, disk_bytes = ?, held_cpu_cores = ?, held_memory_bytes = ?, "            \
  "held_disk_bytes = ?, handed_out = ?, version = ?, updated_at = ?"
// SQLite rewrites every index and checks every foreign key whose columns an UPDATE names, changed
// or not. An upgrade does not change these four, so the UPDATE without them is tried first.
constexpr char kUpdateNodeInPlace[] = TALLYMAN_UPDATE_NODE
    " WHERE id = ? AND version = ? AND org_id = ? AND running_config_id IS ? "
    "AND released_at IS ? AND deleted_at IS ?";
constexpr char kUpdateNode[] = TALLYMAN_UPDATE_NODE
    ", org_id = ?, running_config_id = ?, released_at = ?, deleted_at = ? "
    "WHERE id = ? AND version = ?";
#define TALLYMAN_UPDATE_HOST                                                                      \
  "UPDATE hosts SET cpu_cores = ?, memory_bytes = ?, disk_bytes = ?, capacity_policy = ?, "       \
  "node_count = ?, node_cpu_cores = ?, node_memory_bytes = ?, node_disk_bytes = ?, "              \
  "held_cpu_cores = ?, held_memory_bytes = ?, held_disk_bytes = ?, ledger_seq = ?, version = ?, " \
  "updated_at = ?, heard = ?, silent_since = ?, cordoned = ?, retired_at = ?"
// As for nodes: a host keeps its name until it is retired.
constexpr char kUpdateHostInPlace[] =
    TALLYMAN_UPDATE_HOST " WHERE id = ? AND version = ? AND name = ?";
constexpr char kUpdateHost[] = TALLYMAN_UPDATE_HOST ", name = ? WHERE id = ? AND version = ?";
constexpr char kUpdateQuota[] =
    "UPDATE orgs SET quota_node_count = ?, quota_cpu_cores = ?, quota_memory_bytes = ?, "
    "quota_disk_bytes = ? WHERE id = ?";
constexpr char kEndClaim[] =
    "DELETE FROM host_claims WHERE host_id = ?1 AND owner = ?2 AND kind = ?3";
constexpr char kUpdateCommand[] =
    "UPDATE commands SET state = ?, ended_at = ?, attempt = ifnull(?, attempt), "
    "taken_at = ifnull(?, taken_at), not_before = ifnull(?, not_before), "
    "not_after = ifnull(?, not_after), "
    "outcome = ifnull(?, outcome), from_config_id = ifnull(?, from_config_id) WHERE id = ?";
// The commands of a node, by the two indexes that have them.
#define TALLYMAN_COMMANDS_OF_NODE(column)                                        \
  "SELECT " column                                                               \
  " FROM commands WHERE node_id = ?1 AND state IN ('open', 'taken', 'unknown', " \
  "'failed') UNION ALL SELECT " column                                           \
  " FROM commands WHERE node_id = ?1 AND "                                       \
  "state IN ('settled', 'reverted', 'superseded', 'cancelled')"
constexpr char kEraseSecretsOfConfigs[] =
    "UPDATE configs SET json = json_remove(json, '$.secrets') WHERE instr(json, '\"secrets\":{') > "
    "0 "
    "AND id IN (" TALLYMAN_COMMANDS_OF_NODE("to_config_id") ")";
constexpr char kEraseSecretsOfCommands[] =
    "UPDATE commands SET payload = json_remove(payload, '$.config_with_secrets.secrets') "
    "WHERE instr(payload, '\"config_with_secrets\":') > 0 "
    "AND id IN (" TALLYMAN_COMMANDS_OF_NODE("id") ")";
constexpr char kUpdateRollout[] =
    "UPDATE rollouts SET state = ?, why = ?, wave = ?, version = ?, progress_at = ?, "
    "ended_at = ?, plan = ? WHERE id = ? AND version = ?";
constexpr char kUpdateRolloutNode[] =
    "UPDATE rollout_nodes SET state = ?, why = ?, from_config_id = ?, command_id = ?, "
    "not_before = ?, released_at = ?, decided_at = ? WHERE rollout_id = ? AND node_id = ?";
constexpr char kEndPolicy[] = "DELETE FROM upgrade_policies WHERE id = ? AND version = ?";
constexpr char kUpdateToken[] =
    "UPDATE tokens SET revoked_at = ?1, used_at = ?2, nonce_digest = ?3, "
    "host_id = ifnull(?5, host_id) "
    "WHERE id = ?4 AND revoked_at IS NULL AND (used_at IS NULL OR nonce_digest = ?3)";

// Runs the statement; `kind` and `name` say in an error what it writes.
Status RunFor(SqliteQuery& query, std::string_view kind, std::string_view name) {
  Status status = query.Run();
  if (status) return status;
  return Fail(
      ExplainConstraint(std::move(status).error(), fmt::format("{} {}", kind, Quote(name))));
}

Status RunFor(SqliteQuery& query, std::string_view kind, const Uuid& id) {
  Status status = query.Run();
  if (status) return status;
  return Fail(
      ExplainConstraint(std::move(status).error(), fmt::format("{} {}", kind, id.ToString())));
}

Status Write(SqliteConnection& connection, const Org& org) {
  SqliteQuery query = connection.Query(Insert::kOrgs);
  query.Bind(org);
  return RunFor(query, "org", org.name);
}

Status Write(SqliteConnection& connection, const Region& region) {
  SqliteQuery query = connection.Query(Insert::kRegions);
  query.Bind(region);
  return RunFor(query, "region", region.name);
}

Status Write(SqliteConnection& connection, const Protocol& protocol) {
  SqliteQuery query = connection.Query(Insert::kProtocols);
  query.Bind(protocol);
  return RunFor(query, "protocol", protocol.key);
}

Status Write(SqliteConnection& connection, const ProtocolVersion& version) {
  SqliteQuery query = connection.Query(Insert::kVersions);
  query.Bind(version);
  return RunFor(query, "version", version.variant + "@" + version.semantic_version);
}

Status Write(SqliteConnection& connection, const Image& image) {
  std::string rules = FirewallRulesToJson(image.firewall_rules);
  SqliteQuery query = connection.Query(Insert::kImages);
  query.Bind(image, image.version.id, rules);
  RETURN_IF_ERROR(RunFor(query, "image", image.Reference()));
  for (const Property& property : image.properties) {
    SqliteQuery insert = connection.Query(Insert::kProperties);
    insert.Bind(image.id, property);
    RETURN_IF_ERROR(RunFor(insert, "property", property.key));
  }
  return {};
}

Status Write(SqliteConnection& connection, const Host& host) {
  SqliteQuery query = connection.Query(Insert::kHosts);
  query.Bind(host);
  return RunFor(query, "host", host.name);
}

Status Write(SqliteConnection& connection, const NodeConfig& config) {
  std::string json = ConfigToJson(config);
  SqliteQuery query = connection.Query(Insert::kConfigs);
  query.Bind(config.id, config.image_id, json, config.resources, config.created_at);
  return RunFor(query, "config", config.id.uuid);
}

Status Write(SqliteConnection& connection, const Node& node) {
  SqliteQuery query = connection.Query(Insert::kNodes);
  query.Bind(node);
  return RunFor(query, "node", node.name);
}

template <class... More>
Status UpdateNode(SqliteConnection& connection, const char* sql, const Node& node, More&&... more) {
  SqliteQuery query = connection.Query(sql);
  query.Bind(node.image_id, node.config_id, node.protocol_id, node.protocol_version_id,
             node.semantic_version, node.auto_upgrade, node.node_state, node.next_state,
             node.resources, node.held, node.handed_out, node.version, node.updated_at,
             std::forward<More>(more)...);
  return RunFor(query, "node", node.name);
}

Status EraseSecrets(SqliteConnection& connection, const Node& node) {
  for (const char* erase : {kEraseSecretsOfConfigs, kEraseSecretsOfCommands}) {
    SqliteQuery query = connection.Query(erase);
    query.Bind(node.id);
    RETURN_IF_ERROR(RunFor(query, "secrets of node", node.name));
  }
  return {};
}

Status Write(SqliteConnection& connection, const NodeUpdate& update) {
  const Node& node = update.after;
  if (node.deleted_at) RETURN_IF_ERROR(EraseSecrets(connection, node));
  RETURN_IF_ERROR(UpdateNode(connection, kUpdateNodeInPlace, node, node.id, update.version_before,
                             node.org_id, node.running_config_id, node.released_at,
                             node.deleted_at));
  if (connection.changes() == 1) return {};
  RETURN_IF_ERROR(UpdateNode(connection, kUpdateNode, node, node.org_id, node.running_config_id,
                             node.released_at, node.deleted_at, node.id, update.version_before));
  if (connection.changes() == 1) return {};
  return Fail(NotOneRow(kNodeUpdateFailed, "node", node.name, node.id.uuid, update.version_before));
}

template <class... More>
Status UpdateHost(SqliteConnection& connection, const char* sql, const Host& host, More&&... more) {
  SqliteQuery query = connection.Query(sql);
  query.Bind(host.capacity, host.capacity_policy, host.books, host.held, host.ledger_seq,
             host.version, host.updated_at, host.heard, host.silent_since, host.cordoned,
             host.retired_at, std::forward<More>(more)...);
  return RunFor(query, "host", host.name);
}

Status Write(SqliteConnection& connection, const HostUpdate& update) {
  const Host& host = update.after;
  RETURN_IF_ERROR(
      UpdateHost(connection, kUpdateHostInPlace, host, host.id, update.version_before, host.name));
  if (connection.changes() == 1) return {};
  RETURN_IF_ERROR(
      UpdateHost(connection, kUpdateHost, host, host.name, host.id, update.version_before));
  if (connection.changes() == 1) return {};
  return Fail(NotOneRow(kHostUpdateFailed, "host", host.name, host.id.uuid, update.version_before));
}

Status Write(SqliteConnection& connection, const QuotaUpdate& update) {
  SqliteQuery query = connection.Query(kUpdateQuota);
  query.Bind(update.quota, update.org_id);
  return RunFor(query, "quota of org", update.org_id.uuid);
}

Status Write(SqliteConnection& connection, const ClaimEnd& end) {
  SqliteQuery query = connection.Query(kEndClaim);
  query.Bind(end.host_id, end.owner, end.kind);
  return RunFor(query, "claim of", end.owner);
}

Status Write(SqliteConnection& connection, const HostClaim& claim) {
  SqliteQuery query = connection.Query(Insert::kClaims);
  query.Bind(claim);
  return RunFor(query, "claim of", claim.owner);
}

Status Write(SqliteConnection& connection, const DrainNode& node) {
  SqliteQuery query = connection.Query(Insert::kDrainNodes);
  query.Bind(node);
  return RunFor(query, "drained node", node.node_id.uuid);
}

Status Write(SqliteConnection& connection, const LedgerEntry& entry) {
  std::optional<std::string> corrections;
  if (!entry.corrections.empty()) corrections = CorrectionsToJson(entry.corrections);
  SqliteQuery query = connection.Query(Insert::kLedger);
  query.Bind(entry, corrections);
  return RunFor(query, "ledger entry of host", entry.host_id.uuid);
}

Status Write(SqliteConnection& connection, const CommandUpdate& update) {
  SqliteQuery query = connection.Query(kUpdateCommand);
  query.Bind(update.state, update.ended_at, update.attempt, update.taken_at, update.not_before,
             update.not_after, update.outcome, update.from_config_id, update.id);
  RETURN_IF_ERROR(RunFor(query, "command", update.id.uuid));
  if (connection.changes() == 1) return {};
  return Fail(CommandNotThere(update.id));
}

Status Write(SqliteConnection& connection, const Command& command) {
  SqliteQuery query = connection.Query(Insert::kCommands);
  query.Bind(AsNew{command});
  return RunFor(query, "command", command.id.uuid);
}

Status Write(SqliteConnection& connection, const Rollout& rollout) {
  const std::string plan = PlanToJson(rollout);
  SqliteQuery query = connection.Query(Insert::kRollouts);
  query.Bind(rollout, plan);
  return RunFor(query, "rollout", rollout.name);
}

Status Write(SqliteConnection& connection, const RolloutUpdate& update) {
  const Rollout& rollout = update.after;
  const std::string plan = PlanToJson(rollout);
  SqliteQuery query = connection.Query(kUpdateRollout);
  query.Bind(rollout.state, rollout.why, rollout.wave, rollout.version, rollout.progress_at,
             rollout.ended_at, plan, rollout.id, update.version_before);
  RETURN_IF_ERROR(RunFor(query, "rollout", rollout.name));
  if (connection.changes() == 1) return {};
  return Fail(NotOneRow(kRolloutUpdateFailed, "rollout", rollout.name, rollout.id.uuid,
                        update.version_before));
}

Status Write(SqliteConnection& connection, const RolloutNode& node) {
  SqliteQuery query = connection.Query(Insert::kRolloutNodes);
  query.Bind(node);
  return RunFor(query, "rollout of node", node.node_id.uuid);
}

Status UpdateRolloutNode(SqliteConnection& connection, const RolloutNode& node) {
  SqliteQuery query = connection.Query(kUpdateRolloutNode);
  query.Bind(node.state, node.why, node.from_config_id, node.command_id, node.not_before,
             node.released_at, node.decided_at, node.rollout_id, node.node_id);
  return RunFor(query, "rollout of node", node.node_id.uuid);
}

Status Write(SqliteConnection& connection, const PolicyEnd& end) {
  SqliteQuery query = connection.Query(kEndPolicy);
  query.Bind(end.id, end.version);
  RETURN_IF_ERROR(RunFor(query, "upgrade policy", end.id.uuid));
  if (connection.changes() == 1) return {};
  return Fail(PolicyChanged(end.id));
}

Status Write(SqliteConnection& connection, const UpgradePolicy& policy) {
  SqliteQuery query = connection.Query(Insert::kPolicies);
  query.Bind(policy);
  return RunFor(query, "upgrade policy", policy.name);
}

Status Write(SqliteConnection& connection, const Event& event) {
  SqliteQuery query = connection.Query(Insert::kEvents);
  query.Bind(AsNew{event});
  return RunFor(query, "event", ToText(event.kind));
}

Status Write(SqliteConnection& connection, const RequestRecord& request) {
  SqliteQuery query = connection.Query(Insert::kRequests);
  query.Bind(request, SqliteBlob{request.response});
  return RunFor(query, "request", request.key.request_id);
}

Status Write(SqliteConnection& connection, const Token& token) {
  SqliteQuery query = connection.Query(Insert::kTokens);
  query.Bind(token);
  return RunFor(query, "token", token.name);
}

Status Write(SqliteConnection& connection, const TokenUpdate& update) {
  SqliteQuery query = connection.Query(kUpdateToken);
  query.Bind(update.revoked_at, update.used_at, update.nonce_digest, update.id, update.host_id);
  RETURN_IF_ERROR(RunFor(query, "token", update.id.uuid));
  if (connection.changes() == 1) return {};
  return Fail(TokenChanged(update.id));
}

template <class Row>
Status WriteAll(SqliteConnection& connection, const std::vector<Row>& rows) {
  for (const Row& row : rows) RETURN_IF_ERROR(Write(connection, row));
  return {};
}

}  // namespace

Status WriteChanges(SqliteConnection& connection, const ChangeSet& changes) {
  RETURN_IF_ERROR(WriteAll(connection, changes.new_orgs));
  RETURN_IF_ERROR(WriteAll(connection, changes.new_regions));
  RETURN_IF_ERROR(WriteAll(connection, changes.new_protocols));
  RETURN_IF_ERROR(WriteAll(connection, changes.new_versions));
  RETURN_IF_ERROR(WriteAll(connection, changes.new_images));
  RETURN_IF_ERROR(WriteAll(connection, changes.new_hosts));
  RETURN_IF_ERROR(WriteAll(connection, changes.new_configs));
  RETURN_IF_ERROR(WriteAll(connection, changes.new_nodes));
  RETURN_IF_ERROR(WriteAll(connection, changes.node_updates));
  RETURN_IF_ERROR(WriteAll(connection, changes.host_updates));
  RETURN_IF_ERROR(WriteAll(connection, changes.quota_updates));
  RETURN_IF_ERROR(WriteAll(connection, changes.ended_claims));
  RETURN_IF_ERROR(WriteAll(connection, changes.new_claims));
  RETURN_IF_ERROR(WriteAll(connection, changes.ledger));
  // A superseded upgrade must release its unique key before the new one takes it.
  RETURN_IF_ERROR(WriteAll(connection, changes.command_updates));
  RETURN_IF_ERROR(WriteAll(connection, changes.new_commands));
  RETURN_IF_ERROR(WriteAll(connection, changes.ended_policies));
  RETURN_IF_ERROR(WriteAll(connection, changes.new_policies));
  RETURN_IF_ERROR(WriteAll(connection, changes.new_rollouts));
  RETURN_IF_ERROR(WriteAll(connection, changes.rollout_updates));
  // A node leaves one rollout before it enters another.
  for (const RolloutNode& node : changes.rollout_node_updates)
    RETURN_IF_ERROR(UpdateRolloutNode(connection, node));
  RETURN_IF_ERROR(WriteAll(connection, changes.new_rollout_nodes));
  RETURN_IF_ERROR(WriteAll(connection, changes.drain_nodes));
  RETURN_IF_ERROR(WriteAll(connection, changes.events));
  RETURN_IF_ERROR(WriteAll(connection, changes.requests));
  // A revoked token must release its name before a new one takes it.
  RETURN_IF_ERROR(WriteAll(connection, changes.token_updates));
  RETURN_IF_ERROR(WriteAll(connection, changes.new_tokens));
  for (const HostReport& report : changes.host_reports)
    RETURN_IF_ERROR(WriteReport(connection, report));
  for (const StatusReport& report : changes.status_reports)
    RETURN_IF_ERROR(WriteReport(connection, report));
  for (const NodeIncidents& incidents : changes.node_incidents)
    RETURN_IF_ERROR(WriteIncidents(connection, incidents));
  for (const HostId& host : changes.joined_hosts) RETURN_IF_ERROR(WriteJoined(connection, host));
  return {};
}

}  // namespace tallyman::store::sqlite
