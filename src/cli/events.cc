// The words about events: what happened, and what happens.
#include <fmt/core.h>

#include "base/reasons.h"
#include "cli/format.h"
#include "cli/list.h"
#include "cli/nouns.h"
#include "cli/views.h"
#include "tallyman/v1/event.pb.h"

namespace tallyman::cli {
namespace {

struct Events {
  ListRequest<v1::ListEventsRequest> list;
  bool follow = false;
};

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

ExitStatus FollowEvents(Context& context, const ListRequest<v1::ListEventsRequest>& list) {
  if (!list.request.order_by().empty()) {
    return Fail(InvalidArgument(kUsage,
                                "--order-by is of no use with --follow, which shows events as they "
                                "happen: leave it out"));
  }
  v1::WatchEventsRequest request;
  request.set_filter(JoinFilters(list.filter, list.request.filter()));
  request.set_after(list.request.after());
  int64_t left = list.limit;
  const auto print = [&](const google::protobuf::Message& message) {
    const auto& seen = static_cast<const v1::WatchEventsResponse&>(message);
    request.set_after(seen.cursor());
    if (!seen.has_event()) return true;
    PrintEvent(context, seen.event());
    return --left > 0 && context.environment().out.good();
  };
  while (left > 0) {
    const v1::WatchEventsRequest sent = request;
    const Status ended = context.Stream(sent, print);
    if (ended) break;
    // A reader that was too slow for the stream resumes where it was.
    if (ended.error().reason != kStreamTooSlow) return Fail(ended.error());
  }
  return kExitDone;
}

ExitStatus ListEvents(Context& context, Events& events) {
  if (events.follow) return FollowEvents(context, events.list);
  ASSIGN_OR_RETURN(const auto list, ListAll<v1::ListEventsResponse>(context, events.list));
  return context.Answer(list, [&] {
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
  });
}

}  // namespace

void DefineEvents(Word root) {
  auto [verb, events] =
      root.Verb<Events>("events", "Events: what happened, oldest first",
                        "  tallyman events --node eth-1\n"
                        "  tallyman events --follow\n"
                        "  tallyman events --kind drift_found --order-by \"time desc\" --limit 10",
                        ListEvents);
  AddListOptions(verb, events.list,
                 {{"--node", "NODE", "node", "Only about this node"},
                  {"--host", "HOST", "host", "Only about this host"},
                  {"--org", "ORG", "org", "Only about this org"},
                  {"--kind", "KIND", "kind", "Only of this kind, such as upgrade_started"}},
                 "node, host, org, kind", "time");
  verb.Text("--after", "CURSOR", events.list.request.mutable_after(),
            "Resume after this cursor, which an earlier answer gave");
  verb.Flag("-f,--follow", &events.follow, "Show events as they happen, from now on");
}

}  // namespace tallyman::cli
