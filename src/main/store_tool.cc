#include "main/store_tool.h"

#include <fmt/core.h>

#include "main/open_store.h"
#include "store/sqlite/restore.h"

namespace tallyman::app {
namespace {

// As SQLite takes a file of no bytes, such as a copy that broke off, for a database without tables.
Result<int64_t> VersionOfFilled(const OpenedStore& opened, const DatabaseName& name) {
  ASSIGN_OR_RETURN(const store::SchemaState schema, opened.admin->Schema());
  if (schema.version != 0) return schema.version;
  return Fail(FailedPrecondition("DATABASE_EMPTY",
                                 fmt::format("database {} is empty: it is neither a fleet nor the "
                                             "backup of one; give the path of another",
                                             name.shown))
                  .About(fmt::format("database {}", name.shown)));
}

}  // namespace

Result<cli::MigrateReport> StoreTool::Migrate(const std::string& dsn) {
  ASSIGN_OR_RETURN(const DatabaseName name, ParseDsn(dsn));
  ASSIGN_OR_RETURN(OpenedStore opened,
                   OpenStore(name, {.may_create = true, .as_it_is = true}, random_, log_));
  ASSIGN_OR_RETURN(store::SchemaState before, opened.admin->Schema());
  ASSIGN_OR_RETURN(store::SchemaState after, opened.admin->Migrate());
  return cli::MigrateReport{.from_version = before.version, .to_version = after.version};
}

Status StoreTool::Backup(const std::string& dsn, const std::string& to,
                         const std::function<void(int64_t, int64_t)>& progress) {
  ASSIGN_OR_RETURN(const DatabaseName name, ParseDsn(dsn));
  ASSIGN_OR_RETURN(OpenedStore opened,
                   OpenStore(name, {.as_it_is = true, .may_be_read_only = true}, random_, log_));
  RETURN_IF_ERROR(VersionOfFilled(opened, name));
  return opened.admin->Backup(to, progress);
}

Result<cli::RestoreReport> StoreTool::Restore(
    const std::string& from, const std::string& dsn,
    const std::function<void(int64_t, int64_t)>& progress) {
  ASSIGN_OR_RETURN(const DatabaseName name, ParseDsn(dsn));
  if (name.kind != DatabaseKind::kSqlite) {
    return Fail(Error(
        Code::kUnimplemented, "RESTORE_ELSEWHERE",
        fmt::format(
            "nothing was changed: a PostgreSQL database is restored by PostgreSQL's own tools "
            "(pg_restore, or recovery from a base backup); `tallyman db copy --from "
            "sqlite:PATH --to {}` fills an empty one from a file",
            name.shown)));
  }
  ASSIGN_OR_RETURN(store::sqlite::Restored restored,
                   store::sqlite::RestoreBackup(from, name.place, progress));
  return cli::RestoreReport{.schema_version = restored.schema_version,
                            .kept_as = std::move(restored.kept_as)};
}

Result<cli::CheckReport> StoreTool::Check(const std::string& dsn) {
  ASSIGN_OR_RETURN(const DatabaseName name, ParseDsn(dsn));
  ASSIGN_OR_RETURN(OpenedStore opened,
                   OpenStore(name, {.as_it_is = true, .may_be_read_only = true}, random_, log_));
  cli::CheckReport report;
  ASSIGN_OR_RETURN(report.schema_version, VersionOfFilled(opened, name));
  ASSIGN_OR_RETURN(report.problems, opened.admin->CheckIntegrity());
  return report;
}

Result<cli::CopiedReport> StoreTool::Copy(const std::string& from, const std::string& to,
                                          const std::function<void(int64_t)>& progress) {
  ASSIGN_OR_RETURN(const DatabaseName source, ParseDsn(from));
  ASSIGN_OR_RETURN(const DatabaseName target, ParseDsn(to));
  ASSIGN_OR_RETURN(OpenedStore out, OpenStore(source, {.may_be_read_only = true}, random_, log_));
  ASSIGN_OR_RETURN(OpenedStore in, OpenStore(target, {.may_create = true}, random_, log_));
  ASSIGN_OR_RETURN(const store::CopyReport report,
                   store::CopyEverything(*out.copyable, *in.copyable, progress));
  return cli::CopiedReport{.tables = report.tables,
                           .rows = report.rows,
                           .hosts = report.hosts,
                           .nodes = report.nodes,
                           .ledger_entries = report.ledger_entries,
                           .drifted = report.drifted};
}

std::string StoreTool::Shown(const std::string& dsn) {
  const Result<DatabaseName> name = ParseDsn(dsn);
  return name ? name->shown : "the database";
}

}  // namespace tallyman::app
