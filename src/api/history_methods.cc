// CommandService, EventService and LedgerService.
#include "api/convert.h"
#include "api/event_text.h"
#include "api/list_message.h"
#include "api/method.h"
#include "control/nodes/nodes.h"
#include "control/read.h"
#include "control/reads/queries.h"
#include "tallyman/v1/event.pb.h"

namespace tallyman::api {
namespace {

v1::Command MessageOf(const control::CommandView& view) {
  const Command& command = view.row.command;
  v1::Command out;
  out.set_id(command.id.ToString());
  out.set_node(view.row.node);
  out.set_node_id(command.node_id.ToString());
  out.set_host(view.row.host);
  out.set_host_id(command.host_id.ToString());
  out.set_kind(ToMessage(command.kind));
  out.set_state(ToMessage(command.state));
  out.set_from_config_id(TextOf(command.from_config_id));
  out.set_to_config_id(TextOf(command.to_config_id));
  out.set_from_image(view.from_image);
  out.set_to_image(view.to_image);
  out.set_attempt(command.attempt);
  *out.mutable_created_at() = ToMessage(command.created_at);
  out.set_outcome(command.outcome);
  if (command.taken_at) *out.mutable_taken_at() = ToMessage(*command.taken_at);
  if (command.not_after) *out.mutable_not_after() = ToMessage(*command.not_after);
  if (command.ended_at) *out.mutable_ended_at() = ToMessage(*command.ended_at);
  out.set_payload_forgotten(command.payload.empty());
  return out;
}

// As people may see it.
Status PutPayload(const control::CommandView& view, v1::Command& out) {
  ASSIGN_OR_RETURN(*out.mutable_payload(),
                   RewriteSecrets(view.row.command.payload, [](const auto&, const auto&) {
                     return Result<std::string>("set");
                   }));
  return {};
}

Result<v1::GetCommandResponse> DoGetCommand(control::Control& control, const control::Call& call,
                                            const v1::GetCommandRequest& request) {
  ASSIGN_OR_RETURN(control::CommandView view,
                   control::Read(control, call, control::GetCommand, request.command_id()));
  v1::GetCommandResponse response;
  *response.mutable_command() = MessageOf(view);
  RETURN_IF_ERROR(PutPayload(view, *response.mutable_command()));
  response.mutable_command()->mutable_cause()->set_request_id(view.request_id);
  response.mutable_command()->mutable_cause()->set_actor(view.actor_id);
  return response;
}

Result<v1::ListCommandsResponse> DoListCommands(control::Control& control,
                                                const control::Call& call,
                                                const v1::ListCommandsRequest& request) {
  ASSIGN_OR_RETURN(
      control::Page<control::CommandView> page,
      control::Read(control, call, control::ListCommands,
                    control::ListCommandsRequest{.list = ListOf(request),
                                                 .with_payloads = request.with_payloads()}));
  v1::ListCommandsResponse response;
  for (const control::CommandView& view : page.rows) {
    v1::Command& command = *response.add_commands();
    command = MessageOf(view);
    if (request.with_payloads()) RETURN_IF_ERROR(PutPayload(view, command));
  }
  response.set_next_page_token(page.next_page_token);
  return response;
}

Status DoCancelCommand(control::Control& control, control::Call call,
                       const v1::CancelCommandRequest& request, control::Done done) {
  auto encode = [](const control::Changes& changes) {
    v1::CancelCommandResponse response;
    *response.mutable_changes() = ToMessage(changes);
    return Serialize(response);
  };
  control::Run(
      control, std::move(call), control::CancelCommand,
      control::CancelCommandRequest{.command_id = request.command_id(), .plan = PlanOf(request)},
      encode, std::move(done));
  return {};
}

Result<v1::ListEventsResponse> DoListEvents(control::Control& control, const control::Call& call,
                                            const v1::ListEventsRequest& request) {
  ASSIGN_OR_RETURN(
      control::EventPage events,
      control::Read(control, call, control::ListEvents,
                    control::ListEventsRequest{.list = ListOf(request), .after = request.after()}));
  v1::ListEventsResponse response;
  for (const store::EventRow& row : events.page.rows) *response.add_events() = api::MessageOf(row);
  response.set_next_page_token(events.page.next_page_token);
  response.set_cursor(events.cursor);
  return response;
}

v1::LedgerEntry MessageOf(const control::LedgerView& view) {
  const LedgerEntry& entry = view.entry;
  v1::LedgerEntry out;
  out.set_host(view.host);
  out.set_host_id(entry.host_id.ToString());
  out.set_seq(entry.seq);
  out.set_node(view.node);
  out.set_node_id(TextOf(entry.node_id));
  out.set_kind(ToMessage(entry.kind));
  out.mutable_cause()->set_request_id(entry.request_id);
  out.mutable_cause()->set_actor(entry.actor_id);
  *out.mutable_delta() = ToMessage(entry.delta);
  *out.mutable_balance() = ToMessage(entry.balance);
  if (view.node_balance) *out.mutable_node_balance() = ToMessage(*view.node_balance);
  for (const Drift& drift : entry.corrections) *out.add_detail() = ToMessage(drift);
  *out.mutable_time() = ToMessage(entry.created_at);
  return out;
}

Result<v1::ListLedgerResponse> DoListLedger(control::Control& control, const control::Call& call,
                                            const v1::ListLedgerRequest& request) {
  ASSIGN_OR_RETURN(
      control::LedgerPage ledger,
      control::Read(control, call, control::ListLedger,
                    control::ListLedgerRequest{
                        .host = request.host(), .node = request.node(), .list = ListOf(request)}));
  v1::ListLedgerResponse response;
  for (const control::LedgerView& view : ledger.page.rows)
    *response.add_entries() = MessageOf(view);
  response.set_next_page_token(ledger.page.next_page_token);
  *response.mutable_books() = ToMessage(ledger.books);
  *response.mutable_total() = ToMessage(ledger.total);
  response.set_entry_count(ledger.entry_count);
  return response;
}

}  // namespace

std::vector<Method> HistoryMethods() {
  return {
      WriteMethod<v1::CancelCommandResponse>("tallyman.v1.CommandService/CancelCommand",
                                             DoCancelCommand),
      ReadMethod("tallyman.v1.CommandService/GetCommand", DoGetCommand),
      ReadMethod("tallyman.v1.CommandService/ListCommands", DoListCommands),
      ReadMethod("tallyman.v1.EventService/ListEvents", DoListEvents),
      ReadMethod("tallyman.v1.LedgerService/ListLedger", DoListLedger),
  };
}

}  // namespace tallyman::api
