// Converts between rows and model values: row_shapes.h in PostgreSQL's values.
#pragma once

#include "store/postgres/values.h"
#include "store/row_shapes.h"

// The hosts $1, and those of the nodes $2.
#define TALLYMAN_HOSTS_WANTED \
  "SELECT unnest($1::uuid[]) UNION SELECT m.host_id FROM nodes m WHERE m.id = ANY ($2::uuid[])"

namespace tallyman::store::postgres {

using store::ReadValue;  // of rows that say their fields

// Five columns that are all null or all set.
inline bool ReadValue(PgRow& row, std::optional<ReportedEnd>& value) {
  if (!row.NextIsNull()) return ReadValue(row, value.emplace());
  row.Skip(5);
  value.reset();
  return true;
}
inline void AppendValue(PgSink& sink, const std::optional<ReportedEnd>& value) {
  if (value) {
    std::apply([&](const auto&... fields) { (AppendValue(sink, fields), ...); }, Fields(*value));
    return;
  }
  for (const PgType type :
       {PgType::kInt8, PgType::kInt8, PgType::kBool, PgType::kInt8, PgType::kText}) {
    sink.AddNull(type);
  }
}

inline bool ReadValue(PgRow& row, std::chrono::microseconds& value) {
  int64_t count = 0;
  const bool fine = ReadValue(row, count);
  value = std::chrono::microseconds(count);
  return fine;
}
inline void AppendValue(PgSink& sink, const std::chrono::microseconds& value) {
  AppendValue(sink, static_cast<int64_t>(value.count()));
}

template <HasFields Row>
void AppendValue(PgSink& sink, const Row& row) {
  std::apply([&](const auto&... fields) { (AppendValue(sink, fields), ...); }, Fields(row));
}

}  // namespace tallyman::store::postgres
