#include "store/postgres/copy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "store/postgres/postgres_store.h"

namespace tallyman::store::postgres {
namespace {

constexpr int64_t kRowsAtOnce = 500;

constexpr char kColumns[] =
    "SELECT c.relname::text, a.attname::text, a.atttypid::bigint FROM pg_class c "
    "JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relkind = 'r' "
    "AND c.relnamespace = current_schema()::regnamespace AND c.relname <> 'tallyman_schema' "
    "AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' "
    "ORDER BY c.relname, a.attname COLLATE \"C\"";
constexpr char kReferences[] =
    "SELECT DISTINCT a.relname::text, b.relname::text FROM pg_constraint c "
    "JOIN pg_class a ON a.oid = c.conrelid JOIN pg_class b ON b.oid = c.confrelid "
    "WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace";
constexpr char kCounters[] =
    "SELECT format('SELECT setval(%L, coalesce(max(%I), 1), max(%I) IS NOT NULL) FROM %I', "
    "pg_get_serial_sequence(quote_ident(c.relname), a.attname), a.attname, a.attname, c.relname) "
    "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relkind = 'r' "
    "AND c.relnamespace = current_schema()::regnamespace AND a.attidentity <> ''";

// Checked row by row, foreign keys take most of the time of a copy; put back, each takes one query.
// All of it happens in the one transaction, in which the tables belong to nobody else.
constexpr char kForeignKeys[] =
    "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', c.conrelid::regclass, c.conname), "
    "format('ALTER TABLE %s ADD CONSTRAINT %I %s', c.conrelid::regclass, c.conname, "
    "pg_get_constraintdef(c.oid)) FROM pg_constraint c "
    "WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace "
    "ORDER BY c.conrelid::regclass::text, c.conname";

std::string Quoted(const std::string& name) { return '"' + name + '"'; }

std::string ColumnList(const CopyTable& table) {
  std::vector<std::string> names;
  for (const std::string& column : table.columns) names.push_back(Quoted(column));
  return fmt::format("{}", fmt::join(names, ", "));
}

Result<CopyValue> TakeValue(PgRow& row, PgType type) {
  CopyValue value;
  if (row.NextIsNull()) {
    row.Skip(1);
    return value;
  }
  if (type == PgType::kInt8) {
    RETURN_IF_ERROR(row.Read(value.emplace<int64_t>()));
  } else if (type == PgType::kBool) {
    bool is_true = false;
    RETURN_IF_ERROR(row.Read(is_true));
    value = int64_t{is_true ? 1 : 0};
  } else if (type == PgType::kText) {
    RETURN_IF_ERROR(row.Read(value.emplace<std::string>()));
  } else {
    value = CopyBytes{std::string(row.TakeBytes())};
  }
  return value;
}

Status AddValue(PgSink& sink, PgType type, const CopyTable& table, const std::string& name,
                const CopyValue& value) {
  const auto* number = std::get_if<int64_t>(&value);
  const auto* text = std::get_if<std::string>(&value);
  const auto* bytes = std::get_if<CopyBytes>(&value);
  if (std::holds_alternative<std::monostate>(value)) {
    sink.AddNull(type);
  } else if (number != nullptr && type == PgType::kInt8) {
    AppendValue(sink, *number);
  } else if (number != nullptr && type == PgType::kBool) {
    AppendValue(sink, *number != 0);
  } else if (text != nullptr && type == PgType::kText) {
    AppendValue(sink, *text);
  } else if (bytes != nullptr && (type == PgType::kBytea || type == PgType::kUuid)) {
    sink.Add(type, bytes->bytes);
  } else {
    return Fail(
        DataLoss("DATABASE_CORRUPT",
                 fmt::format("column {} of a row of {} does not have the form in which it is "
                             "written: run `tallyman db check` on the database that is copied",
                             name, table.name)));
  }
  return {};
}

}  // namespace

Result<std::vector<CopyTable>> ReadCopyTables(PgTransaction& transaction) {
  ASSIGN_OR_RETURN(PgResult result, transaction.RunOne(kColumns, {}));
  std::vector<CopyTable> tables;
  for (int i = 0; i < result.rows(); ++i) {
    std::string table, column;
    RETURN_IF_ERROR(result.row(i).Read(table, column));
    if (tables.empty() || tables.back().name != table) tables.push_back({table, {}});
    tables.back().columns.push_back(column);
  }
  return tables;
}

Status PgCopySource::ReadRows(const CopyTable& table,
                              const std::function<Status(std::span<const CopyRow>)>& take) {
  PgBatch declare;
  declare.AddOnce(fmt::format("DECLARE copied NO SCROLL CURSOR FOR SELECT {} FROM {}",
                              ColumnList(table), Quoted(table.name)));
  ASSIGN_OR_RETURN(auto declared, transaction_.Run(std::move(declare)));
  while (true) {
    PgBatch fetch;
    fetch.AddOnce(fmt::format("FETCH {} FROM copied", kRowsAtOnce));
    ASSIGN_OR_RETURN(std::vector<PgResult> results, transaction_.Run(std::move(fetch)));
    const PgResult& result = results.front();
    std::vector<CopyRow> rows(static_cast<size_t>(result.rows()));
    for (int i = 0; i < result.rows(); ++i) {
      PgRow row = result.row(i);
      for (size_t column = 0; column < table.columns.size(); ++column) {
        const auto type = static_cast<PgType>(PQftype(result.get(), static_cast<int>(column)));
        ASSIGN_OR_RETURN(CopyValue value, TakeValue(row, type));
        rows[static_cast<size_t>(i)].push_back(std::move(value));
      }
    }
    if (!rows.empty()) RETURN_IF_ERROR(take(rows));
    if (result.rows() < kRowsAtOnce) break;
  }
  PgBatch close;
  close.AddOnce("CLOSE copied");
  ASSIGN_OR_RETURN(auto closed, transaction_.Run(std::move(close)));
  return {};
}

Result<std::vector<CopyTable>> PgCopyTarget::Tables() {
  ASSIGN_OR_RETURN(std::vector<CopyTable> tables, ReadCopyTables(transaction_));
  ASSIGN_OR_RETURN(PgResult result, transaction_.RunOne(kReferences, {}));
  std::vector<std::pair<std::string, std::string>> edges(static_cast<size_t>(result.rows()));
  for (int i = 0; i < result.rows(); ++i) {
    auto& [points, pointed_to] = edges[static_cast<size_t>(i)];
    RETURN_IF_ERROR(result.row(i).Read(points, pointed_to));
  }
  return SortByReferences(std::move(tables), edges);
}

Result<const std::unordered_map<std::string, PgType>*> PgCopyTarget::TypesOf(
    const CopyTable& table) {
  if (types_.empty()) {
    ASSIGN_OR_RETURN(PgResult result, transaction_.RunOne(kColumns, {}));
    for (int i = 0; i < result.rows(); ++i) {
      std::string name, column;
      int64_t type = 0;
      RETURN_IF_ERROR(result.row(i).Read(name, column, type));
      types_[name][column] = static_cast<PgType>(type);
    }
  }
  return &types_[table.name];
}

Status PgCopyTarget::WriteRows(const CopyTable& table, std::span<const CopyRow> rows) {
  // Not earlier: until a target is known to be empty, others may be using it.
  if (foreign_keys_.empty()) RETURN_IF_ERROR(DropForeignKeys());
  ASSIGN_OR_RETURN(const auto* types, TypesOf(table));
  std::vector<PgType> column_types;
  for (const std::string& name : table.columns) column_types.push_back(types->at(name));
  PgCopyRows copied;
  for (const CopyRow& row : rows) {
    copied.BeginRow(table.columns.size());
    for (size_t i = 0; i < table.columns.size(); ++i) {
      RETURN_IF_ERROR(AddValue(copied, column_types[i], table, table.columns[i], row.at(i)));
    }
  }
  copied.End();
  return transaction_.CopyIn(fmt::format("COPY {} ({}) FROM STDIN WITH (FORMAT binary)",
                                         Quoted(table.name), ColumnList(table)),
                             copied);
}

Result<int64_t> PgCopyTarget::CountRows(const CopyTable& table) {
  PgBatch batch;
  batch.AddOnce(fmt::format("SELECT count(*) FROM {}", Quoted(table.name)));
  ASSIGN_OR_RETURN(std::vector<PgResult> results, transaction_.Run(std::move(batch)));
  int64_t rows = 0;
  RETURN_IF_ERROR(results.front().row(0).Read(rows));
  return rows;
}

Status PgCopyTarget::DropForeignKeys() {
  ASSIGN_OR_RETURN(PgResult keys, transaction_.RunOne(kForeignKeys, {}));
  PgBatch drop;
  for (int i = 0; i < keys.rows(); ++i) {
    std::string sql;
    RETURN_IF_ERROR(keys.row(i).Read(sql, foreign_keys_.emplace_back()));
    drop.AddOnce(std::move(sql));
  }
  if (keys.rows() == 0) return {};
  ASSIGN_OR_RETURN(auto dropped, transaction_.Run(std::move(drop)));
  return {};
}

Status PgCopyTarget::AddForeignKeys() {
  if (foreign_keys_.empty()) return {};
  PgBatch add;
  for (std::string& sql : foreign_keys_) add.AddOnce(std::move(sql));
  ASSIGN_OR_RETURN(auto added, transaction_.Run(std::move(add)));
  return {};
}

Status PgCopyTarget::SetCounters() {
  ASSIGN_OR_RETURN(PgResult counters, transaction_.RunOne(kCounters, {}));
  for (int i = 0; i < counters.rows(); ++i) {
    std::string sql;
    RETURN_IF_ERROR(counters.row(i).Read(sql));
    PgBatch batch;
    batch.AddOnce(std::move(sql));
    ASSIGN_OR_RETURN(auto set, transaction_.Run(std::move(batch)));
  }
  return {};
}

Status PostgresStore::CopyOut(const std::function<Status(CopySource&, ReadTx&)>& body) {
  RETURN_IF_ERROR(CheckReady());
  ASSIGN_OR_RETURN(std::unique_ptr<PgConnection> connection, ConnectPatiently());
  PgTransaction transaction(*connection, images_, PgAccess::kRead);
  PgCopySource source(transaction);
  return body(source, transaction);
}

Status PostgresStore::CopyIn(const std::function<Status(CopyTarget&, ReadTx&)>& body) {
  RETURN_IF_ERROR(CheckReady());
  ASSIGN_OR_RETURN(std::unique_ptr<PgConnection> connection, ConnectPatiently());
  PgTransaction transaction(*connection, images_, PgAccess::kWrite);
  PgCopyTarget target(transaction);
  RETURN_IF_ERROR(body(target, transaction));
  RETURN_IF_ERROR(target.AddForeignKeys());
  RETURN_IF_ERROR(target.SetCounters());
  return transaction.Finish();
}

}  // namespace tallyman::store::postgres
