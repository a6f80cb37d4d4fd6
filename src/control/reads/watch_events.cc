#include "control/reads/watch_events.h"

#include <algorithm>

#include "base/checked.h"
#include "control/reads/query_tools.h"

namespace tallyman::control {
namespace {

Result<int64_t> NewestOf(store::ReadTx& tx) {
  ASSIGN_OR_RETURN(auto rows,
                   tx.ListEvents({.order_by = "cursor", .descending = true, .limit = 1}));
  return rows.empty() ? 0 : rows.front().event.cursor;
}

// Whether there is such an event, even if a list by cursor does not show it yet: a database may
// hold back events while one with a smaller cursor can still appear.
Result<bool> IsThere(store::ReadTx& tx, int64_t cursor) {
  ASSIGN_OR_RETURN(auto rows,
                   tx.ListEvents({.conditions = {{"cursor", store::Comparison::kEqual, cursor}},
                                  .order_by = "kind",
                                  .descending = false,
                                  .limit = 1}));
  return !rows.empty();
}

Result<int64_t> CursorOf(store::ReadTx& tx, const std::string& after) {
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

bool Compare(int64_t cursor, store::Comparison comparison, int64_t wanted) {
  switch (comparison) {
    case store::Comparison::kEqual:
      return cursor == wanted;
    case store::Comparison::kNotEqual:
      return cursor != wanted;
    case store::Comparison::kLess:
      return cursor < wanted;
    case store::Comparison::kLessOrEqual:
      return cursor <= wanted;
    case store::Comparison::kGreater:
      return cursor > wanted;
    case store::Comparison::kGreaterOrEqual:
      break;
  }
  return cursor >= wanted;
}

// Of a field of texts.
std::string TextOf(const store::EventRow& row, std::string_view field) {
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

Result<EventWatch> PrepareWatch(const Authorized& by, store::ReadTx& tx,
                                const WatchRequest& request) {
  ListRequest list;
  list.filter = request.filter;
  ASSIGN_OR_RETURN(store::ListQuery query,
                   PrepareList(tx, by.actor(), store::Listing::kEvents, list));
  RETURN_IF_ERROR(LimitToActor(tx, by.actor(), query));
  EventWatch watch{.conditions = std::move(query.conditions), .cursor = 0};
  ASSIGN_OR_RETURN(watch.cursor, CursorOf(tx, request.after));
  return watch;
}

Result<std::vector<store::EventRow>> EventsAfter(Control& control,
                                                 const std::vector<store::Condition>& conditions,
                                                 int64_t cursor, int64_t limit) {
  store::ListQuery query{
      .conditions = conditions, .order_by = "cursor", .descending = false, .limit = limit};
  query.conditions.push_back({"cursor", store::Comparison::kGreater, cursor});
  std::vector<store::EventRow> rows;
  RETURN_IF_ERROR(control.store().Read([&](store::ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(rows, tx.ListEvents(query));
    return {};
  }));
  return rows;
}

Result<int64_t> NewestEvent(Control& control) {
  int64_t newest = 0;
  RETURN_IF_ERROR(control.store().Read([&](store::ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(newest, NewestOf(tx));
    return {};
  }));
  return newest;
}

bool Matches(const store::EventRow& row, std::span<const store::Condition> conditions) {
  return std::ranges::all_of(conditions, [&](const store::Condition& condition) {
    // The cursor is the only number among the fields.
    if (const auto* number = std::get_if<int64_t>(&condition.value))
      return Compare(row.event.cursor, condition.comparison, *number);
    bool equal = TextOf(row, condition.field) == std::get<std::string>(condition.value);
    return equal == (condition.comparison == store::Comparison::kEqual);
  });
}

}  // namespace tallyman::control
