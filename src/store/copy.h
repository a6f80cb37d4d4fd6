// Copying a whole database into another one, of whatever kind: every table, row by row.
//
// A backend gives its rows and takes them as neutral values; which tables and columns there are it
// reads from its own catalogue, so that no table of a later schema is forgotten. Both databases
// have to be at the newest schema, where their tables and columns have the same names.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "store/store.h"

namespace tallyman {

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

// Where rows come from: one consistent state.
class CopySource {
 public:
  virtual ~CopySource() = default;
  // In any order.
  virtual Result<std::vector<CopyTable>> Tables() = 0;
  // All rows, a bounded number at a time, with the columns in the order of the table's.
  virtual Status ReadRows(const CopyTable& table,
                          const std::function<Status(std::span<const CopyRow>)>& take) = 0;
};

// Where they go: one transaction.
class CopyTarget {
 public:
  virtual ~CopyTarget() = default;
  // In an order in which rows may be written: what is pointed to stands before what points to it.
  virtual Result<std::vector<CopyTable>> Tables() = 0;
  virtual Status WriteRows(const CopyTable& table, std::span<const CopyRow> rows) = 0;
  virtual Result<int64_t> CountRows(const CopyTable& table) = 0;
};

// A store that can be copied.
class CopyableStore {
 public:
  virtual ~CopyableStore() = default;
  // Gives one consistent state, as rows and as what can be asked of it.
  virtual Status CopyOut(const std::function<Status(CopySource&, ReadTx&)>& body) = 0;
  // Commits what was written when `body` succeeds, and else nothing.
  virtual Status CopyIn(const std::function<Status(CopyTarget&, ReadTx&)>& body) = 0;
};

struct CopyReport {
  int64_t tables = 0;
  int64_t rows = 0;
  int64_t hosts = 0;
  int64_t nodes = 0;  // live
  int64_t ledger_entries = 0;
  // Hosts and nodes whose books are wrong, in both alike.
  int64_t drifted = 0;
};

// Copies everything, then compares: rows table by table, and the audit of every host and node. The
// target is committed only when all of that is the same. `progress` hears the rows done.
//   FAILED_PRECONDITION DATABASE_NOT_EMPTY   the target holds rows already
//   FAILED_PRECONDITION SCHEMAS_DIFFER       the two have different tables or columns
//   DATA_LOSS COPY_DIFFERS                   what arrived is not what was sent; nothing is kept
Result<CopyReport> CopyEverything(CopyableStore& from, CopyableStore& to,
                                  const std::function<void(int64_t)>& progress);

// For targets: puts tables into an order in which every one stands behind those it points to.
// `edges` are pairs (points, is pointed to); a table may point to itself.
std::vector<CopyTable> SortByReferences(
    std::vector<CopyTable> tables, const std::vector<std::pair<std::string, std::string>>& edges);

}  // namespace tallyman
