// AgentService: what agents call.
#include <fmt/core.h>

#include "api/convert.h"
#include "api/method.h"
#include "base/text.h"
#include "control/hosts/reports.h"
#include "tallyman/v1/agent.pb.h"

namespace tallyman::api {
namespace {

std::optional<OutcomeResult> FromReport(v1::OutcomeResult result) {
  if (result <= v1::OUTCOME_RESULT_UNSPECIFIED || result > v1::OUTCOME_RESULT_SERVICE_BROKEN)
    return std::nullopt;
  return static_cast<OutcomeResult>(static_cast<int>(result) - 1);
}
static_assert(v1::OUTCOME_RESULT_OK == 1 && static_cast<int>(OutcomeResult::kOk) == 0);
static_assert(v1::OUTCOME_RESULT_SERVICE_BROKEN == 9 &&
              static_cast<int>(OutcomeResult::kServiceBroken) == 8);

ReportedRun FromReport(v1::RunState state) { return static_cast<ReportedRun>(state); }
ReportedHealth FromReport(v1::Health health) { return static_cast<ReportedHealth>(health); }

std::optional<ReportedIncident> FromReport(v1::IncidentKind kind) {
  if (kind <= v1::INCIDENT_KIND_UNSPECIFIED || kind > v1::INCIDENT_KIND_HOST_PROBLEM)
    return std::nullopt;
  return static_cast<ReportedIncident>(static_cast<int>(kind) - 1);
}
static_assert(v1::INCIDENT_KIND_NODE_CRASHED == 1 &&
              static_cast<int>(ReportedIncident::kNodeCrashed) == 0);
static_assert(v1::INCIDENT_KIND_HOST_PROBLEM == 7 &&
              static_cast<int>(ReportedIncident::kHostProblem) == 6);

template <class IdType>
Result<IdType> IdOf(const std::string& text, const std::string& field) {
  if (auto id = IdType::Parse(text)) return *id;
  return Fail(InvalidField("INVALID_ID", field, fmt::format("is {}: not an id", Quote(text))));
}

Result<std::optional<ConfigId>> ConfigOf(const std::string& text, const std::string& field) {
  if (text.empty()) return std::optional<ConfigId>();
  ASSIGN_OR_RETURN(const ConfigId id, IdOf<ConfigId>(text, field));
  return std::optional(id);
}

Status DoJoin(control::Control& control, control::Call call, const v1::JoinRequest& request,
              control::Done done) {
  control::JoinHostRequest wanted{.join_token = request.join_token(),
                                  .nonce = request.nonce(),
                                  .known_as = request.host_id(),
                                  .hostname = request.facts().hostname(),
                                  .capacity = FromMessage(request.facts().capacity())};
  auto encode = [](const control::JoinedHost& joined) {
    v1::JoinResponse response;
    response.set_host_id(joined.host_id.ToString());
    response.set_host(joined.host);
    response.set_host_token(joined.token);
    return Serialize(response);
  };
  control::Run(control, std::move(call), control::JoinHost, wanted, encode, std::move(done));
  return {};
}

std::string EncodeCommands(const control::HandedCommands& handed) {
  v1::FetchCommandsResponse response;
  for (const control::HandedCommands::Entry& entry : handed.commands) {
    const Command& command = entry.command;
    v1::HandedCommand& out = *response.add_commands();
    out.set_command_id(command.id.ToString());
    out.set_attempt(command.attempt);
    out.set_kind(api::ToMessage(command.kind));
    out.set_node_id(command.node_id.ToString());
    out.set_node(entry.node);
    out.set_seq(command.seq);
    out.set_config_id(TextOf(command.to_config_id));
    out.set_payload(command.payload);
  }
  response.set_more(handed.more);
  if (handed.retry_after) *response.mutable_retry_after() = ToMessage(*handed.retry_after);
  response.set_next_sequence(handed.next_sequence);
  return Serialize(response);
}

Status DoFetchCommands(control::Control& control, control::Call call,
                       const v1::FetchCommandsRequest& request, control::Done done) {
  control::Run(control, std::move(call), control::FetchCommands, request.max_commands(),
               EncodeCommands, std::move(done));
  return {};
}

Result<control::ReportRequest::Outcome> FromReport(const v1::Outcome& from,
                                                   const std::string& field) {
  control::ReportRequest::Outcome to;
  ASSIGN_OR_RETURN(to.id, IdOf<CommandId>(from.command_id(), field + ".command_id"));
  to.attempt = from.attempt();
  auto result = FromReport(from.result());
  if (!result)
    return Fail(InvalidField("RESULT_MISSING", field + ".result", "is not set: say how it ended"));
  to.outcome.result = *result;
  ASSIGN_OR_RETURN(to.outcome.config_id,
                   ConfigOf(from.running_config_id(), field + ".running_config_id"));
  to.outcome.run_state = FromReport(from.run_state());
  auto retry_after = FromMessage(from.retry_after());
  if (!retry_after) {
    return Fail(
        InvalidField("INVALID_REPORT", field + ".retry_after", "is not between 0 and 7 days"));
  }
  to.outcome.retry_after = *retry_after;
  to.outcome.message = from.message();
  return to;
}

Result<ReportedEnd> FromReport(const v1::ContainerEnd& from, const std::string& field) {
  ReportedEnd to;
  to.exit_code = from.exit_code();
  to.signal = from.signal();
  to.out_of_memory = from.out_of_memory();
  ASSIGN_OR_RETURN(to.at, FromMessage(field + ".at", from.at()));
  to.output = from.output();
  return to;
}

Result<Incident> FromReport(const v1::Incident& from, const std::string& field) {
  Incident to;
  to.number = from.number();
  auto kind = FromReport(from.kind());
  if (!kind)
    return Fail(InvalidField("KIND_MISSING", field + ".kind", "is not set: say what happened"));
  to.kind = *kind;
  if (!from.node_id().empty()) {
    ASSIGN_OR_RETURN(to.node_id, IdOf<NodeId>(from.node_id(), field + ".node_id"));
  }
  if (from.has_at()) {
    ASSIGN_OR_RETURN(to.at, FromMessage(field + ".at", from.at()));
  }
  to.count = from.count();
  to.message = from.message();
  if (from.has_end()) {
    ASSIGN_OR_RETURN(to.end, FromReport(from.end(), field + ".end"));
  }
  return to;
}

Result<NodeReport> FromReport(const v1::NodeStatus& from, const std::string& field) {
  NodeReport to;
  ASSIGN_OR_RETURN(to.node_id, IdOf<NodeId>(from.node_id(), field + ".node_id"));
  ASSIGN_OR_RETURN(to.config_id, ConfigOf(from.config_id(), field + ".config_id"));
  to.image_uri = from.image_uri();
  to.container_id = from.container_id();
  to.run_state = FromReport(from.run_state());
  to.health = FromReport(from.health());
  to.limits = FromMessage(from.limits());
  to.pending = from.pending();
  to.remains = from.remains();
  to.restarts = from.restarts();
  if (from.has_last_end()) {
    ASSIGN_OR_RETURN(to.last_end, FromReport(from.last_end(), field + ".last_end"));
  }
  to.health_message = from.health_message();
  to.problem = from.problem();
  to.image_digest = from.image_digest();
  to.disk_used_bytes = from.disk_used_bytes();
  return to;
}

Result<control::ReportRequest> FromReport(const v1::ReportRequest& from) {
  control::ReportRequest to;
  to.sequence = from.sequence();
  for (int i = 0; i < from.acks_size(); ++i) {
    const v1::Ack& ack = from.acks(i);
    ASSIGN_OR_RETURN(const CommandId id,
                     IdOf<CommandId>(ack.command_id(), fmt::format("acks[{}].command_id", i)));
    to.acks.push_back({.id = id, .attempt = ack.attempt()});
  }
  for (int i = 0; i < from.outcomes_size(); ++i) {
    ASSIGN_OR_RETURN(auto outcome, FromReport(from.outcomes(i), fmt::format("outcomes[{}]", i)));
    to.outcomes.push_back(std::move(outcome));
  }
  for (int i = 0; i < from.incidents_size(); ++i) {
    ASSIGN_OR_RETURN(Incident incident,
                     FromReport(from.incidents(i), fmt::format("incidents[{}]", i)));
    to.incidents.push_back(std::move(incident));
  }
  if (!from.has_status()) return to;
  control::ReportRequest::Status& status = to.status.emplace(control::ReportRequest::Status{});
  status.complete = from.status().complete();
  status.capacity = FromMessage(from.status().capacity());
  status.agent_version = from.status().agent_version();
  if (from.status().has_reserved()) status.reserved = FromMessage(from.status().reserved());
  status.thin_disks = from.status().thin_disks();
  status.problem = from.status().problem();
  for (int i = 0; i < from.status().nodes_size(); ++i) {
    ASSIGN_OR_RETURN(auto node,
                     FromReport(from.status().nodes(i), fmt::format("status.nodes[{}]", i)));
    status.nodes.push_back(std::move(node));
  }
  return to;
}

std::string EncodeReport(const control::ReportAnswer& answer) {
  v1::ReportResponse response;
  response.set_ignored(answer.ignored);
  response.set_next_sequence(answer.next_sequence);
  response.set_incidents_processed(answer.incidents_processed);
  for (const control::ReportAnswer::Verdict& verdict : answer.acks) {
    v1::AckAnswer& out = *response.add_acks();
    out.set_command_id(verdict.id.ToString());
    out.set_attempt(verdict.attempt);
    out.set_accepted(verdict.reason.empty());
    out.set_reason(std::string(verdict.reason));
  }
  for (const control::ReportAnswer::Verdict& verdict : answer.outcomes) {
    v1::OutcomeAnswer& out = *response.add_outcomes();
    out.set_command_id(verdict.id.ToString());
    out.set_attempt(verdict.attempt);
    if (verdict.state) out.set_state(api::ToMessage(*verdict.state));
    out.set_reason(std::string(verdict.reason));
  }
  for (const planner::Warning& warning : answer.warnings)
    *response.add_warnings() = api::ToMessage(warning);
  return Serialize(response);
}

Status DoReport(control::Control& control, control::Call call, const v1::ReportRequest& request,
                control::Done done) {
  // Who may not call hears that first.
  auto report =
      [](const control::Authorized& by,
         const v1::ReportRequest& from) -> Result<control::Proposal<control::ReportAnswer>> {
    ASSIGN_OR_RETURN(control::ReportRequest wanted, FromReport(from));
    return control::ReportOfHost(by, std::move(wanted));
  };
  control::Run(control, std::move(call), report, request, EncodeReport, std::move(done));
  return {};
}

}  // namespace

std::vector<Method> AgentMethods() {
  return {
      HostMethod<v1::FetchCommandsResponse>("tallyman.v1.AgentService/FetchCommands",
                                            DoFetchCommands),
      HostMethod<v1::JoinResponse>("tallyman.v1.AgentService/Join", DoJoin),
      HostMethod<v1::ReportResponse>("tallyman.v1.AgentService/Report", DoReport),
  };
}

}  // namespace tallyman::api
