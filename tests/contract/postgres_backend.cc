#include <gtest/gtest.h>

#include "store/postgres/postgres_store.h"
#include "support/postgres_cluster.h"
#include "tests/contract/backends.h"

namespace tallyman {
namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

class Postgres final : public StoreBackend {
 public:
  explicit Postgres(const Settings& settings) : database_(settings) { store_ = Open(); }

  Store& store() override { return *store_; }
  StoreAdmin& admin() override { return *store_; }
  void Corrupt(std::string_view sql) override { database_.Damage(std::string(sql)); }
  std::string Literal(const Uuid& id) override { return "'" + id.ToString() + "'::uuid"; }
  std::unique_ptr<Store> Another() override { return Open(); }

  std::string Dump() override {
    // One query, which tests run thousands of times.
    SqlSession session(database_.dsn());
    if (dump_query_.empty()) {
      for (const std::string& table :
           session.Run("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")) {
        dump_query_ += dump_query_.empty() ? "" : " UNION ALL ";
        dump_query_ += "SELECT '" + table + " ' || t::text AS row FROM " + table + " t";
      }
    }
    std::string dump;
    for (const std::string& row : session.Run(dump_query_ + " ORDER BY row")) dump += row + '\n';
    return dump;
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
  std::string dump_query_;
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
