#include "store/postgres/rows.h"

namespace tallyman {
namespace {

template <class... T>
bool ReadAll(PgRow& row, T&... values) {
  return (ReadValue(row, values) && ...);
}

}  // namespace

void AppendValue(PgSink& sink, const std::optional<ReportedEnd>& value) {
  if (value) {
    AppendValue(sink, value->exit_code);
    AppendValue(sink, value->signal);
    AppendValue(sink, value->out_of_memory);
    AppendValue(sink, value->at);
    AppendValue(sink, value->output);
    return;
  }
  for (const PgType type :
       {PgType::kInt8, PgType::kInt8, PgType::kBool, PgType::kInt8, PgType::kText})
    sink.AddNull(type);
}

bool ReadValue(PgRow& row, Host& host) {
  return ReadAll(row, host.id, host.name, host.region_id, host.capacity, host.capacity_policy,
                 host.books, host.held, host.ledger_seq, host.version, host.created_at,
                 host.updated_at);
}

bool ReadValue(PgRow& row, Node& node) {
  return ReadAll(row, node.id, node.name, node.org_id, node.host_id, node.image_id, node.config_id,
                 node.protocol_id, node.protocol_version_id, node.semantic_version,
                 node.auto_upgrade, node.node_state, node.next_state, node.resources, node.held,
                 node.running_config_id, node.handed_out, node.version, node.created_at,
                 node.updated_at, node.released_at, node.deleted_at);
}

bool ReadValue(PgRow& row, Command& command) {
  return ReadAll(row, command.id, command.node_id, command.host_id, command.kind, command.state,
                 command.seq, command.attempt, command.from_config_id, command.to_config_id,
                 command.payload, command.created_at, command.taken_at, command.not_before,
                 command.outcome, command.ended_at);
}

bool ReadValue(PgRow& row, Transition& transition) {
  std::optional<Resources> from, to;
  const bool fine = ReadAll(row, transition.id, transition.kind, transition.state, transition.seq,
                            transition.from_config_id, transition.to_config_id, from, to,
                            transition.attempt, transition.taken_at);
  transition.from = from.value_or(Resources{});
  transition.to = to.value_or(Resources{});
  return fine;
}

bool ReadValue(PgRow& row, LedgerEntry& entry) {
  return ReadAll(row, entry.host_id, entry.seq, entry.node_id, entry.kind, entry.delta,
                 entry.balance, entry.request_id, entry.actor_id, entry.created_at);
}

bool ReadValue(PgRow& row, Event& event) {
  return ReadAll(row, event.cursor, event.kind, event.org_id, event.host_id, event.node_id,
                 event.actor_id, event.request_id, event.detail, event.created_at);
}

bool ReadValue(PgRow& row, Org& org) { return ReadAll(row, org.id, org.name, org.created_at); }

bool ReadValue(PgRow& row, Region& region) {
  return ReadAll(row, region.id, region.name, region.created_at);
}

bool ReadValue(PgRow& row, Protocol& protocol) {
  return ReadAll(row, protocol.id, protocol.key, protocol.name, protocol.org_id,
                 protocol.created_at);
}

bool ReadValue(PgRow& row, Token& token) {
  return ReadAll(row, token.id, token.name, token.secret_digest, token.role, token.org_id,
                 token.host_id, token.created_by, token.created_at, token.expires_at,
                 token.revoked_at, token.used_at, token.nonce_digest);
}

bool ReadValue(PgRow& row, RequestRecord& record) {
  return ReadAll(row, record.key.org_id, record.key.actor_id, record.key.request_id, record.method,
                 record.address, record.body_digest, record.created_at);
}

bool ReadValue(PgRow& row, ProtocolVersion& version) {
  return ReadAll(row, version.id, version.protocol_id, version.variant, version.semantic_version,
                 version.org_id, version.created_at);
}

bool ReadValue(PgRow& row, HostReport& report) {
  return ReadAll(row, report.host_id, report.sequence, report.heard_at, report.status_at,
                 report.capacity, report.agent_version, report.reserved, report.thin_disks,
                 report.problem, report.incident_number);
}

bool ReadValue(PgRow& row, NodeReport& report) {
  if (!ReadAll(row, report.config_id, report.image_uri, report.container_id, report.run_state,
               report.health, report.limits, report.pending, report.remains, report.restarts,
               report.health_message, report.problem, report.image_digest,
               report.disk_used_bytes)) {
    return false;
  }
  if (row.NextIsNull()) {
    row.Skip(5);
    return true;
  }
  ReportedEnd& end = report.last_end.emplace();
  return ReadAll(row, end.exit_code, end.signal, end.out_of_memory, end.at, end.output);
}

}  // namespace tallyman
