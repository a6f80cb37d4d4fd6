// The fixture of what only PostgreSQL can get wrong: a fresh database, its store, a small fleet.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "store/postgres/postgres_store.h"
#include "support/postgres_cluster.h"
#include "tests/contract/fleet.h"

namespace tallyman {

#define ASSERT_OK(expression)                                                              \
  do {                                                                                     \
    const auto& accepted_ = (expression);                                                  \
    ASSERT_TRUE(accepted_.has_value())                                                     \
        << (accepted_ ? "" : accepted_.error().reason + ": " + accepted_.error().message); \
  } while (false)

class PostgresTest : public testing::Test {
 protected:
  std::unique_ptr<store::postgres::PostgresStore> Open(
      const store::postgres::PostgresStoreOptions& options = {}) {
    auto opened = store::postgres::PostgresStore::Open(database.dsn(), options);
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
    return opened ? std::move(*opened) : nullptr;
  }
  Error OpenError(const std::string& dsn,
                  const store::postgres::PostgresStoreOptions& options = {}) {
    auto opened = store::postgres::PostgresStore::Open(dsn, options);
    EXPECT_FALSE(opened.has_value());
    return opened ? Error() : opened.error();
  }

  // A catalogue, host rack-1 and a node on it.
  void AddFleet(store::Store& store) {
    ASSERT_OK(Apply(store, fleet.Catalogue()));
    ASSERT_OK(Apply(store, fleet.CreateHost("rack-1", {10'000, 1'000'000'000, 1'000'000'000})));
    host = fleet.host_ids.at("rack-1");
    ChangeSet create = fleet.CreateNode("eth-1", host, fleet.small);
    node = create.new_nodes.front();
    ASSERT_OK(Apply(store, create));
  }
  static ChangeSet NewOrg(Fleet& fleet, const std::string& name) {
    ChangeSet changes;
    changes.new_orgs = {{fleet.ids.New<OrgId>(), name, fleet.Tick()}};
    return changes;
  }
  store::LockSet Everything() const {
    store::LockSet locks;
    locks.nodes = {node.id};
    return locks;
  }

  // Ends all other connections to the database from the server's side.
  void TerminateAll() {
    database.Sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()");
  }
  // Waits until the query gives "t"; false: it did not within a generous time.
  bool Await(const std::string& query) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < deadline) {
      if (database.Sql(query) == std::vector<std::string>{"t"}) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
  }

  PostgresDatabase database;
  Fleet fleet;
  HostId host;
  Node node;
};

}  // namespace tallyman
