// Commands that read the records: ledger, events, commands to hosts.
#include <fmt/core.h>

#include "cli/document.h"
#include "cli/format.h"
#include "cli/requests.h"
#include "cli/views.h"
#include "tallyman/v1/command.pb.h"
#include "tallyman/v1/event.pb.h"
#include "tallyman/v1/ledger.pb.h"

namespace tallyman {
namespace {

bool Same(const v1::Books& a, const v1::Books& b) {
  return a.node_count() == b.node_count() &&
         std::ranges::all_of(kDimensionViews, [&](const DimensionView& d) {
           return (a.allocated().*d.get)() == (b.allocated().*d.get)();
         });
}

Table LedgerTable(const v1::ListLedgerResponse& ledger, bool of_host) {
  Table table({{"SEQ", Align::kRight},
               {"TIME"},
               {"KIND"},
               {of_host ? "NODE" : "HOST", Align::kLeft, true},
               {"NODES", Align::kRight},
               {"CPU", Align::kRight},
               {"MEMORY", Align::kRight},
               {"DISK", Align::kRight},
               {"BY", Align::kLeft, true},
               {"REQUEST", Align::kLeft, true}});
  for (const v1::LedgerEntry& entry : ledger.entries()) {
    const v1::Books& balance = of_host ? entry.balance() : entry.node_balance();
    std::vector<Cell> row = {{std::to_string(entry.seq())},
                             {FormatTimestamp(entry.time())},
                             {EnumWord(v1::LedgerKind_Name(entry.kind()), "LEDGER_KIND_")},
                             {of_host ? entry.node() : entry.host()},
                             {fmt::format("{} = {}", FormatSignedCount(entry.delta().node_count()),
                                          balance.node_count())}};
    for (const DimensionView& d : kDimensionViews) {
      row.push_back({fmt::format("{} = {}", FormatSigned(d, (entry.delta().allocated().*d.get)()),
                                 FormatAmount(d, (balance.allocated().*d.get)()))});
    }
    row.push_back({entry.cause().actor()});
    row.push_back({entry.cause().request_id()});
    table.AddRow(std::move(row));
  }
  return table;
}

void PrintLedgerDetails(Context& context, const v1::ListLedgerResponse& ledger) {
  for (const v1::LedgerEntry& entry : ledger.entries()) {
    if (entry.detail().empty()) continue;
    context.Detail("");
    context.Detail(fmt::format("entry {} of {} corrected:", entry.seq(), entry.host()),
                   Colour::kYellow);
    context.Detail(DriftTable(entry.detail()));
  }
}

// One event of many, as soon as it is there: a line, or a document of its own.
void PrintEvent(Context& context, const v1::Event& event) {
  if (!context.is_table()) {
    if (context.globals().output == OutputFormat::kYaml) context.environment().out << "---\n";
    context.PrintDocument(event);
  } else {
    context.Line(Printable(fmt::format("{}  {}  by {}", FormatTimestamp(event.time()),
                                       event.message(), event.cause().actor())));
  }
  context.environment().out.flush();
}

CommandResult FollowEvents(Context& context, const EventOptions& options, std::string filter) {
  int64_t left = INT64_MAX;
  if (!options.list.limit.empty()) {
    ASSIGN_OR_RETURN(left, ParseCount("--limit", options.list.limit));
    if (left == 0) return Fail(InvalidArgument("INVALID_NUMBER", "--limit is 0: write 1 or more"));
  }
  if (!options.list.order_by.empty()) {
    return Fail(InvalidArgument("USAGE",
                                "--order-by is of no use with --follow: events are shown "
                                "in the order in which they happen"));
  }
  v1::WatchEventsRequest request;
  if (!options.list.filter.empty()) filter += (filter.empty() ? "" : " ") + options.list.filter;
  request.set_filter(filter);
  std::string cursor = options.after;
  while (left > 0) {
    request.set_after(cursor);
    const Status ended = context.Stream("tallyman.v1.EventService/WatchEvents", request,
                                        [&](const google::protobuf::Message& message) {
                                          const auto& seen =
                                              static_cast<const v1::WatchEventsResponse&>(message);
                                          cursor = seen.cursor();
                                          if (!seen.has_event()) return true;
                                          PrintEvent(context, seen.event());
                                          return --left > 0 && context.environment().out.good();
                                        });
    if (ended) break;
    // Whoever was too slow for the stream takes it up where it was.
    if (ended.error().reason != "STREAM_TOO_SLOW") return Fail(ended.error());
  }
  return kExitDone;
}

}  // namespace

CommandResult ShowLedger(Context& context, const LedgerOptions& options) {
  v1::ListLedgerRequest request;
  const bool of_host = options.node.empty();
  if (of_host) {
    request.set_host(options.host);
  } else {
    request.set_node(options.node);
  }
  ASSIGN_OR_RETURN(const auto ledger,
                   ListAll<v1::ListLedgerResponse>(context, "tallyman.v1.LedgerService/ListLedger",
                                                   request, options.list));
  const bool same = Same(ledger.books(), ledger.total());
  const int status = same ? kExitDone : kExitDrift;
  if (!context.is_table()) {
    context.PrintDocument(ledger);
    return status;
  }
  if (!ledger.entries().empty()) context.Detail(LedgerTable(ledger, of_host));
  PrintLedgerDetails(context, ledger);
  context.Detail("");
  context.Line(fmt::format("{} sum up to {}.", Counted(ledger.entry_count(), "entry", "entries"),
                           FormatBooks(ledger.total())));
  if (same) {
    context.Line("The books say the same.", Colour::kGreen);
  } else {
    context.Line(fmt::format("The books differ: they say {}. See \"tallyman audit\".",
                             FormatBooks(ledger.books())),
                 Colour::kRed);
  }
  return status;
}

CommandResult ListEvents(Context& context, const EventOptions& options) {
  std::string filter;
  AddFilter(filter, "node", options.node);
  AddFilter(filter, "host", options.host);
  AddFilter(filter, "org", options.org);
  AddFilter(filter, "kind", options.kind);
  if (options.follow) return FollowEvents(context, options, std::move(filter));
  v1::ListEventsRequest request;
  request.set_filter(filter);
  request.set_after(options.after);
  ASSIGN_OR_RETURN(const auto list,
                   ListAll<v1::ListEventsResponse>(context, "tallyman.v1.EventService/ListEvents",
                                                   request, options.list));
  if (!context.is_table()) {
    context.PrintDocument(list);
    return kExitDone;
  }
  Table table({{"TIME"},
               {"KIND"},
               {"HOST", Align::kLeft, true},
               {"NODE", Align::kLeft, true},
               {"BY", Align::kLeft, true},
               {"MESSAGE", Align::kLeft, true}});
  for (const v1::Event& event : list.events()) {
    table.AddRow({{FormatTimestamp(event.time())},
                  {event.kind()},
                  {event.host()},
                  {event.node()},
                  {event.cause().actor()},
                  {event.message()}});
  }
  PrintList(context, table, "There are no such events.");
  return kExitDone;
}

CommandResult ListCommands(Context& context, const CommandListOptions& options) {
  v1::ListCommandsRequest request;
  std::string& filter = *request.mutable_filter();
  AddFilter(filter, "node", options.node);
  AddFilter(filter, "host", options.host);
  AddFilter(filter, "kind", options.kind);
  AddFilter(filter, "state", options.state);
  ASSIGN_OR_RETURN(const auto list,
                   ListAll<v1::ListCommandsResponse>(
                       context, "tallyman.v1.CommandService/ListCommands", request, options.list));
  if (!context.is_table()) {
    context.PrintDocument(list);
    return kExitDone;
  }
  Table table({{"COMMAND"},
               {"KIND"},
               {"STATE"},
               {"NODE", Align::kLeft, true},
               {"HOST", Align::kLeft, true},
               {"IMAGE", Align::kLeft, true},
               {"CREATED"}});
  for (const v1::Command& command : list.commands()) {
    table.AddRow({{command.id()},
                  {EnumWord(v1::CommandKind_Name(command.kind()), "COMMAND_KIND_")},
                  {EnumWord(v1::CommandState_Name(command.state()), "COMMAND_STATE_")},
                  {command.node()},
                  {command.host()},
                  {command.to_image().empty() ? command.from_image() : command.to_image()},
                  {FormatTimestamp(command.created_at())}});
  }
  PrintList(context, table, "There are no such commands.");
  // What the hosts said of those that did not go well.
  for (const v1::Command& command : list.commands()) {
    if (command.state() != v1::COMMAND_STATE_SETTLED)
      PrintBlock(context, command.id() + ":", command.outcome());
  }
  return kExitDone;
}

CommandResult ShowCommand(Context& context, const std::string& id) {
  v1::GetCommandRequest request;
  request.set_command_id(id);
  ASSIGN_OR_RETURN(const auto response, context.Call<v1::GetCommandResponse>(
                                            "tallyman.v1.CommandService/GetCommand", request));
  if (!context.is_table()) {
    context.PrintDocument(response);
    return kExitDone;
  }
  const v1::Command& command = response.command();
  PrintFields(context,
              {{"command", command.id()},
               {"kind", EnumWord(v1::CommandKind_Name(command.kind()), "COMMAND_KIND_")},
               {"state", EnumWord(v1::CommandState_Name(command.state()), "COMMAND_STATE_")},
               {"node", command.node()},
               {"host", command.host()},
               {"from", command.from_image()},
               {"to", command.to_image()},
               {"attempt", std::to_string(command.attempt())},
               {"by", command.cause().actor()},
               {"request", command.cause().request_id()},
               {"created", FormatTimestamp(command.created_at())},
               {"taken", FormatTimestamp(command.taken_at())},
               {"ended", FormatTimestamp(command.ended_at())}});
  PrintBlock(context, "outcome:", command.outcome());
  if (!command.payload().empty()) {
    context.Detail("");
    context.Detail("payload:");
    context.Detail(Printable(command.payload()));
  }
  return kExitDone;
}

}  // namespace tallyman
