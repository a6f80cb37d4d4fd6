// One step of a backend's schema, embedded from migrations/NNNN_name.sql by embed_migrations.cmake.
//
// Both backends have the same numbers, and a number means the same in both.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "store/store.h"

namespace tallyman::store {

struct Migration {
  int64_t version;  // 1, 2, 3, ... without a gap
  std::string_view name;
  std::string_view sql;
};

// FAILED_PRECONDITION SCHEMA_TOO_NEW; SCHEMA_TOO_OLD unless `may_be_old`. `database` is the name to
// show.
Status CheckSchema(const SchemaState& schema, const std::string& database, bool may_be_old);

}  // namespace tallyman::store
