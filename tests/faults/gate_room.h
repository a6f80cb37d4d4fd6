// A server that reaches PostgreSQL through a gate that the test controls, and a second one that
// connects directly, to see the real state.
#pragma once

#include <fmt/core.h>

#include <memory>
#include <string>

#include "store/postgres/postgres_store.h"
#include "tests/support/postgres_cluster.h"
#include "tests/support/server.h"
#include "tests/support/tcp_gate.h"

namespace tallyman {

// A fleet of two hosts with nodes n-1 to n-4 at chain/full@1.0.0 (2 cores); 2.0.0 needs 4.
class GateRoom {
 public:
  explicit GateRoom(store::postgres::PostgresStoreOptions options = {}) {
    auto opened = store::postgres::PostgresStore::Open(DsnThrough(gate), options);
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
    store = opened->get();
    server = std::make_unique<Server>(*std::move(opened), 1);
    auto direct = store::postgres::PostgresStore::Open(database.dsn(), {});
    EXPECT_TRUE(direct.has_value()) << (direct ? "" : direct.error().message);
    witness = std::make_unique<Server>(*std::move(direct), 2);
    server->AddFleet(2);
    server->AddImage("1.0.0", Needs(2, 4, 100));
    server->AddImage("2.0.0", Needs(4, 8, 200));
    auto created = server->AddNodes("1.0.0", "n", 4);
    EXPECT_TRUE(created.has_value()) << (created ? "" : created.error().message);
  }

  int64_t Count(const std::string& rows) const {
    return std::stoll(database.Sql("SELECT count(*) FROM " + rows).front());
  }
  int64_t Upgrades() const { return Count("events WHERE kind = 'upgrade_started'"); }

  PostgresDatabase database;
  TcpGate gate{static_cast<uint16_t>(std::stoi(database.Sql("SHOW port").front()))};
  store::postgres::PostgresStore* store = nullptr;  // the server's
  std::unique_ptr<Server> server;
  std::unique_ptr<Server> witness;

 private:
  std::string DsnThrough(const TcpGate& through) const {
    return fmt::format("postgres://postgres@127.0.0.1:{}/{}?sslmode=disable&gssencmode=disable",
                       through.port(), database.Sql("SELECT current_database()").front());
  }
};

}  // namespace tallyman
