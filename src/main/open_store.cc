#include "main/open_store.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

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

constexpr mode_t kOfOthers = S_IRWXO;

// Files of before are for whoever may enter their directory, as the umask was; those made now are
// their owner's. A group that was let in on purpose (0640, 0660) stays.
void KeepFromOthers(const std::string& path, Log& log) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    const std::string file = path + suffix;
    struct stat info{};
    if (::stat(file.c_str(), &info) != 0 || (info.st_mode & kOfOthers) == 0) continue;
    const bool is_kept = ::chmod(file.c_str(), S_IRUSR | S_IWUSR) == 0;
    const std::string why = is_kept ? "" : std::strerror(errno);
    log.Write({LogLevel::kWarning,
               is_kept ? "database_file_closed" : "database_file_open",
               fmt::format(
                   "file {} has digests of tokens and values of nodes, and everybody on this "
                   "machine could read it (mode {:04o}); {}",
                   file, info.st_mode & ALLPERMS,
                   is_kept ? "now only its owner can (0600): chmod 0660 to let a group in, "
                             "and chmod 0600 older backups"
                           : "that cannot be changed (" + why + "): have its owner run chmod 0600"),
               {{"file", file}}});
  }
}

Result<OpenedStore> OpenSqlite(const std::string& path, const OpenOptions& options, Log& log) {
  store::sqlite::SqliteStoreOptions sqlite;
  sqlite.create_if_missing = options.may_create;
  sqlite.for_migration = options.as_it_is;
  sqlite.may_be_read_only = options.may_be_read_only;
  sqlite.readers_max = options.readers_max;
  ASSIGN_OR_RETURN(auto store, store::sqlite::SqliteStore::Open(path, std::move(sqlite)));
  if (options.may_create) KeepFromOthers(path, log);
  const bool is_read_only = store->is_read_only();
  OpenedStore opened = Opened(std::move(store), 1);
  opened.is_read_only = is_read_only;
  return opened;
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
                                           ? OpenSqlite(name.place, options, log)
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
