#include <gtest/gtest.h>
#include <sqlite3.h>

#include <stdexcept>

#include "base/bytes.h"
#include "store/sqlite/sqlite_store.h"
#include "tests/contract/backends.h"
#include "tests/support/temp_dir.h"

namespace tallyman {
namespace {

using namespace tallyman::store;
using namespace tallyman::store::sqlite;

// A connection beside the store's.
class Shell {
 public:
  explicit Shell(const std::string& path) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &database_), SQLITE_OK);
    sqlite3_busy_timeout(database_, 10'000);
    sqlite3_exec(database_, "PRAGMA synchronous = OFF", nullptr, nullptr, nullptr);
  }
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;
  ~Shell() { sqlite3_close(database_); }

  // The first column of the rows.
  std::vector<std::string> Run(const std::string& sql) {
    std::vector<std::string> rows;
    const auto take = [](void* to, int, char** values, char**) {
      static_cast<std::vector<std::string>*>(to)->emplace_back(values[0] != nullptr ? values[0]
                                                                                    : "NULL");
      return 0;
    };
    char* message = nullptr;
    EXPECT_EQ(sqlite3_exec(database_, sql.c_str(), take, &rows, &message), SQLITE_OK) << message;
    sqlite3_free(message);
    return rows;
  }

 private:
  sqlite3* database_ = nullptr;
};

class Sqlite final : public BackupBackend {
 public:
  explicit Sqlite(std::string path) : path_(std::move(path)) { Start(); }
  Sqlite() : path_((directory_.path() / "books.db").string()) { Start(); }

  Store& store() override { return *store_; }
  StoreAdmin& admin() override { return *store_; }

  void Corrupt(std::string_view sql) override {
    Run("PRAGMA foreign_keys = OFF; PRAGMA ignore_check_constraints = ON;" + std::string(sql));
  }

  std::string Literal(const Uuid& id) override {
    return "x'" + ToHex({reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size()}) + "'";
  }
  std::unique_ptr<Store> Another() override { return Open(); }

  // Tests ask thousands of times, most often to see that nothing was written since.
  std::string Dump() override {
    if (shell_ == nullptr) shell_ = std::make_unique<Shell>(path_);
    std::string version = shell_->Run("PRAGMA data_version").front();
    if (version == dumped_version_) return dump_;
    std::string query;
    for (const std::string& select :
         shell_->Run("SELECT format('SELECT ''%s '' || %s AS row FROM %s', t.name, "
                     "group_concat('quote(' || c.name || ')', ' || ''|'' || '), t.name) "
                     "FROM sqlite_schema t, pragma_table_info(t.name) c "
                     "WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' GROUP BY t.name")) {
      query += (query.empty() ? "" : " UNION ALL ") + select;
    }
    dump_.clear();
    for (const std::string& row : shell_->Run(query + " ORDER BY row")) dump_ += row + '\n';
    dumped_version_ = std::move(version);
    return dump_;
  }

  void RefuseUpdates(const std::string& table, const std::string& condition,
                     const std::string& message) override {
    Run("CREATE TRIGGER meddle BEFORE UPDATE ON " + table + " WHEN " + condition +
        " BEGIN SELECT RAISE(ABORT, '" + message + "'); END");
  }
  void IgnoreUpdates(const std::string& table) override {
    Run("CREATE TRIGGER meddle BEFORE UPDATE ON " + table + " BEGIN SELECT RAISE(IGNORE); END");
  }

  std::string BackupTarget() override {
    return (directory_.path() / ("backup-" + std::to_string(++backups_) + ".db")).string();
  }
  std::unique_ptr<StoreBackend> Restore(const std::string& backup) override {
    return std::make_unique<Sqlite>(backup);
  }

 private:
  std::unique_ptr<SqliteStore> Open() {
    // The suite tests what is stored, not that it survives a power cut.
    SqliteStoreOptions options;
    options.create_if_missing = true;
    options.synchronous = SqliteSynchronous::kOff;
    auto opened = SqliteStore::Open(path_, options);
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  }
  void Start() {
    store_ = Open();
    auto migrated = store_->Migrate();
    if (!migrated) throw std::runtime_error(migrated.error().message);
  }

  std::vector<std::string> Run(const std::string& sql) { return Shell(path_).Run(sql); }

  TempDir directory_{TempDir::Fast()};
  std::string path_;
  std::unique_ptr<SqliteStore> store_;
  int backups_ = 0;
  std::unique_ptr<Shell> shell_;  // that nothing is written through
  std::string dump_;
  std::string dumped_version_;  // "" before the first
};

}  // namespace

BackendParameter SqliteBackend() {
  return {.name = "Sqlite", .make = [] { return std::make_unique<Sqlite>(); }};
}

}  // namespace tallyman
