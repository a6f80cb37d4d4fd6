// Two servers on a PostgreSQL cluster that is durable, as in production, and that the test may
// kill.
#pragma once

#include <memory>
#include <string>

#include "store/postgres/postgres_store.h"
#include "tests/support/postgres_cluster.h"
#include "tests/support/server.h"

namespace tallyman {

// Server a runs several transactions at once, server b one. A fleet of three hosts with nodes n-1
// to n-NODES at chain/full@1.0.0.
class ClusterRoom {
 public:
  static constexpr int kNodes = 12;

  explicit ClusterRoom(PostgresCluster& cluster, const std::string& database = "postgres")
      : dsn(cluster.Dsn(database, PostgresCluster::kTcp)) {
    a = Open(1, 4, true);
    b = Open(2, 1, false);
    a->AddFleet(3);
    a->AddImage("1.0.0", Needs(2, 4, 100));
    a->AddImage("2.0.0", Needs(4, 8, 200));
    auto created = a->AddNodes("1.0.0", "n", kNodes);
    EXPECT_TRUE(created.has_value()) << (created ? "" : created.error().message);
  }

  std::string dsn;
  std::unique_ptr<Server> a;
  std::unique_ptr<Server> b;

 private:
  std::unique_ptr<Server> Open(uint64_t seed, int writers, bool migrate) const {
    store::postgres::PostgresStoreOptions options;
    options.for_migration = migrate;
    auto opened = store::postgres::PostgresStore::Open(dsn, options);
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
    if (migrate) {
      auto migrated = (*opened)->Migrate();
      EXPECT_TRUE(migrated.has_value()) << (migrated ? "" : migrated.error().message);
    }
    control::ControlOptions control;
    control.writers = writers;
    return std::make_unique<Server>(*std::move(opened), seed, control);
  }
};

}  // namespace tallyman
