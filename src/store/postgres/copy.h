// A PostgreSQL database as neutral rows, out of it and into it.
#pragma once

#include <unordered_map>

#include "store/copy.h"
#include "store/postgres/transaction.h"

namespace tallyman {

// The tables of the current schema, but for the one that says its version.
Result<std::vector<CopyTable>> ReadCopyTables(PgTransaction& transaction);

class PgCopySource final : public CopySource {
 public:
  // Does not own it. Rows are read through a cursor, so they are of its snapshot.
  explicit PgCopySource(PgTransaction& transaction) : transaction_(transaction) {}
  Result<std::vector<CopyTable>> Tables() override { return ReadCopyTables(transaction_); }
  Status ReadRows(const CopyTable& table,
                  const std::function<Status(std::span<const CopyRow>)>& take) override;

 private:
  PgTransaction& transaction_;
};

class PgCopyTarget final : public CopyTarget {
 public:
  explicit PgCopyTarget(PgTransaction& transaction) : transaction_(transaction) {}
  Result<std::vector<CopyTable>> Tables() override;
  Status WriteRows(const CopyTable& table, std::span<const CopyRow> rows) override;
  Result<int64_t> CountRows(const CopyTable& table) override;
  // Lets the counters of identity columns go on behind what was written.
  Status SetCounters();

 private:
  // By column, as the database calls them.
  Result<const std::unordered_map<std::string, PgType>*> TypesOf(const CopyTable& table);

  PgTransaction& transaction_;
  std::unordered_map<std::string, std::unordered_map<std::string, PgType>> types_;
};

}  // namespace tallyman
