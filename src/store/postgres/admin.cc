// The database as a whole: schema, backup, integrity.
#include <fmt/format.h>

#include "base/text.h"
#include "store/postgres/postgres_store.h"
#include "store/postgres/schema.h"

namespace tallyman::store::postgres {
namespace {

// Each foreign key as a query that counts the rows that refer to nothing. The database builds them
// from its own catalogue, so that no key is forgotten.
constexpr char kForeignKeyChecks[] =
    "SELECT c.conrelid::regclass::text, c.confrelid::regclass::text, format("
    "'SELECT count(*) FROM %s a WHERE %s AND NOT EXISTS (SELECT 1 FROM %s b WHERE %s)', "
    "c.conrelid::regclass, string_agg(format('a.%I IS NOT NULL', x.attname), ' AND '), "
    "c.confrelid::regclass, string_agg(format('b.%I = a.%I', y.attname, x.attname), ' AND ')) "
    "FROM pg_constraint c CROSS JOIN LATERAL unnest(c.conkey, c.confkey) AS k (here, there) "
    "JOIN pg_attribute x ON x.attrelid = c.conrelid AND x.attnum = k.here "
    "JOIN pg_attribute y ON y.attrelid = c.confrelid AND y.attnum = k.there "
    "WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace "
    "GROUP BY c.oid, c.conrelid, c.confrelid ORDER BY 1, 2, c.oid";
// The same for CHECKs.
constexpr char kRowChecks[] =
    "SELECT c.conrelid::regclass::text, pg_get_expr(c.conbin, c.conrelid), "
    "format('SELECT count(*) FROM %s WHERE NOT (%s)', c.conrelid::regclass, "
    "pg_get_expr(c.conbin, c.conrelid)) "
    "FROM pg_constraint c WHERE c.contype = 'c' "
    "AND c.connamespace = current_schema()::regnamespace ORDER BY 1, 2";

// Runs the queries that `catalogue_query` builds, and reports in `words` (table, what, rows) those
// with a count above zero.
Status AppendFaults(PgConnection& connection, const char* catalogue_query, std::string_view words,
                    std::vector<std::string>& faults) {
  PgBatch listing;
  listing.Add(catalogue_query);
  ASSIGN_OR_RETURN(std::vector<PgResult> checks, connection.Run(listing));
  for (int i = 0; i < checks[0].rows(); ++i) {
    std::string table, what, sql;
    RETURN_IF_ERROR(checks[0].row(i).Read(table, what, sql));
    PgBatch batch;
    batch.AddOnce(sql);
    ASSIGN_OR_RETURN(std::vector<PgResult> counted, connection.Run(batch));
    int64_t rows = 0;
    RETURN_IF_ERROR(counted[0].row(0).Read(rows));
    if (rows > 0) {
      faults.push_back(fmt::format(fmt::runtime(words), fmt::arg("table", table),
                                   fmt::arg("what", what), fmt::arg("rows", rows)));
    }
  }
  return {};
}

}  // namespace

Result<SchemaState> PostgresStore::Schema() {
  ASSIGN_OR_RETURN(PgPool::Lease lease, readers_.Take());
  return ReadSchema(*lease);
}

Result<std::unique_ptr<PgConnection>> PostgresStore::ConnectPatiently() {
  PgConnectOptions patient = connect_;
  patient.statement_timeout_ms = 0;
  patient.lock_timeout_ms = 0;
  patient.batch_timeout_ms = int64_t{24} * 60 * 60 * 1000;
  return PgConnection::Open(patient, stats_);
}

Result<SchemaState> PostgresStore::Migrate() {
  // A migration may take long, and may wait long for another one.
  ASSIGN_OR_RETURN(std::unique_ptr<PgConnection> connection, ConnectPatiently());
  ASSIGN_OR_RETURN(const SchemaState schema, MigrateSchema(*connection));
  schema_version_ = schema.version;
  return schema;
}

Status PostgresStore::Backup(const std::string& to, const std::function<void(int64_t, int64_t)>&) {
  return Fail(
      Error(Code::kUnimplemented, "BACKUP_ELSEWHERE",
            fmt::format("nothing was written to {}: a PostgreSQL database is backed up by "
                        "PostgreSQL's own tools (pg_dump for a copy, pg_basebackup and WAL "
                        "archiving to be able to go back to any moment); `tallyman db copy --from "
                        "{} --to sqlite:PATH` writes the books into one file",
                        Quote(to), shown()))
          .About(fmt::format("database {}", shown())));
}

Result<std::vector<std::string>> PostgresStore::CheckIntegrity() {
  ASSIGN_OR_RETURN(PgPool::Lease lease, readers_.Take());
  std::vector<std::string> faults;
  RETURN_IF_ERROR(AppendFaults(*lease, kForeignKeyChecks,
                               "{table}: {rows} row(s) point to a missing row of {what}", faults));
  RETURN_IF_ERROR(AppendFaults(*lease, kRowChecks, "{table}: {rows} row(s) break {what}", faults));
  return faults;
}

}  // namespace tallyman::store::postgres
