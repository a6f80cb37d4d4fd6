// The words about events: what happened, and what happens.
#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/reasons.h"
#include "base/retry_later.h"
#include "cli/format.h"
#include "cli/list.h"
#include "cli/nouns.h"
#include "cli/requests.h"
#include "cli/views.h"
#include "tallyman/v1/event.pb.h"

namespace tallyman::cli {
namespace {

constexpr int64_t kEventsPage = 1000;
constexpr std::chrono::milliseconds kPauseFirst{200};
constexpr std::chrono::milliseconds kPauseMax{5000};

struct Events {
  ListRequest<v1::ListEventsRequest> list;
  std::string since;  // how long ago, or a time
  int64_t tail = 0;   // how many of the newest; 0: all
  bool follow = false;

  bool is_of_the_newest() const { return !since.empty() || tail > 0; }
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

Status CheckOptions(const Events& events) {
  const v1::ListEventsRequest& request = events.list.request;
  if (events.is_of_the_newest() && (!request.order_by().empty() || !request.after().empty())) {
    return Fail(InvalidArgument(kUsage,
                                "--since and --tail choose the newest events, oldest first: leave "
                                "--order-by and --after out"));
  }
  if (events.tail > 0 && !events.follow && events.list.limit != INT64_MAX) {
    return Fail(InvalidArgument(
        kUsage, "--limit takes the first events and --tail the last: leave one of them out"));
  }
  return {};
}

bool IsBefore(const google::protobuf::Timestamp& a, const google::protobuf::Timestamp& b) {
  return std::pair(a.seconds(), a.nanos()) < std::pair(b.seconds(), b.nanos());
}

// Those of --since and --tail, oldest first. They are read from the newest on.
Result<v1::ListEventsResponse> NewestEvents(Context& context, const Events& events) {
  google::protobuf::Timestamp since;
  if (!events.since.empty()) {
    ASSIGN_OR_RETURN(const Time time, ReadSince(context, events.since));
    since = ToTimestamp(time);
  }
  v1::ListEventsRequest request = events.list.request;
  request.set_filter(JoinFilters(events.list.filter, request.filter()));
  request.set_order_by("time desc");
  const int64_t count_max = events.tail == 0 ? INT64_MAX : events.tail;
  v1::ListEventsResponse newest;
  for (bool more = true; more;) {
    request.set_page_size(
        static_cast<int32_t>(std::min<int64_t>(count_max - newest.events_size(), kEventsPage)));
    ASSIGN_OR_RETURN(const auto page, context.Call<v1::ListEventsResponse>(request));
    more = !page.next_page_token().empty();
    for (const v1::Event& event : page.events()) {
      more = more && !IsBefore(event.time(), since);
      if (!IsBefore(event.time(), since)) *newest.add_events() = event;
    }
    more = more && newest.events_size() < count_max;
    request.set_page_token(page.next_page_token());
  }
  std::ranges::reverse(*newest.mutable_events());
  if (newest.events_size() > events.list.limit) {
    const auto limit = static_cast<int>(events.list.limit);
    newest.mutable_events()->DeleteSubrange(limit, newest.events_size() - limit);
  }
  return newest;
}

// Follows a stream that is cut again and again, from where it was.
class Follower {
 public:
  explicit Follower(Context& context)
      : context_(context), begun_(context.environment().clock.Now()) {}

  void Saw(const v1::WatchEventsResponse& message) {
    if (std::exchange(is_waiting_, false)) Tell("following again");
    is_there_ = true;
    pause_ = kPauseFirst;
    if (message.has_event()) last_ = message.event();
  }
  // Waits, and says so once. The error of a stream that cannot be taken up again.
  Status ComeBack(Error error) {
    // A reader that was too slow for the stream resumes at once.
    if (error.reason == kStreamTooSlow) return {};
    if (!PassesByItself(error) || (!is_there_ && IsTooLate())) return Fail(std::move(error));
    if (!std::exchange(is_waiting_, true)) {
      Tell(
          fmt::format("waiting for the server ({}): it goes on after the last event that was shown",
                      error.reason));
    }
    context_.environment().pause(pause_);
    pause_ = std::min(2 * pause_, kPauseMax);
    return {};
  }
  // ABORTED HISTORY_CHANGED where the last event that was shown is another one now: a database that
  // lost its newest events, or was restored, gives their cursors to others.
  Status CheckHistory() {
    if (!is_waiting_ || last_.id().empty()) return {};
    v1::ListEventsRequest request;
    request.set_filter("cursor=" + last_.id());
    const auto answer = context_.Call<v1::ListEventsResponse>(request);
    if (!answer || answer->events_size() == 0 || IsSame(answer->events(0), last_)) return {};
    return Fail(
        Error(Code::kAborted, "HISTORY_CHANGED",
              fmt::format("the event with cursor {} is another one now, so events that were "
                          "shown did not happen: the database was restored, or lost its "
                          "newest events in a failover; start anew without --after",
                          last_.id()))
            .With("cursor", last_.id()));
  }

 private:
  // An event's id is its cursor, which another one may get; names in it may change.
  static bool IsSame(const v1::Event& a, const v1::Event& b) {
    return a.kind() == b.kind() && a.cause().request_id() == b.cause().request_id() &&
           !IsBefore(a.time(), b.time()) && !IsBefore(b.time(), a.time());
  }
  bool IsTooLate() const {
    return context_.environment().clock.Now() - begun_ >= context_.timeout();
  }
  void Tell(const std::string& line) {
    if (!context_.globals().quiet) context_.environment().err << line << std::endl;
  }

  Context& context_;
  const Time begun_;
  std::chrono::milliseconds pause_ = kPauseFirst;
  bool is_there_ = false;    // the stream was heard once
  bool is_waiting_ = false;  // and is not heard now
  v1::Event last_;           // that was shown
};

ExitStatus FollowEvents(Context& context, const Events& events) {
  const ListRequest<v1::ListEventsRequest>& list = events.list;
  if (!list.columns.empty()) {
    return Fail(InvalidArgument(kUsage,
                                "--columns is for tables, and --follow shows a line each: leave "
                                "one of them out, or take what you need of -o json"));
  }
  if (!list.request.order_by().empty()) {
    return Fail(InvalidArgument(kUsage,
                                "--order-by is of no use with --follow, which shows events as they "
                                "happen: leave it out"));
  }
  v1::WatchEventsRequest request;
  request.set_filter(JoinFilters(list.filter, list.request.filter()));
  request.set_after(list.request.after());
  int64_t left = list.limit;
  std::set<std::string> shown;  // the newest before the stream, which may have some of them again
  const auto show = [&](const v1::Event& event) {
    PrintEvent(context, event);
    return --left > 0 && context.environment().out.good();
  };
  Status read;
  Follower follower(context);
  bool has_begun = false;
  const auto print = [&](const google::protobuf::Message& message) {
    const auto& seen = static_cast<const v1::WatchEventsResponse&>(message);
    if (read = follower.CheckHistory(); !read) return false;
    request.set_after(seen.cursor());
    follower.Saw(seen);
    // The stream stands, so that nothing is missed between what was and what comes.
    if (!std::exchange(has_begun, true) && events.is_of_the_newest()) {
      const auto newest = NewestEvents(context, events);
      if (!newest) return (read = Fail(newest.error())).has_value();
      for (const v1::Event& event : newest->events()) {
        shown.insert(event.id());
        if (!show(event)) return false;
      }
    }
    if (!seen.has_event() || shown.contains(seen.event().id())) return true;
    return show(seen.event());
  };
  while (left > 0) {
    const v1::WatchEventsRequest sent = request;
    const Status ended = context.Stream(sent, print);
    RETURN_IF_ERROR(read);
    if (ended) break;
    RETURN_IF_ERROR(follower.ComeBack(ended.error()));
  }
  return kExitDone;
}

std::vector<Column> EventColumns() {
  return {{"TIME"},
          {"KIND"},
          {"HOST", Align::kLeft, true},
          {"NODE", Align::kLeft, true},
          {"BY", Align::kLeft, true},
          {"MESSAGE", Align::kLeft, true, true},
          {.title = "ORG", .is_wide = true},
          {.title = "REQUEST", .is_wide = true},
          {.title = "CURSOR", .align = Align::kRight, .is_wide = true}};
}

ExitStatus ListEvents(Context& context, Events& events) {
  RETURN_IF_ERROR(CheckOptions(events));
  if (events.follow) return FollowEvents(context, events);
  ASSIGN_OR_RETURN(const std::vector<size_t> shown,
                   ChooseColumns(context, EventColumns(), events.list.columns));
  if (!context.is_table() && !events.is_of_the_newest()) {
    RETURN_IF_ERROR(PrintPages<v1::ListEventsResponse>(context, events.list));
    return kExitDone;
  }
  v1::ListEventsResponse newest;
  if (events.is_of_the_newest()) {
    ASSIGN_OR_RETURN(newest, NewestEvents(context, events));
    if (!context.is_table()) {
      context.PrintDocument(newest);
      return kExitDone;
    }
  }
  ListTable table(context, EventColumns(), shown);
  const auto add = [&](const v1::ListEventsResponse& page) {
    for (const v1::Event& event : page.events()) {
      table.Add({{FormatTimestamp(event.time())},
                 {event.kind()},
                 {event.host()},
                 {event.node()},
                 {event.cause().actor()},
                 {event.message()},
                 {event.org()},
                 {event.cause().request_id()},
                 {event.id()}});
    }
  };
  if (events.is_of_the_newest()) {
    add(newest);
  } else {
    RETURN_IF_ERROR(EachPage<v1::ListEventsResponse>(context, events.list, add));
  }
  const ListRequest<v1::ListEventsRequest>& asked = events.list;
  const bool all = asked.filter.empty() && asked.request.filter().empty() &&
                   asked.request.after().empty() && !events.is_of_the_newest();
  table.End(true, all ? "There are no events." : "No event matches.");
  return kExitDone;
}

}  // namespace

void DefineEvents(Word root) {
  auto [verb, events] =
      root.Verb<Events>("events", "Events: what happened, oldest first",
                        "  tallyman events --node eth-1\n"
                        "  tallyman events --since 1h --follow\n"
                        "  tallyman events --tail 20\n"
                        "  tallyman events --kind drift_found --order-by \"time desc\" --limit 10",
                        ListEvents);
  AddListOptions(verb, events.list,
                 {{"--node", "NODE", "node", "Only about this node"},
                  {"--host", "HOST", "host", "Only about this host"},
                  {"--org", "ORG", "org", "Only about this org"},
                  {"--kind", "KIND", "kind", "Only of this kind, such as upgrade_started"}},
                 "cursor, node, host, org, kind, actor, request_id, node_id",
                 "time, node, host, org, kind, actor, request_id, node_id");
  AddColumns(verb, events.list, EventColumns());
  verb.Text("--after", "CURSOR", events.list.request.mutable_after(),
            "Resume after this cursor, which an earlier answer gave");
  verb.Text("--since", "TIME", &events.since,
            "Only what happened since: 90s, 10m, 2h, 3d ago, or 2026-03-01T12:00:00Z");
  verb.Number("--tail", &events.tail, "Only the last N");
  verb.Flag("-f,--follow", &events.follow, "Show events as they happen, from now on");
}

}  // namespace tallyman::cli
