// Copies a whole database into another one, of either kind: every table, row by row.
//
// A backend reads and writes rows as neutral values. It reads its tables and columns from its own
// catalogue, so that no table of a later schema is forgotten. Both databases must be at the newest
// schema, where their tables and columns have the same names.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "store/store.h"

namespace tallyman::store {

struct CopyBytes {
  std::string bytes;
};
// NULL; integers and booleans; text; bytes and ids.
using CopyValue = std::variant<std::monostate, int64_t, std::string, CopyBytes>;
using CopyRow = std::vector<CopyValue>;

struct CopyTable {
  std::string name;
  std::vector<std::string> columns;  // without those that the database computes; sorted by name
};

// The source of rows: one consistent state.
class CopySource {
 public:
  virtual ~CopySource() = default;
  // In any order.
  virtual Result<std::vector<CopyTable>> Tables() = 0;
  // All rows, a bounded number at a time, with the columns in the table's order.
  virtual Status ReadRows(const CopyTable& table,
                          const std::function<Status(std::span<const CopyRow>)>& take) = 0;
  // Asked after everything was read, before the copy is committed: whether it was one state.
  virtual Status CheckStill() = 0;
};

// The target of rows: one transaction.
class CopyTarget {
 public:
  virtual ~CopyTarget() = default;
  // In an order in which rows may be written: a referenced table precedes those that refer to it.
  virtual Result<std::vector<CopyTable>> Tables() = 0;
  virtual Status WriteRows(const CopyTable& table, std::span<const CopyRow> rows) = 0;
  virtual Result<int64_t> CountRows(const CopyTable& table) = 0;
};

// A store that can be copied.
class CopyableStore {
 public:
  virtual ~CopyableStore() = default;
  // Provides one consistent state, as rows and as a read transaction.
  virtual Status CopyOut(const std::function<Status(CopySource&, ReadTx&)>& body) = 0;
  // Commits the rows when `body` succeeds, otherwise nothing.
  virtual Status CopyIn(const std::function<Status(CopyTarget&, ReadTx&)>& body) = 0;
};

struct CopyReport {
  int64_t tables = 0;
  int64_t rows = 0;
  int64_t hosts = 0;
  int64_t nodes = 0;  // live
  int64_t ledger_entries = 0;
  // Hosts and nodes whose books are wrong, the same in both.
  int64_t drifted = 0;
};

// Copies everything, then compares: rows table by table, and the audit of every host and node. The
// target is committed only when all of that is equal. `progress` receives the number of rows done.
//   FAILED_PRECONDITION DATABASE_NOT_EMPTY   the target holds rows already
//   FAILED_PRECONDITION SCHEMAS_DIFFER       the two have different tables or columns
//   DATA_LOSS COPY_DIFFERS                   the copy differs from its source; nothing is kept
Result<CopyReport> CopyEverything(CopyableStore& from, CopyableStore& to,
                                  const std::function<void(int64_t)>& progress);

// For targets: sorts tables so that each follows those it refers to. `edges` are pairs (referring,
// referenced); a table may refer to itself.
std::vector<CopyTable> SortByReferences(
    std::vector<CopyTable> tables, const std::vector<std::pair<std::string, std::string>>& edges);

}  // namespace tallyman::store
