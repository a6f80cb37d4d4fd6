#include "store/sqlite/rows.h"

namespace tallyman {
namespace {

template <class... T>
bool ReadAll(SqliteQuery& query, T&... values) {
  return (ReadValue(query, values) && ...);
}

}  // namespace

bool ReadValue(SqliteQuery& query, Host& host) {
  return ReadAll(query, host.id, host.name, host.region_id, host.capacity, host.capacity_policy,
                 host.books, host.held, host.ledger_seq, host.version, host.created_at,
                 host.updated_at);
}

bool ReadValue(SqliteQuery& query, Node& node) {
  return ReadAll(query, node.id, node.name, node.org_id, node.host_id, node.image_id,
                 node.config_id, node.protocol_id, node.protocol_version_id, node.semantic_version,
                 node.auto_upgrade, node.node_state, node.next_state, node.resources, node.held,
                 node.running_config_id, node.handed_out, node.version, node.created_at,
                 node.updated_at, node.released_at, node.deleted_at);
}

bool ReadValue(SqliteQuery& query, Command& command) {
  return ReadAll(query, command.id, command.node_id, command.host_id, command.kind, command.state,
                 command.seq, command.attempt, command.from_config_id, command.to_config_id,
                 command.payload, command.created_at, command.taken_at, command.not_before,
                 command.outcome, command.ended_at);
}

bool ReadValue(SqliteQuery& query, LedgerEntry& entry) {
  return ReadAll(query, entry.host_id, entry.seq, entry.node_id, entry.kind, entry.delta,
                 entry.balance, entry.request_id, entry.actor_id, entry.created_at);
}

bool ReadValue(SqliteQuery& query, Event& event) {
  return ReadAll(query, event.cursor, event.kind, event.org_id, event.host_id, event.node_id,
                 event.actor_id, event.request_id, event.detail, event.created_at);
}

bool ReadValue(SqliteQuery& query, Org& org) {
  return ReadAll(query, org.id, org.name, org.created_at);
}

bool ReadValue(SqliteQuery& query, Region& region) {
  return ReadAll(query, region.id, region.name, region.created_at);
}

bool ReadValue(SqliteQuery& query, Protocol& protocol) {
  return ReadAll(query, protocol.id, protocol.key, protocol.name, protocol.org_id,
                 protocol.created_at);
}

bool ReadValue(SqliteQuery& query, ProtocolVersion& version) {
  return ReadAll(query, version.id, version.protocol_id, version.variant, version.semantic_version,
                 version.org_id, version.created_at);
}

bool ReadValue(SqliteQuery& query, Token& token) {
  return ReadAll(query, token.id, token.name, token.secret_digest, token.role, token.org_id,
                 token.host_id, token.created_by, token.created_at, token.expires_at,
                 token.revoked_at, token.used_at, token.nonce_digest);
}

bool ReadValue(SqliteQuery& query, RequestRecord& record) {
  return ReadAll(query, record.key.org_id, record.key.actor_id, record.key.request_id,
                 record.method, record.address, record.body_digest, record.created_at);
}

bool ReadValue(SqliteQuery& query, HostReport& report) {
  return ReadAll(query, report.host_id, report.sequence, report.heard_at, report.status_at,
                 report.capacity, report.agent_version, report.reserved, report.thin_disks,
                 report.problem, report.incident_number);
}

bool ReadValue(SqliteQuery& query, NodeReport& report) {
  if (!ReadAll(query, report.config_id, report.image_uri, report.container_id, report.run_state,
               report.health, report.limits, report.pending, report.remains, report.restarts,
               report.health_message, report.problem, report.image_digest,
               report.disk_used_bytes)) {
    return false;
  }
  if (query.NextIsNull()) {
    query.Skip(5);
    return true;
  }
  ReportedEnd& end = report.last_end.emplace();
  return ReadAll(query, end.exit_code, end.signal, end.out_of_memory, end.at, end.output);
}

}  // namespace tallyman
