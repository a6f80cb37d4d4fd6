#include <gtest/gtest.h>

#include "store/postgres/postgres_store.h"
#include "tests/support/foreign_session.h"
#include "tests/support/postgres_cluster.h"
#include "tests/support/shared_database.h"

namespace tallyman {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

class RowLock final : public HeldLock {
 public:
  RowLock(const std::string& dsn, const std::string& host) : session_(dsn) {
    session_.LockHost(host);
  }

 private:
  ForeignSession session_;
};

class PostgresShared final : public SharedDatabase {
 public:
  explicit PostgresShared(Settings settings) : database_(WithoutDeadlocks(std::move(settings))) {}

  std::unique_ptr<store::Store> Open() override {
    store::postgres::PostgresStoreOptions options;
    options.lock_timeout_ms = 10'000;
    auto opened = store::postgres::PostgresStore::Open(database_.dsn(), options);
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
    return *std::move(opened);
  }

  int64_t Waiting() override {
    return std::stoll(database_
                          .Sql("SELECT count(*) FROM pg_stat_activity "
                               "WHERE datname = current_database() AND wait_event_type = 'Lock'")
                          .front());
  }

  std::unique_ptr<HeldLock> LockHost(const std::string& name) override {
    return std::make_unique<RowLock>(database_.dsn(), name);
  }

  void Sql(const std::string& sql) override { database_.Damage(sql); }

  std::string Dsn() const override { return database_.dsn(); }

 private:
  // Nobody ends a deadlock here: whoever makes one waits until its lock timeout, and is seen.
  static Settings WithoutDeadlocks(Settings settings) {
    settings.emplace_back("deadlock_timeout", "1h");
    return settings;
  }

  PostgresDatabase database_;
};

}  // namespace

DatabaseParameter SharedPostgres() {
  return {"Postgres", [] { return std::make_unique<PostgresShared>(Settings()); }};
}

DatabaseParameter SharedPostgresSerializable() {
  return {"PostgresSerializable", [] {
            return std::make_unique<PostgresShared>(
                Settings{{"default_transaction_isolation", "serializable"}});
          }};
}

}  // namespace tallyman
