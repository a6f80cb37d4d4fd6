// Reads and writes a PostgreSQL database as neutral rows.
#pragma once

#include <unordered_map>

#include "store/copy.h"
#include "store/postgres/transaction.h"

namespace tallyman::store::postgres {

// The tables of the current schema, except the one that holds its version.
Result<std::vector<CopyTable>> ReadCopyTables(PgTransaction& transaction);

class PgCopySource final : public CopySource {
 public:
  // Does not own the connection. Rows are read through a cursor, so they belong to its snapshot.
  explicit PgCopySource(PgTransaction& transaction) : transaction_(transaction) {}
  Result<std::vector<CopyTable>> Tables() override { return ReadCopyTables(transaction_); }
  Status ReadRows(const CopyTable& table,
                  const std::function<Status(std::span<const CopyRow>)>& take) override;
  Status CheckStill() override { return {}; }

 private:
  PgTransaction& transaction_;
};

class PgCopyTarget final : public CopyTarget {
 public:
  explicit PgCopyTarget(PgTransaction& transaction) : transaction_(transaction) {}
  Result<std::vector<CopyTable>> Tables() override;
  Status WriteRows(const CopyTable& table, std::span<const CopyRow> rows) override;
  Result<int64_t> CountRows(const CopyTable& table) override;
  // Puts back the foreign keys that WriteRows() took away; each checks all rows. CONSTRAINT_FAILED:
  // a row refers to one that is not there.
  Status AddForeignKeys();
  // Moves the counters of identity columns past the rows that were written.
  Status SetCounters();

 private:
  Status DropForeignKeys();
  // The types by column, as the database names them.
  Result<const std::unordered_map<std::string, PgType>*> TypesOf(const CopyTable& table);

  PgTransaction& transaction_;
  std::unordered_map<std::string, std::unordered_map<std::string, PgType>> types_;
  std::vector<std::string> foreign_keys_;  // statements that put them back
};

}  // namespace tallyman::store::postgres
