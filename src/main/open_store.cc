#include "main/open_store.h"

#include <fmt/core.h>

#include "base/random.h"
#include "store/postgres/postgres_store.h"
#include "store/sqlite/sqlite_store.h"

namespace tallyman::app {
namespace {

constexpr int kPostgresWriters = 4;

template <class AStore>
OpenedStore Opened(std::unique_ptr<AStore> store, int writers) {
  OpenedStore opened;
  opened.admin = store.get();
  opened.copyable = store.get();
  opened.store = std::move(store);
  opened.writers = writers;
  return opened;
}

Result<OpenedStore> OpenSqlite(const std::string& path, const OpenOptions& options) {
  store::sqlite::SqliteStoreOptions sqlite;
  sqlite.create_if_missing = options.may_create;
  sqlite.for_migration = options.as_it_is;
  sqlite.readers_max = options.readers_max;
  ASSIGN_OR_RETURN(auto store, store::sqlite::SqliteStore::Open(path, std::move(sqlite)));
  return Opened(std::move(store), 1);
}

Result<OpenedStore> OpenPostgres(const std::string& dsn, const OpenOptions& options,
                                 Random& random) {
  store::postgres::PostgresStoreOptions postgres;
  postgres.may_be_empty = options.may_create;
  postgres.for_migration = options.as_it_is;
  postgres.readers_max = options.readers_max;
  postgres.writers_max = kPostgresWriters;
  postgres.jitter_seed = random.Next();
  ASSIGN_OR_RETURN(auto store, store::postgres::PostgresStore::Open(dsn, postgres));
  return Opened(std::move(store), kPostgresWriters);
}

}  // namespace

Result<OpenedStore> OpenStore(const DatabaseName& name, const OpenOptions& options, Random& random,
                              Log& log) {
  ASSIGN_OR_RETURN(OpenedStore opened, name.kind == DatabaseKind::kSqlite
                                           ? OpenSqlite(name.place, options)
                                           : OpenPostgres(name.place, options, random));
  ASSIGN_OR_RETURN(store::SchemaState schema, opened.admin->Schema());
  if (schema.version != 0 || options.as_it_is) return opened;
  // An empty schema is accepted only if the database may be created.
  ASSIGN_OR_RETURN(schema, opened.admin->Migrate());
  log.Write({LogLevel::kWarning,
             "database_created",
             fmt::format("database {} was empty: created its schema at version {}", name.shown,
                         schema.version),
             {}});
  return opened;
}

}  // namespace tallyman::app
