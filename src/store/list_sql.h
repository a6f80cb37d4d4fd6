// Lists as SQL: the expression of each field, and the keyset-pagination query over them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/list.h"

namespace tallyman::store {

// How a value of a field, or a key, is stored.
enum class ListValueKind { kInteger, kText, kUuid };

// The differences between databases.
struct ListDialect {
  // Condition that a command c belongs to the nodes {}, by the two indexes on commands.
  std::string_view commands_of;
  // One text that identifies a request q.
  std::string_view request_key;
  // A further condition on events e that are read by their cursor; "": none.
  std::string_view settled_events;
  // The limit is a parameter; otherwise a literal number, which helps the planner to choose.
  bool limit_is_parameter = false;
};

// A parameter of a list. An id is text in a list, and an id in the table.
struct ListParameter {
  FieldValue value;
  ListValueKind kind;
};

// Its rows have the listing's columns, then the value of the ordering field and the key, which
// ReadListCursor() reads.
struct ListSql {
  std::string text;                   // made for this use only
  std::vector<ListParameter> params;  // $1, $2, ...: each appears first after the one before it
  ListValueKind order_kind;
  ListValueKind key_kind;
  bool by_cursor = false;  // events, as followers read them, and callers that ask where to begin
};

// INVALID_ARGUMENT, reason INVALID_LIST, for a field that the listing does not have.
Result<ListSql> MakeListSql(const ListDialect& dialect, Listing listing, const ListQuery& wanted);

template <class Rows>
Status ReadListValue(Rows& rows, ListValueKind kind, FieldValue& value) {
  if (kind == ListValueKind::kInteger) return rows.ReadMore(value.emplace<int64_t>());
  if (kind == ListValueKind::kText) return rows.ReadMore(value.emplace<std::string>());
  Id<struct AnyTag> id;
  RETURN_IF_ERROR(rows.ReadMore(id));
  value = id.ToString();
  return {};
}

// REQUIRES: the listing's columns of the row were read.
template <class Rows>
Status ReadListCursor(Rows& rows, const ListSql& list, ListCursor& cursor) {
  FieldValue key;
  RETURN_IF_ERROR(ReadListValue(rows, list.order_kind, cursor.value));
  RETURN_IF_ERROR(ReadListValue(rows, list.key_kind, key));
  const auto* number = std::get_if<int64_t>(&key);
  cursor.key = number != nullptr ? std::to_string(*number) : std::get<std::string>(std::move(key));
  return {};
}

// Passes the parameters to `bind`, each in its type in the table; ids live only during the call.
// Text that is not an id becomes nil, which sorts before all ids: the start of the list.
template <class Bind>
void BindListParameters(const ListSql& list, const Bind& bind) {
  for (const auto& [value, kind] : list.params) {
    if (const auto* number = std::get_if<int64_t>(&value)) {
      bind(*number);
      continue;
    }
    const std::string& text = std::get<std::string>(value);
    if (kind == ListValueKind::kUuid) {
      bind(Id<struct AnyTag>{Uuid::Parse(text).value_or(Uuid{})});
    } else {
      bind(text);
    }
  }
}

}  // namespace tallyman::store
