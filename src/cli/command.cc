// The words about commands to hosts.
#include <fmt/core.h>

#include "cli/format.h"
#include "cli/list.h"
#include "cli/nouns.h"
#include "cli/requests.h"
#include "cli/views.h"
#include "tallyman/v1/command.pb.h"

namespace tallyman::cli {
namespace {

ExitStatus ShowCommand(Context& context, v1::GetCommandRequest& request) {
  ASSIGN_OR_RETURN(const auto response, context.Call<v1::GetCommandResponse>(request));
  return context.Answer(response, [&] {
    const v1::Command& command = response.command();
    PrintFields(context, {{"command", command.id()},
                          {"kind", EnumWord(command.kind())},
                          {"state", EnumWord(command.state())},
                          {"node", command.node()},
                          {"host", command.host()},
                          {"from", command.from_image()},
                          {"to", command.to_image()},
                          {"attempt", std::to_string(command.attempt())},
                          {"by", command.cause().actor()},
                          {"request", command.cause().request_id()},
                          {"created", FormatTimestamp(command.created_at())},
                          {"taken", FormatTimestamp(command.taken_at())},
                          {"not after", FormatTimestamp(command.not_after())},
                          {"ended", FormatTimestamp(command.ended_at())}});
    PrintBlock(context, "outcome:", command.outcome());
    context.Detail("");
    if (command.payload_forgotten()) {
      context.Detail("Its payload is no longer kept.");
      return;
    }
    if (command.payload().empty()) return;
    context.Detail("payload:");
    context.Detail(Printable(command.payload()));
  });
}

ExitStatus CancelCommand(Context& context, v1::CancelCommandRequest& request) {
  ASSIGN_OR_RETURN(const auto response, Change<v1::CancelCommandResponse>(context, request));
  return context.Answer(
      response, [&] { PrintChanges(context, response.changes(), "Cancelled the command of"); });
}

// What the host said of one that did not go well.
std::pair<std::string, std::string> OutcomeOf(const v1::Command& command) {
  if (command.state() == v1::COMMAND_STATE_SETTLED) return {};
  return {command.id() + ":", command.outcome()};
}

void DefineCommandList(Word noun) {
  const ListCommand<v1::ListCommandsRequest, v1::ListCommandsResponse, v1::Command> list = {
      .description = "List commands",
      .examples =
          "  tallyman command list --node eth-1\n"
          "  tallyman command list --filter 'created_at<2026-01-01T00:00:00Z' "
          "--with-payloads -o json",
      .item = "command",
      .filters = {{"--node", "NODE", "node", "Only for this node"},
                  {"--host", "HOST", "host", "Only for this host"},
                  {"--kind", "KIND", "kind", "Only of this kind, such as upgrade"},
                  {"--state", "STATE", "state", "Only in this state, such as open"}},
      .fields = "id, node, host, kind, state, created_at, org, node_id",
      .columns = {{"COMMAND"},
                  {"KIND"},
                  {"STATE"},
                  {"NODE", Align::kLeft, true},
                  {"HOST", Align::kLeft, true},
                  {"IMAGE", Align::kLeft, true},
                  {"CREATED"},
                  {.title = "FROM", .is_wide = true},
                  {.title = "ATTEMPT", .align = Align::kRight, .is_wide = true},
                  {.title = "TAKEN", .is_wide = true},
                  {.title = "ENDED", .is_wide = true}},
      .items = &v1::ListCommandsResponse::commands,
      .row = [](Context&, const v1::Command& command) -> std::vector<Cell> {
        return {{command.id()},
                {EnumWord(command.kind())},
                {EnumWord(command.state())},
                {command.node()},
                {command.host()},
                {command.to_image().empty() ? command.from_image() : command.to_image()},
                {FormatTimestamp(command.created_at())},
                {command.from_image()},
                {std::to_string(command.attempt())},
                {FormatTimestamp(command.taken_at())},
                {FormatTimestamp(command.ended_at())}};
      },
      .when_empty = "There are no commands.",
      .note = OutcomeOf};
  auto [verb, listed] = list.Define(noun);
  verb.Flag("--with-payloads", listed.request, &v1::ListCommandsRequest::set_with_payloads,
            "Include the payloads, for -o json and yaml");
}

}  // namespace

void DefineCommand(Word root) {
  Word command = root.Noun("command", "Commands: what hosts are told to do",
                           "  tallyman command list --state open\n"
                           "  tallyman command show ID\n"
                           "  tallyman command cancel ID");
  DefineCommandList(command);
  auto [cancel, cancelled] = command.Verb<v1::CancelCommandRequest>(
      "cancel", "Cancel a command that no host has taken; its node goes back to what runs",
      "  tallyman command list --state open\n"
      "  tallyman command cancel ID --dry-run",
      CancelCommand);
  cancel.Argument("COMMAND", cancelled.mutable_command_id(), "Id");
  AddChange(cancel, cancelled);
  auto [show, request] = command.Verb<v1::GetCommandRequest>(
      "show", "Show a command with its payload", "  tallyman command show ID", ShowCommand);
  show.Argument("COMMAND", request.mutable_command_id(), "Id");
}

}  // namespace tallyman::cli
