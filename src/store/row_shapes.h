// The shape of each stored row, once for all databases: its columns and the matching fields, in the
// same order.
//
// A macro takes the prefix of each column, "n." or "". A database's reader reads a row field by
// field with its own ReadValue(), which also covers types of several columns, such as Resources.
#pragma once

#include <tuple>
#include <type_traits>

#include "model/change_set.h"

namespace tallyman::store {

template <class T, class Row>
concept Is = std::is_same_v<std::remove_const_t<T>, Row>;

#define TALLYMAN_RESOURCE_COLUMNS(t) t "cpu_cores, " t "memory_bytes, " t "disk_bytes"

#define TALLYMAN_ORG_COLUMNS(t)                                                       \
  t "id, " t "name, " t "created_at, " t "quota_node_count, " t "quota_cpu_cores, " t \
    "quota_memory_bytes, " t "quota_disk_bytes"
auto Fields(Is<Quota> auto& quota) {
  return std::tie(quota.node_count, quota.cpu_cores, quota.memory_bytes, quota.disk_bytes);
}
auto Fields(Is<Org> auto& org) {
  return std::tuple_cat(std::tie(org.id, org.name, org.created_at), Fields(org.quota));
}
// Whether an org o has a quota.
#define TALLYMAN_HAS_QUOTA                                                                     \
  "coalesce(o.quota_node_count, o.quota_cpu_cores, o.quota_memory_bytes, o.quota_disk_bytes) " \
  "IS NOT NULL"

#define TALLYMAN_REGION_COLUMNS(t) t "id, " t "name, " t "created_at"
auto Fields(Is<Region> auto& region) { return std::tie(region.id, region.name, region.created_at); }

#define TALLYMAN_PROTOCOL_COLUMNS(t) t "id, " t "key, " t "name, " t "org_id, " t "created_at"
auto Fields(Is<Protocol> auto& protocol) {
  return std::tie(protocol.id, protocol.key, protocol.name, protocol.org_id, protocol.created_at);
}

#define TALLYMAN_VERSION_COLUMNS(t) \
  t "id, " t "protocol_id, " t "variant, " t "semantic_version, " t "org_id, " t "created_at"
auto Fields(Is<ProtocolVersion> auto& version) {
  return std::tie(version.id, version.protocol_id, version.variant, version.semantic_version,
                  version.org_id, version.created_at);
}

// Without the version and the firewall rules.
#define TALLYMAN_IMAGE_COLUMNS(t)     \
  t "id, " t "build, " t "org_id, " t \
    "uri, " TALLYMAN_RESOURCE_COLUMNS(t) ", " t "committed_at, " t "created_at"
auto Fields(Is<Image> auto& image) {
  return std::tie(image.id, image.build, image.org_id, image.uri, image.minimum, image.committed_at,
                  image.created_at);
}

// Without the image.
#define TALLYMAN_PROPERTY_COLUMNS(t)                                                           \
  t "key, " t "description, " t "default_value, " t "add_cpu_cores, " t "add_memory_bytes, " t \
    "add_disk_bytes, " t "secret"
auto Fields(Is<Property> auto& property) {
  return std::tie(property.key, property.description, property.default_value, property.add,
                  property.secret);
}

#define TALLYMAN_HOST_COLUMNS(t)                                                               \
  t "id, " t "name, " t                                                                        \
    "region_id, " TALLYMAN_RESOURCE_COLUMNS(t) ", " t "capacity_policy, " t "node_count, " t   \
                                               "node_cpu_cores, " t "node_memory_bytes, " t    \
                                               "node_disk_bytes, " t "held_cpu_cores, " t      \
                                               "held_memory_bytes, " t "held_disk_bytes, " t   \
                                               "ledger_seq, " t "version, " t "created_at, " t \
                                               "updated_at, " t "heard, " t "silent_since, " t \
                                               "cordoned, " t "retired_at"
auto Fields(Is<Host> auto& host) {
  return std::tie(host.id, host.name, host.region_id, host.capacity, host.capacity_policy,
                  host.books, host.held, host.ledger_seq, host.version, host.created_at,
                  host.updated_at, host.heard, host.silent_since, host.cordoned, host.retired_at);
}

#define TALLYMAN_CLAIM_COLUMNS(t) \
  t "host_id, " t "owner, " t "kind, " t "reason, " t "created_by, " t "created_at"
auto Fields(Is<HostClaim> auto& claim) {
  return std::tie(claim.host_id, claim.owner, claim.kind, claim.reason, claim.created_by,
                  claim.created_at);
}

#define TALLYMAN_DRAIN_NODE_COLUMNS(t) t "host_id, " t "owner, " t "node_id, " t "command_id"
auto Fields(Is<DrainNode> auto& node) {
  return std::tie(node.host_id, node.owner, node.node_id, node.command_id);
}
auto Fields(Is<RunOrder> auto& order) {
  return std::tie(order.node_id, order.command_id, order.kind, order.state);
}
auto Fields(Is<DrainWait> auto& wait) {
  return std::tie(wait.node_id, wait.node, wait.org_id, wait.command, wait.state, wait.runs);
}

// Of a host h: whether it should be cordoned.
#define TALLYMAN_IS_CLAIMED "EXISTS (SELECT 1 FROM host_claims c WHERE c.host_id = h.id)"

// Without the id; the second column holds the result of ConfigToJson().
#define TALLYMAN_CONFIG_COLUMNS(t) \
  t "image_id, " t "json, " TALLYMAN_RESOURCE_COLUMNS(t) ", " t "created_at"

#define TALLYMAN_NODE_COLUMNS(t)                                                                \
  t "id, " t "name, " t "org_id, " t "host_id, " t "image_id, " t "config_id, " t               \
    "protocol_id, " t "protocol_version_id, " t "semantic_version, " t "auto_upgrade, " t       \
    "node_state, " t                                                                            \
    "next_state, " TALLYMAN_RESOURCE_COLUMNS(t) ", " t "held_cpu_cores, " t                     \
                                                "held_memory_bytes, " t "held_disk_bytes, " t   \
                                                "running_config_id, " t "handed_out, " t        \
                                                "version, " t "created_at, " t "updated_at, " t \
                                                "released_at, " t "deleted_at"
auto Fields(Is<Node> auto& node) {
  return std::tie(node.id, node.name, node.org_id, node.host_id, node.image_id, node.config_id,
                  node.protocol_id, node.protocol_version_id, node.semantic_version,
                  node.auto_upgrade, node.node_state, node.next_state, node.resources, node.held,
                  node.running_config_id, node.handed_out, node.version, node.created_at,
                  node.updated_at, node.released_at, node.deleted_at);
}

// The columns a command is created with, and those that are set later.
#define TALLYMAN_NEW_COMMAND_COLUMNS(t)                                                   \
  t "id, " t "node_id, " t "host_id, " t "kind, " t "state, " t "seq, " t "attempt, " t   \
    "from_config_id, " t "to_config_id, " t "payload, " t "created_at, " t "ended_at, " t \
    "not_after"
#define TALLYMAN_COMMAND_COLUMNS(t) \
  TALLYMAN_NEW_COMMAND_COLUMNS(t) ", " t "taken_at, " t "not_before, " t "outcome"
auto NewFields(Is<Command> auto& command) {
  return std::tie(command.id, command.node_id, command.host_id, command.kind, command.state,
                  command.seq, command.attempt, command.from_config_id, command.to_config_id,
                  command.payload, command.created_at, command.ended_at, command.not_after);
}
auto Fields(Is<Command> auto& command) {
  return std::tuple_cat(NewFields(command),
                        std::tie(command.taken_at, command.not_before, command.outcome));
}

// The columns of a command c, with the configs f and t that it leads from and to.
#define TALLYMAN_TRANSITION_COLUMNS                                                             \
  "c.id, c.kind, c.state, c.seq, c.from_config_id, c.to_config_id, " TALLYMAN_RESOURCE_COLUMNS( \
      "f.") ", " TALLYMAN_RESOURCE_COLUMNS("t.") ", c.attempt, c.taken_at, c.not_after"

// Without the corrections.
#define TALLYMAN_LEDGER_COLUMNS(t)                                                                \
  t "host_id, " t "seq, " t "node_id, " t "kind, " t "delta_node_count, " t "delta_cpu_cores, " t \
    "delta_memory_bytes, " t "delta_disk_bytes, " t "balance_node_count, " t                      \
    "balance_cpu_cores, " t "balance_memory_bytes, " t "balance_disk_bytes, " t "request_id, " t  \
    "actor_id, " t "created_at"
auto Fields(Is<LedgerEntry> auto& entry) {
  return std::tie(entry.host_id, entry.seq, entry.node_id, entry.kind, entry.delta, entry.balance,
                  entry.request_id, entry.actor_id, entry.created_at);
}

// The database assigns the cursor.
#define TALLYMAN_NEW_EVENT_COLUMNS(t)                                                   \
  t "kind, " t "org_id, " t "host_id, " t "node_id, " t "actor_id, " t "request_id, " t \
    "detail, " t "created_at"
#define TALLYMAN_EVENT_COLUMNS(t) t "cursor, " TALLYMAN_NEW_EVENT_COLUMNS(t)
auto NewFields(Is<Event> auto& event) {
  return std::tie(event.kind, event.org_id, event.host_id, event.node_id, event.actor_id,
                  event.request_id, event.detail, event.created_at);
}
auto Fields(Is<Event> auto& event) {
  return std::tuple_cat(std::tie(event.cursor), NewFields(event));
}

#define TALLYMAN_TOKEN_COLUMNS(t)                                                                  \
  t "id, " t "name, " t "secret_digest, " t "role, " t "org_id, " t "host_id, " t "created_by, " t \
    "created_at, " t "expires_at, " t "revoked_at, " t "used_at, " t "nonce_digest"
auto Fields(Is<Token> auto& token) {
  return std::tie(token.id, token.name, token.secret_digest, token.role, token.org_id,
                  token.host_id, token.created_by, token.created_at, token.expires_at,
                  token.revoked_at, token.used_at, token.nonce_digest);
}

// Without the stored answer.
#define TALLYMAN_REQUEST_COLUMNS(t)                                                           \
  t "org_id, " t "actor_id, " t "request_id, " t "method, " t "address, " t "body_digest, " t \
    "created_at, " t "token_id"
auto Fields(Is<RequestRecord> auto& record) {
  return std::tie(record.key.org_id, record.key.actor_id, record.key.request_id, record.method,
                  record.address, record.body_digest, record.created_at, record.token_id);
}

#define TALLYMAN_HOST_REPORT_COLUMNS(t)                                                            \
  t "host_id, " t "sequence, " t "heard_at, " t                                                    \
    "status_at, " TALLYMAN_RESOURCE_COLUMNS(t) ", " t "agent_version, " t "reserved_cpu_cores, " t \
                                               "reserved_memory_bytes, " t                         \
                                               "reserved_disk_bytes, " t "thin_disks, " t          \
                                               "problem, " t "incident_number, " t "unknown_nodes"
auto Fields(Is<HostReport> auto& report) {
  return std::tie(report.host_id, report.sequence, report.heard_at, report.status_at,
                  report.capacity, report.agent_version, report.reserved, report.thin_disks,
                  report.problem, report.incident_number, report.unknown_nodes);
}

// Without host and node, which the reader knows, and without the time of the change.
#define TALLYMAN_NODE_REPORT_COLUMNS(t)                                                           \
  t "config_id, " t "image_uri, " t "container_id, " t "run_state, " t                            \
    "health, " TALLYMAN_RESOURCE_COLUMNS(t) ", " t "pending, " t "remains, " t "restarts, " t     \
                                            "health_message, " t "problem, " t "image_digest, " t \
                                            "disk_used_bytes, " t "end_exit_code, " t             \
                                            "end_signal, " t "end_out_of_memory, " t "end_at, " t \
                                            "end_output"
auto Fields(Is<NodeReport> auto& report) {
  return std::tie(report.config_id, report.image_uri, report.container_id, report.run_state,
                  report.health, report.limits, report.pending, report.remains, report.restarts,
                  report.health_message, report.problem, report.image_digest,
                  report.disk_used_bytes, report.last_end);
}
auto Fields(Is<ReportedEnd> auto& end) {
  return std::tie(end.exit_code, end.signal, end.out_of_memory, end.at, end.output);
}

// Without its plan, which is stored as PlanToJson() gives it.
#define TALLYMAN_ROLLOUT_COLUMNS(t)                                                  \
  t "id, " t "name, " t "org_id, " t "image_id, " t "state, " t "why, " t "wave, " t \
    "created_by, " t "version, " t "created_at, " t "progress_at, " t "ended_at, " t "policy_id"
auto Fields(Is<Rollout> auto& rollout) {
  return std::tie(rollout.id, rollout.name, rollout.org_id, rollout.image_id, rollout.state,
                  rollout.why, rollout.wave, rollout.created_by, rollout.version,
                  rollout.created_at, rollout.progress_at, rollout.ended_at, rollout.policy_id);
}

#define TALLYMAN_POLICY_COLUMNS(t)                                                     \
  t "id, " t "name, " t "org_id, " t "protocol_id, " t "variant, " t "level, " t       \
    "version_range, " t "pre_releases, " t "delay_us, " t "strategy, " t "enabled, " t \
    "version, " t "created_by, " t "created_at"
auto Fields(Is<UpgradePolicy> auto& policy) {
  return std::tie(policy.id, policy.name, policy.org_id, policy.protocol_id, policy.variant,
                  policy.level, policy.version_range, policy.pre_releases, policy.delay,
                  policy.strategy, policy.enabled, policy.version, policy.created_by,
                  policy.created_at);
}

#define TALLYMAN_ROLLOUT_NODE_COLUMNS(t)                                                       \
  t "rollout_id, " t "node_id, " t "host_id, " t "wave, " t "place, " t "state, " t "why, " t  \
    "from_config_id, " t "to_config_id, " t "was_unwell, " t "command_id, " t "not_before, " t \
    "released_at, " t "decided_at"
auto Fields(Is<RolloutNode> auto& node) {
  return std::tie(node.rollout_id, node.node_id, node.host_id, node.wave, node.place, node.state,
                  node.why, node.from_config_id, node.to_config_id, node.was_unwell,
                  node.command_id, node.not_before, node.released_at, node.decided_at);
}

// Of a node x of a rollout: with its node n, its host h, its command c, and what was reported of
// the node, r, and by its host, q.
#define TALLYMAN_HOST_IS_DRAINED \
  "EXISTS (SELECT 1 FROM host_claims d WHERE d.host_id = x.host_id AND d.kind = 'drain')"
#define TALLYMAN_ROLLOUT_FACTS                                                               \
  TALLYMAN_ROLLOUT_NODE_COLUMNS("x.")                                                        \
  ", n.name, h.name, n.org_id, n.config_id, n.node_state, "                                  \
  "(n.released_at IS NULL AND n.deleted_at IS NULL), "                                       \
  "EXISTS (SELECT 1 FROM commands p WHERE p.node_id = x.node_id "                            \
  "AND p.state IN ('open', 'taken', 'unknown', 'failed') AND p.state <> "                    \
  "'failed'), " TALLYMAN_HOST_IS_DRAINED                                                     \
  ", "                                                                                       \
  "c.state, c.taken_at, c.ended_at, c.not_after, c.to_config_id, r.config_id, r.run_state, " \
  "r.health, coalesce(r.restarts, 0), q.status_at, q.heard_at"
auto Fields(Is<RolloutNodeFacts> auto& facts) {
  return std::tuple_cat(
      Fields(facts.row),
      std::tie(facts.node, facts.host, facts.org_id, facts.config_id, facts.node_state, facts.live,
               facts.has_pending, facts.is_drained, facts.command, facts.taken_at, facts.ended_at,
               facts.not_after, facts.target, facts.reported_config, facts.run_state, facts.health,
               facts.restarts, facts.status_at, facts.heard_at));
}

// The bound at which a count of incidents saturates.
#define TALLYMAN_COUNT_MAX "4611686018427387904"

// A row when it is first written, without the columns that are set later.
template <class Row>
struct AsNew {
  const Row& row;
};
template <class Row>
auto Fields(const AsNew<Row>& made) {
  return NewFields(made.row);
}

template <class Row>
concept HasFields = requires(Row& row) { Fields(row); };

template <class Reader, HasFields Row>
bool ReadValue(Reader& reader, Row& row) {
  return std::apply([&](auto&... fields) { return (ReadValue(reader, fields) && ...); },
                    Fields(row));
}

template <class Reader>
bool ReadValue(Reader& reader, Transition& transition) {
  std::optional<Resources> from, to;
  const bool fine =
      ReadValue(reader, transition.id) && ReadValue(reader, transition.kind) &&
      ReadValue(reader, transition.state) && ReadValue(reader, transition.seq) &&
      ReadValue(reader, transition.from_config_id) && ReadValue(reader, transition.to_config_id) &&
      ReadValue(reader, from) && ReadValue(reader, to) && ReadValue(reader, transition.attempt) &&
      ReadValue(reader, transition.taken_at) && ReadValue(reader, transition.not_after);
  transition.from = from.value_or(Resources{});
  transition.to = to.value_or(Resources{});
  return fine;
}

}  // namespace tallyman::store
