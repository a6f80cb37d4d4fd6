#include "store/sqlite/schema.h"

#include <fmt/core.h>

#include "store/sqlite/migrations.h"

namespace tallyman::store::sqlite {

using tallyman::sqlite::SqliteQuery;

namespace {

// "TLYM", in the file's header: PRAGMA application_id.
constexpr int64_t kApplicationId = 0x544c594d;

Result<int64_t> ReadNumber(SqliteConnection& connection, const char* sql) {
  SqliteQuery query = connection.QueryOnce(sql);
  int64_t number = 0;
  ASSIGN_OR_RETURN(bool found, query.Next());
  if (found) RETURN_IF_ERROR(query.Read(number));
  return number;
}

Status RunMigration(SqliteConnection& connection, const Migration& migration) {
  RETURN_IF_ERROR(connection.Execute("BEGIN IMMEDIATE"));
  // Another process may have migrated first.
  ASSIGN_OR_RETURN(SchemaState now, ReadSchema(connection));
  if (now.version >= migration.version) return connection.Execute("ROLLBACK");
  RETURN_IF_ERROR(connection.Execute(migration.sql));
  return connection.Execute(
      fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}; COMMIT", kApplicationId,
                  migration.version));
}

}  // namespace

int64_t NewestSchemaVersion() { return static_cast<int64_t>(SqliteMigrations().size()); }

Result<SchemaState> ReadSchema(SqliteConnection& connection) {
  SchemaState schema;
  schema.newest_version = NewestSchemaVersion();
  ASSIGN_OR_RETURN(int64_t application, ReadNumber(connection, "PRAGMA application_id"));
  ASSIGN_OR_RETURN(schema.version, ReadNumber(connection, "PRAGMA user_version"));
  if (application == kApplicationId) return schema;
  ASSIGN_OR_RETURN(int64_t things, ReadNumber(connection, "SELECT count(*) FROM sqlite_schema"));
  if (things == 0 && application == 0 && schema.version == 0) return schema;
  return Fail(FailedPrecondition("NOT_A_DATABASE",
                                 fmt::format("{} is the database of another program: give the path "
                                             "of a Tallyman database, or of a new file",
                                             connection.path()))
                  .About(fmt::format("database {}", connection.path())));
}

Result<SchemaState> MigrateSchema(SqliteConnection& connection) {
  ASSIGN_OR_RETURN(SchemaState before, ReadSchema(connection));
  RETURN_IF_ERROR(CheckSchema(before, connection.path(), true));
  for (const Migration& migration : SqliteMigrations()) {
    if (migration.version <= before.version) continue;
    if (Status status = RunMigration(connection, migration); !status) {
      connection.Rollback();
      return Fail(std::move(status).error());
    }
  }
  return ReadSchema(connection);
}

}  // namespace tallyman::store::sqlite
