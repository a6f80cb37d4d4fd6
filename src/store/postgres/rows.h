// Rows of the database as model values.
//
// Each macro names the columns in the order in which the function beside it reads them.
#pragma once

#include "model/change_set.h"
#include "store/postgres/values.h"

namespace tallyman {

// Five columns that are null together.
void AppendValue(PgSink& sink, const std::optional<ReportedEnd>& value);

#define TALLYMAN_HOST_COLUMNS                                                                  \
  "h.id, h.name, h.region_id, h.cpu_cores, h.memory_bytes, h.disk_bytes, h.capacity_policy, "  \
  "h.node_count, h.node_cpu_cores, h.node_memory_bytes, h.node_disk_bytes, h.held_cpu_cores, " \
  "h.held_memory_bytes, h.held_disk_bytes, h.ledger_seq, h.version, h.created_at, h.updated_at"
bool ReadValue(PgRow& row, Host& host);

#define TALLYMAN_NODE_COLUMNS                                                                     \
  "n.id, n.name, n.org_id, n.host_id, n.image_id, n.config_id, n.protocol_id, "                   \
  "n.protocol_version_id, n.semantic_version, n.auto_upgrade, n.node_state, n.next_state, "       \
  "n.cpu_cores, n.memory_bytes, n.disk_bytes, n.held_cpu_cores, n.held_memory_bytes, "            \
  "n.held_disk_bytes, n.running_config_id, n.handed_out, n.version, n.created_at, n.updated_at, " \
  "n.released_at, n.deleted_at"
bool ReadValue(PgRow& row, Node& node);

#define TALLYMAN_COMMAND_COLUMNS                                                      \
  "c.id, c.node_id, c.host_id, c.kind, c.state, c.seq, c.attempt, c.from_config_id, " \
  "c.to_config_id, c.payload, c.created_at, c.taken_at, c.not_before, c.outcome, c.ended_at"
bool ReadValue(PgRow& row, Command& command);

// Of a command c, with the configs f and t that it leads from and to.
#define TALLYMAN_TRANSITION_COLUMNS                                               \
  "c.id, c.kind, c.state, c.seq, c.from_config_id, c.to_config_id, f.cpu_cores, " \
  "f.memory_bytes, f.disk_bytes, t.cpu_cores, t.memory_bytes, t.disk_bytes, "     \
  "c.attempt, c.taken_at"
bool ReadValue(PgRow& row, Transition& transition);

#define TALLYMAN_LEDGER_COLUMNS                                                            \
  "l.host_id, l.seq, l.node_id, l.kind, l.delta_node_count, l.delta_cpu_cores, "           \
  "l.delta_memory_bytes, l.delta_disk_bytes, l.balance_node_count, l.balance_cpu_cores, "  \
  "l.balance_memory_bytes, l.balance_disk_bytes, l.request_id, l.actor_id, l.created_at, " \
  "l.corrections"
// Without the corrections, which are the last column.
bool ReadValue(PgRow& row, LedgerEntry& entry);

#define TALLYMAN_EVENT_COLUMNS                                                             \
  "e.cursor, e.kind, e.org_id, e.host_id, e.node_id, e.actor_id, e.request_id, e.detail, " \
  "e.created_at"
bool ReadValue(PgRow& row, Event& event);

#define TALLYMAN_ORG_COLUMNS "o.id, o.name, o.created_at"
bool ReadValue(PgRow& row, Org& org);

#define TALLYMAN_REGION_COLUMNS "r.id, r.name, r.created_at"
bool ReadValue(PgRow& row, Region& region);

#define TALLYMAN_PROTOCOL_COLUMNS "p.id, p.key, p.name, p.org_id, p.created_at"
bool ReadValue(PgRow& row, Protocol& protocol);

#define TALLYMAN_VERSION_COLUMNS \
  "v.id, v.protocol_id, v.variant, v.semantic_version, v.org_id, v.created_at"
bool ReadValue(PgRow& row, ProtocolVersion& version);

#define TALLYMAN_TOKEN_COLUMNS                                                               \
  "t.id, t.name, t.secret_digest, t.role, t.org_id, t.host_id, t.created_by, t.created_at, " \
  "t.expires_at, t.revoked_at, t.used_at, t.nonce_digest"
bool ReadValue(PgRow& row, Token& token);

// Without the answer.
#define TALLYMAN_REQUEST_COLUMNS \
  "q.org_id, q.actor_id, q.request_id, q.method, q.address, q.body_digest, q.created_at"
bool ReadValue(PgRow& row, RequestRecord& record);

#define TALLYMAN_HOST_REPORT_COLUMNS                                               \
  "r.host_id, r.sequence, r.heard_at, r.status_at, r.cpu_cores, r.memory_bytes, "  \
  "r.disk_bytes, r.agent_version, r.reserved_cpu_cores, r.reserved_memory_bytes, " \
  "r.reserved_disk_bytes, r.thin_disks, r.problem, r.incident_number"
bool ReadValue(PgRow& row, HostReport& report);

// The node of a report is known to whoever asks.
#define TALLYMAN_NODE_REPORT_COLUMNS                                                   \
  "r.config_id, r.image_uri, r.container_id, r.run_state, r.health, r.cpu_cores, "     \
  "r.memory_bytes, r.disk_bytes, r.pending, r.remains, r.restarts, r.health_message, " \
  "r.problem, r.image_digest, r.disk_used_bytes, r.end_exit_code, r.end_signal, "      \
  "r.end_out_of_memory, r.end_at, r.end_output"
bool ReadValue(PgRow& row, NodeReport& report);
// Where a count of incidents stays.
#define TALLYMAN_COUNT_MAX "4611686018427387904"

}  // namespace tallyman
