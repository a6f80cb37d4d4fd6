#include "control/reads/watch_events.h"

#include <algorithm>

#include "base/checked.h"
#include "control/reads/query_tools.h"

namespace tallyman {
namespace {

Result<int64_t> NewestOf(ReadTx& tx) {
  ASSIGN_OR_RETURN(
      auto rows,
      tx.ListEvents(
          {.conditions = {}, .order_by = "cursor", .descending = true, .after = {}, .limit = 1}));
  return rows.empty() ? 0 : rows.front().event.cursor;
}

// Whether there is such an event, even if a list by cursor does not show it yet: a database may
// hold back events while one with a smaller cursor can still appear.
Result<bool> IsThere(ReadTx& tx, int64_t cursor) {
  ASSIGN_OR_RETURN(auto rows, tx.ListEvents({.conditions = {{"cursor", Comparison::kEqual, cursor}},
                                             .order_by = "kind",
                                             .descending = false,
                                             .after = {},
                                             .limit = 1}));
  return !rows.empty();
}

Result<int64_t> CursorOf(ReadTx& tx, const std::string& after) {
  ASSIGN_OR_RETURN(const int64_t newest, NewestOf(tx));
  if (after.empty()) return newest;
  auto cursor = ParseInt64(after);
  if (!cursor || *cursor < 0) {
    return RefuseListField("INVALID_CURSOR", "after", after,
                           "it is not the cursor of an earlier answer");
  }
  bool is_ahead = *cursor > newest;
  if (is_ahead) {
    ASSIGN_OR_RETURN(const bool is_there, IsThere(tx, *cursor));
    is_ahead = !is_there;
  }
  if (is_ahead) {
    return RefuseListField("INVALID_CURSOR", "after", after,
                           "it is ahead of the newest event, so it belongs to another database: "
                           "start without it");
  }
  return *cursor;
}

bool Compare(int64_t cursor, Comparison comparison, int64_t wanted) {
  switch (comparison) {
    case Comparison::kEqual:
      return cursor == wanted;
    case Comparison::kNotEqual:
      return cursor != wanted;
    case Comparison::kLess:
      return cursor < wanted;
    case Comparison::kLessOrEqual:
      return cursor <= wanted;
    case Comparison::kGreater:
      return cursor > wanted;
    case Comparison::kGreaterOrEqual:
      break;
  }
  return cursor >= wanted;
}

// Of a field of texts.
std::string TextOf(const EventRow& row, std::string_view field) {
  const Event& event = row.event;
  if (field == "node") return row.node;
  if (field == "host") return row.host;
  if (field == "org") return row.org;
  if (field == "kind") return std::string(ToText(event.kind));
  if (field == "actor") return event.actor_id;
  if (field == "request_id") return event.request_id;
  return event.node_id ? event.node_id->ToString() : std::string();
}

}  // namespace

Result<EventWatch> PrepareWatch(const Authorized& by, ReadTx& tx, const WatchRequest& request) {
  ListRequest list;
  list.filter = request.filter;
  ASSIGN_OR_RETURN(ListQuery query, PrepareList(tx, by.actor(), Listing::kEvents, list));
  RETURN_IF_ERROR(LimitToActor(tx, by.actor(), query));
  EventWatch watch{.conditions = std::move(query.conditions), .cursor = 0};
  ASSIGN_OR_RETURN(watch.cursor, CursorOf(tx, request.after));
  return watch;
}

Result<std::vector<EventRow>> EventsAfter(Control& control,
                                          const std::vector<Condition>& conditions, int64_t cursor,
                                          int64_t limit) {
  ListQuery query{.conditions = conditions,
                  .order_by = "cursor",
                  .descending = false,
                  .after = {},
                  .limit = limit};
  query.conditions.push_back({"cursor", Comparison::kGreater, cursor});
  std::vector<EventRow> rows;
  RETURN_IF_ERROR(control.store().Read([&](ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(rows, tx.ListEvents(query));
    return {};
  }));
  return rows;
}

Result<int64_t> NewestEvent(Control& control) {
  int64_t newest = 0;
  RETURN_IF_ERROR(control.store().Read([&](ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(newest, NewestOf(tx));
    return {};
  }));
  return newest;
}

bool Matches(const EventRow& row, std::span<const Condition> conditions) {
  return std::ranges::all_of(conditions, [&](const Condition& condition) {
    // The cursor is the only number among the fields.
    if (const auto* number = std::get_if<int64_t>(&condition.value))
      return Compare(row.event.cursor, condition.comparison, *number);
    bool equal = TextOf(row, condition.field) == std::get<std::string>(condition.value);
    return equal == (condition.comparison == Comparison::kEqual);
  });
}

}  // namespace tallyman
