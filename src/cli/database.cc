// The words about a database as a whole.
#include <fmt/core.h>

#include <boost/json.hpp>

#include "cli/document.h"
#include "cli/format.h"
#include "cli/nouns.h"
#include "cli/progress.h"

namespace tallyman::cli {
namespace {

struct DatabaseCopy {
  std::string from;
  std::string to;
};

ExitStatus MigrateDatabase(Context& context) {
  ASSIGN_OR_RETURN(const std::string dsn, context.Database());
  ASSIGN_OR_RETURN(const MigrateReport report, context.environment().database.Migrate(dsn));
  const std::string shown = Printable(context.environment().database.Shown(dsn));
  const bool changed = report.from_version != report.to_version;
  const std::string line =
      report.from_version == 0
          ? fmt::format("Created {} at schema version {}.", shown, report.to_version)
      : changed ? fmt::format("Migrated {} from schema version {} to {}.", shown,
                              report.from_version, report.to_version)
                : fmt::format("{} is already at schema version {}.", shown, report.to_version);
  if (changed) context.SetDone(line);
  if (!context.is_table()) {
    context.PrintDocument(boost::json::object{{"from_version", report.from_version},
                                              {"to_version", report.to_version}});
  } else {
    context.Line(line, changed ? Colour::kGreen : Colour::kNone);
  }
  return kExitDone;
}

ExitStatus BackupDatabase(Context& context, std::string& to) {
  if (to == "-") {
    return Fail(InvalidArgument("INVALID_FILE",
                                "a backup is written into a new file, not to standard output: name "
                                "the file, or ./- for one that is called so"));
  }
  ASSIGN_OR_RETURN(const std::string dsn, context.Database());
  {
    Progress progress(context, "backing up");
    RETURN_IF_ERROR(
        context.environment().database.Backup(dsn, to, [&](int64_t done, int64_t total) {
          progress.SetTotal(total);
          progress.Advance(done);
        }));
  }
  context.Confirm("backup", to, fmt::format("Backed up to {}.", Printable(to)));
  return kExitDone;
}

ExitStatus RestoreDatabase(Context& context, std::string& from) {
  ASSIGN_OR_RETURN(const std::string dsn, context.Database());
  DatabaseTool& database = context.environment().database;
  Result<RestoreReport> restored;
  {
    Progress progress(context, "restoring");
    restored = database.Restore(from, dsn, [&](int64_t done, int64_t total) {
      progress.SetTotal(total);
      progress.Advance(done);
    });
  }
  ASSIGN_OR_RETURN(const RestoreReport report, std::move(restored));
  const std::string line =
      fmt::format("Restored {} from {}, at schema version {}.", Printable(database.Shown(dsn)),
                  Printable(from), report.schema_version);
  context.SetDone(line);
  if (!context.is_table()) {
    context.PrintDocument(boost::json::object{
        {"restored_from", ToJsonString(from)},
        {"schema_version", report.schema_version},
        {"kept_as", report.kept_as.empty() ? boost::json::value() : ToJsonString(report.kept_as)}});
    return kExitDone;
  }
  context.Line(line, Colour::kGreen);
  if (!report.kept_as.empty()) {
    context.Detail(fmt::format("What was there is kept as {}: remove it when all is well.",
                               Printable(report.kept_as)));
  }
  context.Detail(
      "\"tallyman audit\" compares its books, once the server is started; what hosts did since the "
      "backup is then told by them.");
  return kExitDone;
}

ExitStatus CheckDatabase(Context& context) {
  ASSIGN_OR_RETURN(const std::string dsn, context.Database());
  Result<CheckReport> checked;
  {
    const Progress progress(context, "checking");
    checked = context.environment().database.Check(dsn);
  }
  ASSIGN_OR_RETURN(const CheckReport report, std::move(checked));
  // Nothing that a command of this program can set right: not a drift, but a failure.
  const int status = report.problems.empty() ? kExitDone : RowOf(Code::kDataLoss).exit_status;
  if (!context.is_table()) {
    boost::json::array problems;
    for (const std::string& problem : report.problems) problems.emplace_back(ToJsonString(problem));
    context.PrintDocument(boost::json::object{{"schema_version", report.schema_version},
                                              {"sound", report.problems.empty()},
                                              {"problems", std::move(problems)}});
    return status;
  }
  for (const std::string& problem : report.problems)
    context.Detail(Printable(problem), Colour::kRed);
  if (report.problems.empty()) {
    context.Line(
        fmt::format("Sound: {} is at schema version {}; \"tallyman audit\" compares its books.",
                    Printable(context.environment().database.Shown(dsn)), report.schema_version),
        Colour::kGreen);
  } else {
    context.Line(
        fmt::format("{} found; restore a backup, or ask for help before anything else is written.",
                    Counted(static_cast<int64_t>(report.problems.size()), "problem")),
        Colour::kRed);
  }
  return status;
}

ExitStatus CopyDatabase(Context& context, DatabaseCopy& options) {
  DatabaseTool& database = context.environment().database;
  Result<CopiedReport> copied;
  {
    Progress progress(context, "copying rows");
    copied = database.Copy(options.from, options.to, [&](int64_t done) { progress.Advance(done); });
  }
  ASSIGN_OR_RETURN(const CopiedReport report, std::move(copied));
  const std::string line =
      fmt::format("Copied {} of {} to {}: {}, {}, {}.", Counted(report.rows, "row"),
                  Counted(report.tables, "table"), Printable(database.Shown(options.to)),
                  Counted(report.hosts, "host"), Counted(report.nodes, "node"),
                  Counted(report.ledger_entries, "ledger entry", "ledger entries"));
  context.SetDone(line);
  if (!context.is_table()) {
    context.PrintDocument(boost::json::object{{"tables", report.tables},
                                              {"rows", report.rows},
                                              {"hosts", report.hosts},
                                              {"nodes", report.nodes},
                                              {"ledger_entries", report.ledger_entries},
                                              {"drifted", report.drifted}});
    return kExitDone;
  }
  context.Line(line, Colour::kGreen);
  if (report.drifted == 0) {
    context.Detail("The books are the same in both, and balance.");
  } else {
    context.Detail(
        fmt::format("The books are the same in both; {} wrong in both: \"tallyman audit\" tells.",
                    Counted(report.drifted, "host or node is", "hosts and nodes are")),
        Colour::kRed);
  }
  return kExitDone;
}

}  // namespace

void DefineDatabase(Word root) {
  Word db = root.Noun("db", "The database as a whole",
                      "  tallyman db migrate --db sqlite:fleet.db\n"
                      "  tallyman db backup fleet.backup\n"
                      "  tallyman db restore fleet.backup --db sqlite:fleet.db\n"
                      "  tallyman db check\n"
                      "  tallyman db copy --from sqlite:fleet.db --to postgres://db/fleet");
  db.Verb("migrate", "Create the database, or bring it to this program's schema",
          "  tallyman db migrate --db sqlite:fleet.db", MigrateDatabase);
  auto [backup, to] =
      db.Verb<std::string>("backup", "Copy the database into a new file while it is in use",
                           "  tallyman db backup fleet.backup", BackupDatabase);
  backup.Argument("FILE", &to, "The new file");
  auto [restore, from] = db.Verb<std::string>(
      "restore", "Put a backup in the place of a database that nobody uses; the old one is kept",
      "  tallyman db restore fleet.backup --db sqlite:fleet.db", RestoreDatabase);
  restore.Argument("FILE", &from, "The backup");
  db.Verb("check", "Check that the database is sound (\"tallyman audit\" checks the books)",
          "  tallyman db check", CheckDatabase);
  auto [copy, databases] = db.Verb<DatabaseCopy>(
      "copy", "Copy everything into an empty database, of either kind",
      "  tallyman db copy --from sqlite:fleet.db --to postgres://tallyman@db.example/fleet",
      CopyDatabase);
  copy.Text("--from", "DSN", &databases.from, "The database to copy; it may be in use").Required();
  copy.Text("--to", "DSN", &databases.to, "The database to fill; it must be empty").Required();
}

}  // namespace tallyman::cli
