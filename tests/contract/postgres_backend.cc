#include <gtest/gtest.h>

#include "store/postgres/postgres_store.h"
#include "support/postgres_cluster.h"
#include "tests/contract/backends.h"

namespace tallyman {
namespace {

using namespace tallyman::store;
using namespace tallyman::store::postgres;
using Settings = std::vector<std::pair<std::string, std::string>>;

class Postgres final : public StoreBackend {
 public:
  explicit Postgres(const Settings& settings) : database_(settings) { store_ = Open(); }

  Store& store() override { return *store_; }
  StoreAdmin& admin() override { return *store_; }
  void Corrupt(std::string_view sql) override { database_.Damage(std::string(sql)); }
  std::string Literal(const Uuid& id) override { return "'" + id.ToString() + "'::uuid"; }
  std::unique_ptr<Store> Another() override { return Open(); }

  // Tests ask thousands of times, most often to see that nothing was written since.
  std::string Dump() override {
    if (session_ == nullptr) session_ = std::make_unique<SqlSession>(database_.dsn());
    std::string snapshot = session_->Run("SELECT pg_current_snapshot()").front();
    if (snapshot == dumped_snapshot_) return dump_;
    std::string query;
    for (const std::string& table :
         session_->Run("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")) {
      query += query.empty() ? "" : " UNION ALL ";
      query += "SELECT '" + table + " ' || t::text AS row FROM " + table + " t";
    }
    dump_.clear();
    for (const std::string& row : session_->Run(query + " ORDER BY row")) dump_ += row + '\n';
    dumped_snapshot_ = std::move(snapshot);
    return dump_;
  }

  void RefuseUpdates(const std::string& table, const std::string& condition,
                     const std::string& message) override {
    Trigger(table, "IF " + condition + " THEN RAISE EXCEPTION '" + message +
                       "' USING ERRCODE = '23514'; END IF; RETURN new;");
  }
  void IgnoreUpdates(const std::string& table) override { Trigger(table, "RETURN NULL;"); }

 private:
  std::unique_ptr<PostgresStore> Open() {
    auto opened = PostgresStore::Open(database_.dsn(), {});
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  }
  void Trigger(const std::string& table, const std::string& body) {
    database_.Sql("CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " + body +
                  " END $$; CREATE TRIGGER meddle BEFORE UPDATE ON " + table +
                  " FOR EACH ROW EXECUTE FUNCTION meddle()");
  }

  PostgresDatabase database_;
  std::unique_ptr<PostgresStore> store_;
  std::unique_ptr<SqlSession> session_;  // that nothing is written through
  std::string dump_;
  std::string dumped_snapshot_;  // "" before the first
};

}  // namespace

BackendParameter PostgresBackend() {
  return {.name = "Postgres",
          .make = [] { return std::make_unique<Postgres>(Settings()); },
          .writers = 4};
}

BackendParameter PostgresSerializableBackend() {
  return {.name = "PostgresSerializable",
          .make =
              [] {
                return std::make_unique<Postgres>(
                    Settings{{"default_transaction_isolation", "serializable"}});
              },
          .writers = 4};
}

}  // namespace tallyman
