#include "store/postgres/schema.h"

#include <fmt/core.h>

#include "store/postgres/migrations.h"

namespace tallyman::store::postgres {
namespace {

// "TLYM"; the same number marks SQLite files.
constexpr int64_t kMigrationLock = 0x544c594d;

constexpr char kTables[] =
    "SELECT count(*) FILTER (WHERE tablename = 'tallyman_schema'), count(*), "
    "current_setting('server_encoding') FROM pg_tables WHERE schemaname = current_schema()";
constexpr char kVersion[] = "SELECT version FROM tallyman_schema";
constexpr char kLock[] = "SELECT pg_advisory_lock($1)::text";
constexpr char kUnlock[] = "SELECT pg_advisory_unlock($1)";

Result<PgResult> RunOne(PgConnection& connection, const char* sql, PgParams params = {}) {
  PgBatch batch;
  batch.Add(sql, std::move(params));
  ASSIGN_OR_RETURN(std::vector<PgResult> results, connection.Run(batch));
  return std::move(results.front());
}

Status RunMigration(PgConnection& connection, const Migration& migration) {
  const bool first = migration.version == 1;
  const std::string version =
      first ? std::string(
                  "CREATE TABLE tallyman_schema (version bigint NOT NULL);"
                  "INSERT INTO tallyman_schema (version) VALUES (1);")
            : fmt::format("UPDATE tallyman_schema SET version = {};", migration.version);
  Status status = connection.Execute(fmt::format("BEGIN;{};{}COMMIT", migration.sql, version));
  if (!status && !connection.broken()) {
    if (Status undone = connection.Execute("ROLLBACK"); !undone) return undone;
  }
  return status;
}

Status RunMigrations(PgConnection& connection) {
  // Another process may have migrated first.
  ASSIGN_OR_RETURN(const SchemaState before, ReadSchema(connection));
  RETURN_IF_ERROR(CheckSchema(before, connection.shown(), true));
  for (const Migration& migration : PostgresMigrations()) {
    if (migration.version <= before.version) continue;
    RETURN_IF_ERROR(RunMigration(connection, migration));
  }
  return {};
}

}  // namespace

Result<SchemaState> ReadSchema(PgConnection& connection) {
  SchemaState schema;
  schema.newest_version = static_cast<int64_t>(PostgresMigrations().size());
  ASSIGN_OR_RETURN(PgResult tables, RunOne(connection, kTables));
  int64_t ours = 0, all = 0;
  std::string encoding;
  RETURN_IF_ERROR(tables.row(0).Read(ours, all, encoding));
  if (encoding != "UTF8") {
    return Fail(FailedPrecondition(
                    "DATABASE_ENCODING",
                    fmt::format("database {} cannot hold every text, since its encoding is {}: "
                                "create it with `createdb -E UTF8 -T template0 NAME`",
                                connection.shown(), encoding))
                    .About(fmt::format("database {}", connection.shown())));
  }
  if (ours == 0 && all > 0) {
    return Fail(
        FailedPrecondition("NOT_A_DATABASE",
                           fmt::format("database {} holds the tables of another program: give the "
                                       "name of a Tallyman database, or of an empty one",
                                       connection.shown()))
            .About(fmt::format("database {}", connection.shown())));
  }
  if (ours == 0) return schema;
  ASSIGN_OR_RETURN(PgResult version, RunOne(connection, kVersion));
  if (version.rows() == 1) RETURN_IF_ERROR(version.row(0).Read(schema.version));
  return schema;
}

Result<SchemaState> MigrateSchema(PgConnection& connection) {
  ASSIGN_OR_RETURN(PgResult locked, RunOne(connection, kLock, PgParams::Of(kMigrationLock)));
  Status migrated = RunMigrations(connection);
  if (!connection.broken()) {
    ASSIGN_OR_RETURN(PgResult unlocked, RunOne(connection, kUnlock, PgParams::Of(kMigrationLock)));
  }
  RETURN_IF_ERROR(migrated);
  return ReadSchema(connection);
}

}  // namespace tallyman::store::postgres
