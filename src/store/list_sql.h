// Lists as SQL: which expression stands for which field, and the keyset query over them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/list.h"

namespace tallyman {

// How a value of a field, or a key, is kept.
enum class ListValueKind { kInteger, kText, kUuid };

// Where databases differ.
struct ListDialect {
  // That a command c is one of the nodes {}, by the two indexes that commands lie in.
  std::string_view commands_of;
  // One text that tells requests q apart.
  std::string_view request_key;
  // What holds of events e that are read by their cursor; "": nothing more.
  std::string_view settled_events;
  // How many rows are wanted is a parameter; else a number, by which the planner chooses.
  bool limit_is_parameter = false;
};

// A parameter of a list. An id is text in a list, and an id in the table.
struct ListParameter {
  FieldValue value;
  ListValueKind kind;
};

// Its rows have the listing's columns, then the value of the ordering field and the key, which
// ReadListCursor() takes.
struct ListSql {
  std::string text;                   // made for this one time
  std::vector<ListParameter> params;  // $1, $2, ...: each appears first after the one before it
  ListValueKind order_kind;
  ListValueKind key_kind;
  bool by_cursor = false;  // events, as a follower reads them, and whoever asks where to begin
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

// Gives the parameters to `bind`, each as what it is in the table; ids only live so long. Text that
// is no id becomes nil, which stands before all ids: where a page begins.
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

}  // namespace tallyman
