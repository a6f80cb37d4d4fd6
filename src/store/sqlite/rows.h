// Converts between rows and model values: row_shapes.h in SQLite's values.
#pragma once

#include "sqlite/query.h"
#include "store/row_shapes.h"

namespace tallyman::store::sqlite {

inline constexpr char kHostRow[] =
    "SELECT " TALLYMAN_HOST_COLUMNS("h.") " FROM hosts h WHERE h.id = ?1";

}  // namespace tallyman::store::sqlite

namespace tallyman::sqlite {

using store::ReadValue;  // of rows that say their fields

inline void BindValue(SqliteQuery& query, const Resources& value) {
  query.BindInteger(value.cpu_cores);
  query.BindInteger(value.memory_bytes);
  query.BindInteger(value.disk_bytes);
}
inline bool ReadValue(SqliteQuery& query, Resources& value) {
  value.cpu_cores = query.TakeInteger();
  value.memory_bytes = query.TakeInteger();
  value.disk_bytes = query.TakeInteger();
  return true;
}
inline void BindValue(SqliteQuery& query, const Books& value) {
  query.BindInteger(value.node_count);
  BindValue(query, value.allocated);
}
inline bool ReadValue(SqliteQuery& query, Books& value) {
  value.node_count = query.TakeInteger();
  return ReadValue(query, value.allocated);
}
// Three columns that are all null or all set.
inline void BindValue(SqliteQuery& query, const std::optional<Resources>& value) {
  if (value) return BindValue(query, *value);
  for (int i = 0; i < 3; ++i) query.BindNull();
}
inline bool ReadValue(SqliteQuery& query, std::optional<Resources>& value) {
  if (!query.NextIsNull()) return ReadValue(query, value.emplace());
  query.Skip(3);
  value.reset();
  return true;
}

// Five columns that are all null or all set.
inline bool ReadValue(SqliteQuery& query, std::optional<ReportedEnd>& value) {
  if (!query.NextIsNull()) return ReadValue(query, value.emplace());
  query.Skip(5);
  value.reset();
  return true;
}
inline void BindValue(SqliteQuery& query, const std::optional<ReportedEnd>& value) {
  if (value) {
    std::apply([&](const auto&... fields) { (BindValue(query, fields), ...); },
               store::Fields(*value));
    return;
  }
  for (int i = 0; i < 5; ++i) query.BindNull();
}

inline void BindValue(SqliteQuery& query, const std::chrono::microseconds& value) {
  query.BindInteger(value.count());
}
inline bool ReadValue(SqliteQuery& query, std::chrono::microseconds& value) {
  value = std::chrono::microseconds(query.TakeInteger());
  return true;
}

template <store::HasFields Row>
void BindValue(SqliteQuery& query, const Row& row) {
  std::apply([&](const auto&... fields) { (BindValue(query, fields), ...); }, store::Fields(row));
}

}  // namespace tallyman::sqlite
