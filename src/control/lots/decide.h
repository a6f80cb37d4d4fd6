// Running a decision, and the rows that it cannot do without.
#pragma once

#include <fmt/core.h>

#include <exception>
#include <string_view>

#include "base/log.h"
#include "control/lots/mutation.h"

namespace tallyman::control {

// The reason of RequireRow().
inline constexpr std::string_view kRowMissing = "ROW_MISSING";

// Runs the mutation's decision, and refuses one that lets an org grow beyond its quota. A fault of
// this program in it ends one request, with INTERNAL DECISION_FAILED, and never the server; it and
// a missing row are logged.
Result<Decision> Decide(const Mutation& mutation, const store::Snapshot& snapshot,
                        store::ReadTx& tx, Log& log);

// INTERNAL: what to say of an exception that nobody foresaw.
Error FaultOfServer(std::string reason, const std::exception& e);

// DATA_LOSS ROW_MISSING.
Error RowMissing(std::string_view kind, std::string_view id);

// A row that another row refers to. `kind` is what it is called: "host".
template <class Rows>
Result<const typename Rows::mapped_type*> RequireRow(const Rows& rows, std::string_view kind,
                                                     const typename Rows::key_type& id) {
  if (auto row = rows.find(id); row != rows.end()) return &row->second;
  return Fail(RowMissing(kind, id.ToString()));
}

}  // namespace tallyman::control
