// Reads and writes an SQLite database as neutral rows.
#include "store/copy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "store/sqlite/sqlite_store.h"
#include "store/sqlite/transaction.h"

namespace tallyman::store::sqlite {

using tallyman::sqlite::SqliteType;

namespace {

constexpr size_t kRowsAtOnce = 500;

constexpr char kColumns[] =
    "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_xinfo(t.name) c "
    "WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND c.hidden = 0 "
    "ORDER BY t.name, c.name";
constexpr char kReferences[] =
    "SELECT t.name, f.\"table\" FROM sqlite_schema t JOIN pragma_foreign_key_list(t.name) f "
    "WHERE t.type = 'table'";

std::string Quoted(const std::string& name) { return '"' + name + '"'; }

std::string ColumnList(const CopyTable& table) {
  std::vector<std::string> names;
  for (const std::string& column : table.columns) names.push_back(Quoted(column));
  return fmt::format("{}", fmt::join(names, ", "));
}

Result<std::vector<CopyTable>> ReadTables(SqliteConnection& connection) {
  SqliteQuery query = connection.QueryOnce(kColumns);
  std::vector<CopyTable> tables;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, query.Next());
    if (!more) return tables;
    std::string table, column;
    RETURN_IF_ERROR(query.Read(table, column));
    if (tables.empty() || tables.back().name != table) tables.push_back({table, {}});
    tables.back().columns.push_back(column);
  }
}

CopyValue TakeValue(SqliteQuery& query) {
  switch (query.NextType()) {
    case SqliteType::kInteger:
      return query.TakeInteger();
    case SqliteType::kText:
      return std::string(query.TakeText());
    case SqliteType::kBlob:
      return CopyBytes{std::string(query.TakeBlob())};
    case SqliteType::kNull:
      break;
  }
  query.Skip(1);
  return std::monostate{};
}

class Source final : public CopySource {
 public:
  Source(SqliteConnection& connection, std::function<Status()> check_still)
      : connection_(connection), check_still_(std::move(check_still)) {}

  Result<std::vector<CopyTable>> Tables() override { return ReadTables(connection_); }

  Status ReadRows(const CopyTable& table,
                  const std::function<Status(std::span<const CopyRow>)>& take) override {
    SqliteQuery query = connection_.QueryOnce(
        fmt::format("SELECT {} FROM {}", ColumnList(table), Quoted(table.name)));
    std::vector<CopyRow> rows;
    while (true) {
      ASSIGN_OR_RETURN(const bool more, query.Next());
      if (!rows.empty() && (!more || rows.size() == kRowsAtOnce)) {
        RETURN_IF_ERROR(take(rows));
        rows.clear();
      }
      if (!more) return {};
      RETURN_IF_ERROR(query.Read());
      CopyRow& row = rows.emplace_back();
      for (size_t i = 0; i < table.columns.size(); ++i) row.push_back(TakeValue(query));
    }
  }

  Status CheckStill() override { return check_still_(); }

 private:
  SqliteConnection& connection_;
  const std::function<Status()> check_still_;
};

class Target final : public CopyTarget {
 public:
  explicit Target(SqliteConnection& connection) : connection_(connection) {}

  Result<std::vector<CopyTable>> Tables() override {
    ASSIGN_OR_RETURN(std::vector<CopyTable> tables, ReadTables(connection_));
    SqliteQuery query = connection_.QueryOnce(kReferences);
    std::vector<std::pair<std::string, std::string>> edges;
    while (true) {
      ASSIGN_OR_RETURN(const bool more, query.Next());
      if (!more) return SortByReferences(std::move(tables), edges);
      auto& [points, pointed_to] = edges.emplace_back();
      RETURN_IF_ERROR(query.Read(points, pointed_to));
    }
  }

  Status WriteRows(const CopyTable& table, std::span<const CopyRow> rows) override {
    const std::vector<std::string> places(table.columns.size(), "?");
    SqliteQuery query =
        connection_.QueryOnce(fmt::format("INSERT INTO {} ({}) VALUES ({})", Quoted(table.name),
                                          ColumnList(table), fmt::join(places, ", ")));
    for (const CopyRow& row : rows) {
      query.Bind();
      for (const CopyValue& value : row) BindCopied(query, value);
      RETURN_IF_ERROR(query.Run());
    }
    return {};
  }

  Result<int64_t> CountRows(const CopyTable& table) override {
    SqliteQuery query =
        connection_.QueryOnce(fmt::format("SELECT count(*) FROM {}", Quoted(table.name)));
    int64_t rows = 0;
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (found) RETURN_IF_ERROR(query.Read(rows));
    return rows;
  }

 private:
  static void BindCopied(SqliteQuery& query, const CopyValue& value) {
    if (const auto* number = std::get_if<int64_t>(&value)) {
      query.BindInteger(*number);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      query.BindText(*text);
    } else if (const auto* bytes = std::get_if<CopyBytes>(&value)) {
      query.BindBlob(bytes->bytes);
    } else {
      query.BindNull();
    }
  }

  SqliteConnection& connection_;
};

}  // namespace

Status SqliteStore::CopyOut(const std::function<Status(CopySource&, ReadTx&)>& body) {
  RETURN_IF_ERROR(CheckReady());
  // A separate connection, because a copy takes long and readers continue.
  ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> connection, Connect(false));
  RETURN_IF_ERROR(connection->Execute("BEGIN; SELECT count(*) FROM sqlite_schema"));
  SqliteTransaction transaction(*connection, images_);
  Source source(*connection, [this] { return CheckStill(); });
  Status status = body(source, transaction);
  connection->Rollback();
  return status;
}

Status SqliteStore::CopyIn(const std::function<Status(CopyTarget&, ReadTx&)>& body) {
  RETURN_IF_ERROR(CheckReady());
  std::lock_guard lock(writer_mutex_);
  RETURN_IF_ERROR(PrepareToWrite());
  RETURN_IF_ERROR(writer_->Execute("BEGIN IMMEDIATE"));
  SqliteTransaction transaction(*writer_, images_);
  Target target(*writer_);
  Status status = body(target, transaction);
  if (status) status = writer_->Execute("COMMIT");
  if (!status && !writer_->Rollback()) writer_.reset();
  return status;
}

}  // namespace tallyman::store::sqlite
