// The plans by which the databases carry out what is read: a look-up never walks over a table.
//
// TALLYMAN_PLANS=DIRECTORY writes all plans there, to compare those of two versions of the program.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>

#include "store/postgres/postgres_store.h"
#include "store/sqlite/sqlite_store.h"
#include "support/postgres_cluster.h"
#include "tests/store/reads.h"
#include "tests/support/temp_dir.h"

namespace tallyman {
namespace {

using namespace tallyman::sqlite;
using namespace tallyman::store;
using namespace tallyman::store::postgres;
using namespace tallyman::store::sqlite;

struct PlannedRead {
  std::string name;
  std::string plan;
};

Node FillStore(Store& store, Fleet& fleet) {
  EXPECT_TRUE(Apply(store, fleet.Catalogue()).has_value());
  EXPECT_TRUE(Apply(store, fleet.CreateHost("rack-1")).has_value());
  ChangeSet create = fleet.CreateNode("eth-1", fleet.host_ids.at("rack-1"), fleet.small);
  const Node node = create.new_nodes.front();
  EXPECT_TRUE(Apply(store, create).has_value());
  return node;
}

void Write(const std::string& name, const std::vector<PlannedRead>& reads) {
  const char* directory = std::getenv("TALLYMAN_PLANS");
  if (directory == nullptr) return;
  std::ofstream out(std::string(directory) + "/" + name);
  for (const PlannedRead& read : reads) out << "== " << read.name << '\n' << read.plan;
}

// A store and how it says what it planned since it was asked last.
class Planner {
 public:
  virtual ~Planner() = default;
  virtual Store& store() = 0;
  virtual std::string TakePlans() = 0;

  std::vector<PlannedRead> Plan(const std::vector<NamedRead>& reads) {
    std::vector<PlannedRead> planned;
    TakePlans();
    for (const NamedRead& read : reads) {
      const Status status = store().Read(read.run);
      EXPECT_TRUE(status.has_value()) << read.name << ": " << status.error().message;
      planned.push_back({read.name, TakePlans()});
    }
    return planned;
  }
};

class SqlitePlanner final : public Planner {
 public:
  SqlitePlanner() {
    SqliteStoreOptions options;
    options.create_if_missing = true;
    options.synchronous = SqliteSynchronous::kOff;
    options.readers_max = 1;
    options.hook = [this](std::string_view sql) {
      statements_.emplace_back(sql);
      return 0;
    };
    auto opened = SqliteStore::Open(path_, options);
    if (!opened) throw std::runtime_error(opened.error().message);
    store_ = std::move(*opened);
    EXPECT_TRUE(store_->Migrate().has_value());
    auto shell = SqliteConnection::Open(path_, {.vfs = ""});
    if (!shell) throw std::runtime_error(shell.error().message);
    shell_ = std::move(*shell);
  }
  Store& store() override { return *store_; }

  std::string TakePlans() override {
    std::string plans;
    for (const std::string& sql : std::exchange(statements_, {})) {
      if (!sql.starts_with("SELECT")) continue;
      SqliteQuery query = shell_->QueryOnce("EXPLAIN QUERY PLAN " + sql);
      while (query.Next().value_or(false)) {
        int64_t id = 0, parent = 0, unused = 0;
        std::string detail;
        EXPECT_TRUE(query.Read(id, parent, unused, detail).has_value());
        plans += detail + '\n';
      }
      plans += "--\n";
    }
    return plans;
  }

 private:
  TempDir directory_{TempDir::Fast()};
  const std::string path_ = (directory_.path() / "books.db").string();
  std::vector<std::string> statements_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<SqliteConnection> shell_;
};

// Tables that are as good as empty: what can be found by an index is, whatever it costs.
class PostgresPlanner final : public Planner {
 public:
  PostgresPlanner()
      : cluster_({.durable = false,
                  .settings = {{"shared_preload_libraries", "auto_explain"},
                               {"auto_explain.log_min_duration", "0"},
                               {"auto_explain.log_parameter_max_length", "0"},
                               {"enable_seqscan", "off"}}}) {
    PostgresStoreOptions options;
    options.for_migration = true;
    options.readers_max = 1;
    auto opened = PostgresStore::Open(cluster_.Dsn(), options);
    if (!opened) throw std::runtime_error(opened.error().message);
    store_ = std::move(*opened);
    EXPECT_TRUE(store_->Migrate().has_value());
  }
  Store& store() override { return *store_; }

  // Without the texts of the queries and the costs.
  std::string TakePlans() override {
    std::ifstream log(cluster_.directory() / "log");
    log.seekg(at_);
    std::string line, plans;
    bool in_plan = false;
    static const std::regex kCosts(R"(  \(cost=[^)]*\))");
    while (std::getline(log, line)) {
      at_ += static_cast<std::streamoff>(line.size()) + 1;
      const bool goes_on = line.starts_with('\t');
      if (!goes_on) in_plan = line.contains("plan:");
      if (!in_plan || line.contains("Query Text:")) continue;
      plans += goes_on ? std::regex_replace(line.substr(1), kCosts, "") + '\n' : "--\n";
    }
    return plans;
  }

 private:
  PostgresCluster cluster_;
  std::streamoff at_ = 0;
  std::unique_ptr<PostgresStore> store_;
};

// `walk`: how the database says that it walks over a table.
void CheckPlans(Planner& planner, const std::string& name, const std::regex& walk) {
  Fleet fleet;
  const Node node = FillStore(planner.store(), fleet);
  const std::vector<PlannedRead> look_ups = planner.Plan(LookUps(fleet, node));
  for (const PlannedRead& read : look_ups) {
    EXPECT_FALSE(std::regex_search(read.plan, walk)) << read.name << ":\n" << read.plan;
  }
  Write(name + "-look-ups", look_ups);
  Write(name + "-lists", planner.Plan(Lists()));
  Write(name + "-walks", planner.Plan(Walks(fleet, node)));
}

TEST(Plans, SqliteLooksUpByAnIndex) {
  SqlitePlanner planner;
  CheckPlans(planner, "sqlite", std::regex("SCAN [a-z_]+\n"));
}

TEST(Plans, PostgresLooksUpByAnIndex) {
  PostgresPlanner planner;
  CheckPlans(planner, "postgres", std::regex("Seq Scan"));
}

}  // namespace
}  // namespace tallyman
