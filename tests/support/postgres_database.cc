#include <fmt/core.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <stdexcept>

#include "store/postgres/postgres_store.h"
#include "support/postgres_cluster.h"

namespace tallyman {
namespace {

constexpr char kTemplate[] = "tallyman_template";

bool TemplateIsThere() {
  return !RunSql(SharedClusterDsn("postgres"),
                 fmt::format("SELECT 1 FROM pg_database WHERE datname = '{}'", kTemplate))
              .empty();
}

void MakeTemplate() {
  const std::string administration = SharedClusterDsn("postgres");
  // The lock ends with the connection, so everything is said on one of a loop of its own: whoever
  // comes second finds the name taken, and waits until the template is marked as one.
  try {
    RunSql(administration, fmt::format("CREATE DATABASE {}_in_the_making", kTemplate));
  } catch (const std::runtime_error&) {
    return;
  }
  // Somebody may have finished it since it was looked for; nobody can while the name is ours.
  if (TemplateIsThere()) {
    RunSql(administration, fmt::format("DROP DATABASE {}_in_the_making", kTemplate));
    return;
  }
  {
    store::postgres::PostgresStoreOptions options;
    options.for_migration = true;
    auto store = store::postgres::PostgresStore::Open(
        SharedClusterDsn(fmt::format("{}_in_the_making", kTemplate)), options);
    if (!store) throw std::runtime_error(store.error().message);
    if (auto migrated = (*store)->Migrate(); !migrated) {
      throw std::runtime_error(migrated.error().message);
    }
  }
  RunSql(administration, fmt::format("ALTER DATABASE {0}_in_the_making RENAME TO {0}", kTemplate));
}

void EnsureTemplate() {
  static const bool done = [] {
    for (int tries = 0; !TemplateIsThere(); ++tries) {
      if (tries > 3000) throw std::runtime_error("nobody finishes the template database");
      MakeTemplate();
      ::usleep(20'000);
    }
    return true;
  }();
  static_cast<void>(done);
}

// The tables' CHECKs as statements: to drop them, and to make them again for new rows only.
constexpr char kDropChecks[] =
    "SELECT coalesce(string_agg(format('ALTER TABLE %s DROP CONSTRAINT %I;', conrelid::regclass, "
    "conname), ''), '') FROM pg_constraint WHERE contype = 'c' AND conrelid <> 0";
constexpr char kMakeChecks[] =
    "SELECT coalesce(string_agg(format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (%s) NOT VALID;', "
    "conrelid::regclass, conname, pg_get_expr(conbin, conrelid)), ''), '') FROM pg_constraint "
    "WHERE contype = 'c' AND conrelid <> 0 AND connamespace = current_schema()::regnamespace";

// Everything that makes a database what it is, but for the rows in it.
constexpr char kSchemaDigest[] =
    "SELECT md5(string_agg(part, ';' ORDER BY part)) FROM ("
    "SELECT concat_ws(' ', attrelid::regclass, attname, atttypid, attnotnull) AS part "
    "FROM pg_attribute JOIN pg_class c ON c.oid = attrelid "
    "WHERE relnamespace = 'public'::regnamespace "
    "UNION ALL SELECT concat_ws(' ', conname, convalidated, pg_get_constraintdef(oid)) "
    "FROM pg_constraint WHERE connamespace = 'public'::regnamespace "
    "UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' "
    "UNION ALL SELECT concat_ws(' ', tgrelid::regclass, tgname, tgenabled) FROM pg_trigger "
    "UNION ALL SELECT concat_ws(' ', proname, md5(prosrc)) FROM pg_proc "
    "WHERE pronamespace = 'public'::regnamespace "
    "UNION ALL SELECT version::text FROM tallyman_schema version "
    "UNION ALL SELECT setconfig::text FROM pg_db_role_setting JOIN pg_database d "
    "ON d.oid = setdatabase WHERE datname = current_database()) parts";
// Nobody is left in it, and nothing.
constexpr char kEmpty[] =
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid();"
    "SET session_replication_role = replica;"
    "DO $$ DECLARE t text; BEGIN "
    "FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' "
    "AND tablename <> 'tallyman_schema' LOOP EXECUTE 'DELETE FROM ' || t; END LOOP; END $$;"
    "SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'";

// Databases that a test of this process has done with: to empty one costs far less than to make
// one.
struct UsedDatabase {
  std::string name;
  std::string schema;
};
std::map<PostgresDatabase::Settings, std::vector<UsedDatabase>>& Used() {
  static std::map<PostgresDatabase::Settings, std::vector<UsedDatabase>> used;
  return used;
}

// False: its schema is another one, or it cannot be spoken to.
bool MakeEmpty(const std::string& dsn, const std::string& schema) {
  try {
    SqlSession session(dsn);
    if (session.Run(kSchemaDigest).front() != schema) return false;
    session.Run(kEmpty);
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

// False: the cluster is gone, and the database with it.
bool Drop(const std::string& name) {
  try {
    RunSql(SharedClusterDsn("postgres"), fmt::format("DROP DATABASE {} WITH (FORCE)", name));
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

}  // namespace

PostgresDatabase::PostgresDatabase(const Settings& settings, bool migrated) {
  static std::atomic<int> last{0};
  if (migrated) {
    settings_ = settings;
    auto& used = Used()[settings];
    if (!used.empty()) {
      name_ = std::move(used.back().name);
      schema_ = std::move(used.back().schema);
      used.pop_back();
      dsn_ = SharedClusterDsn(name_);
      return;
    }
  }
  name_ = fmt::format("t_{}_{}", ::getpid(), ++last);
  if (migrated) EnsureTemplate();
  const std::string administration = SharedClusterDsn("postgres");
  RunSql(administration,
         fmt::format("CREATE DATABASE {} TEMPLATE {}", name_, migrated ? kTemplate : "template0"));
  for (const auto& [setting, value] : settings) {
    RunSql(administration, fmt::format("ALTER DATABASE {} SET {} = '{}'", name_, setting, value));
  }
  dsn_ = SharedClusterDsn(name_);
  if (migrated) schema_ = Sql(kSchemaDigest).front();
}

PostgresDatabase::~PostgresDatabase() {
  if (!schema_.empty() && MakeEmpty(dsn_, schema_)) {
    Used()[settings_].push_back({name_, schema_});
  } else {
    Drop(name_);
  }
}

void PostgresDatabase::Damage(const std::string& sql) const {
  const std::string quietly = "SET session_replication_role = replica;";
  try {
    Sql(quietly + sql);
  } catch (const std::runtime_error& error) {
    if (std::string_view(error.what()).find("check constraint") == std::string_view::npos) throw;
    const std::string make = Sql(kMakeChecks).front();
    Sql(quietly +
        Sql(std::string(kDropChecks) + " AND connamespace = current_schema()::regnamespace")
            .front() +
        sql + ";" + make);
  }
}

}  // namespace tallyman
