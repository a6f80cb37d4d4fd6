// The pages for machines: alive, ready, numbers, API.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <sqlite3.h>

#include <boost/json.hpp>
#include <chrono>

#include "rpc/wire_error.h"
#include "server/http_peer.h"
#include "server/server_process.h"
#include "tests/support/wait.h"

namespace tallyman {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Pages : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(server.Start()) << server.Log(); }

  PeerAnswer Get(const std::string& path, const std::string& token = "") {
    HttpPeer peer(server.port());
    std::string authorization =
        token.empty() ? "" : fmt::format("Authorization: Bearer {}\r\n", token);
    peer.Send(fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n{}\r\n", path, authorization));
    return peer.Receive();
  }
  // Of a line that has nothing but a name and a number; -1 when there is none.
  double ValueOf(const std::string& name) {
    std::string text = "\n" + Metrics();
    size_t at = text.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stod(text.substr(at + name.size() + 2));
  }
  std::string Metrics() { return Get("/metrics", server.token()).body; }
  void Call(const std::string& method, const std::string& body) {
    HttpPeer peer(server.port());
    peer.Send(PostOf(method, server.token(), body));
    PeerAnswer answer = peer.Receive();
    ASSERT_EQ(answer.status, 200) << method << ": " << answer.body;
  }
  ServerProcess server;
};

TEST_F(Pages, NumbersAreForThoseWhoMaySeeTheFleet) {
  EXPECT_EQ(Get("/metrics").status, 401);
  EXPECT_EQ(Get("/metrics", "wrong").status, 401);
  PeerAnswer answer = Get("/metrics", server.token());
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.headers["content-type"], HasSubstr("version=0.0.4"));
}

// Who calls and what is asked for are looked up together. The server reads now and then by itself.
TEST_F(Pages, ACallThatOnlyReadsIsOneTransaction) {
  constexpr int kCalls = 50;
  const double before = ValueOf("tallyman_read_duration_seconds_count");
  ASSERT_GE(before, 0);
  for (int i = 0; i < kCalls; ++i) Call("OrgService/ListOrgs", "{}");
  EXPECT_LT(ValueOf("tallyman_read_duration_seconds_count") - before, 1.5 * kCalls);
}

TEST_F(Pages, NumbersFollowWhatHappens) {
  Call("RegionService/CreateRegion", R"({"name": "eu"})");
  Call("OrgService/CreateOrg", R"({"name": "acme"})");
  Call("HostService/CreateHosts",
       R"({"hosts": [{"name": "h1", "region": "eu", "capacity":
           {"cpuCores": "32", "memoryBytes": "1000", "diskBytes": "5000"}}]})");
  Call("CatalogService/CreateImages",
       R"({"createMissing": true, "images": [
           {"protocol": "p", "variant": "v", "semanticVersion": "1.0.0", "imageUri": "docker://a",
            "committedAt": "2026-01-01T00:00:00Z",
            "minimum": {"cpuCores": "8", "memoryBytes": "100", "diskBytes": "500"}}]})");
  Call("NodeService/CreateNodes",
       R"({"image": "p/v@1.0.0", "org": "acme", "name": "n-1",
           "byHosts": {"hosts": [{"host": "h1", "count": "1"}]}})");
  {
    HttpPeer peer(server.port());
    peer.Send(PostOf("NodeService/GetNode", server.token(), R"({"node": "nobody"})"));
    EXPECT_EQ(peer.Receive().status, 404);
    peer.Send(PostOf("NodeService/Explode", server.token(), "{}"));
    EXPECT_EQ(peer.Receive().status, 501);
  }
  // A new server, which has kept no totals from before.
  EXPECT_EQ(server.Stop(), 0);
  ASSERT_TRUE(server.Start()) << server.Log();
  std::string metrics = Metrics();
  for (const char* line :
       {R"(tallyman_hosts{region="eu"} 1)", R"(tallyman_nodes{region="eu"} 1)",
        R"(tallyman_resources{region="eu",dimension="cpu_cores",part="capacity"} 32)",
        R"(tallyman_resources{region="eu",dimension="cpu_cores",part="allocated"} 8)",
        R"(tallyman_resources{region="eu",dimension="cpu_cores",part="free"} 24)",
        R"(tallyman_resources{region="eu",dimension="disk_bytes",part="held"} 0)",
        R"(tallyman_open_transitions{state="open",age="1m"} 1)",
        R"(tallyman_open_transitions{state="failed",age="older"} 0)", "tallyman_nodes_unhealthy 0",
        "tallyman_hosts_with_problems 0", R"(tallyman_incidents_total{kind="node_crashed"} 0)",
        "tallyman_workers 4", "tallyman_calls_in_flight 0", "tallyman_streams_open 0",
        "tallyman_connections 1"}) {
    EXPECT_THAT(metrics, HasSubstr(line));
  }
  EXPECT_THAT(metrics, Not(HasSubstr("tallyman_call_duration_seconds_count{")));
}

TEST_F(Pages, CallsAreCountedByMethodAndCode) {
  // The first start has written a token already.
  const double lots = ValueOf("tallyman_lots_total");
  const double sizes = ValueOf("tallyman_lot_size_count");
  const double writes = ValueOf("tallyman_write_duration_seconds_count");
  EXPECT_GE(lots, 0);
  Call("OrgService/CreateOrg", R"({"name": "acme"})");
  Call("OrgService/ListOrgs", "{}");
  HttpPeer peer(server.port());
  peer.Send(PostOf("OrgService/GetOrg", server.token(), R"({"org": "nobody"})"));
  EXPECT_EQ(peer.Receive().status, 404);
  peer.Send(PostOf("OrgService/Explode", server.token(), "{}"));
  EXPECT_EQ(peer.Receive().status, 501);
  std::string metrics = Metrics();
  auto count = [&](const std::string& method, const std::string& code) {
    return fmt::format(R"(tallyman_call_duration_seconds_count{{code="{}",method="{}"}} 1)", code,
                       method);
  };
  EXPECT_THAT(metrics, HasSubstr(count("tallyman.v1.OrgService/CreateOrg", "ok")));
  EXPECT_THAT(metrics, HasSubstr(count("tallyman.v1.OrgService/ListOrgs", "ok")));
  EXPECT_THAT(metrics, HasSubstr(count("tallyman.v1.OrgService/GetOrg", "not_found")));
  EXPECT_THAT(metrics, HasSubstr(count("unknown", "unimplemented")));
  EXPECT_EQ(ValueOf("tallyman_lots_total"), lots + 1);
  EXPECT_EQ(ValueOf("tallyman_lot_size_count"), sizes + 1);
  EXPECT_EQ(ValueOf("tallyman_write_duration_seconds_count"), writes + 1);
  EXPECT_THAT(metrics, HasSubstr("tallyman_drift_found_total 0"));
}

TEST_F(Pages, ReadyIsWhoHasADatabaseOfTheRightSchema) {
  PeerAnswer answer = Get("/readyz");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "ready\n");
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(server.PathOf("fleet.db").c_str(), &database), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(database, "DROP TABLE regions", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(database);
  // It is looked at once a second.
  ASSERT_TRUE(WaitUntil([&] { return (answer = Get("/readyz")).status == 503; }));
  EXPECT_EQ(answer.body, "database: see the log of the server\n") << "anybody may ask";
  EXPECT_TRUE(server.LogHas("no such table: regions"));
  EXPECT_EQ(Get("/healthz").status, 200) << "alive all the same";
}

TEST_F(Pages, ReadinessCostsNoReadForEachWhoAsks) {
  constexpr int kAsked = 200;
  const auto begun = std::chrono::steady_clock::now();
  const double before = ValueOf("tallyman_read_duration_seconds_count");
  for (int i = 0; i < kAsked; ++i) ASSERT_EQ(Get("/readyz").status, 200);
  const double reads = ValueOf("tallyman_read_duration_seconds_count") - before;
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  // One a second; the server reads now and then by itself, and for the numbers.
  EXPECT_LT(reads, 20 + 3 * took.count());
}

// The server looks by itself which hosts say nothing any more.
TEST_F(Pages, AHostThatSaysNothingIsMarkedAndCounted) {
  Call("RegionService/CreateRegion", R"({"name": "eu"})");
  Call("HostService/CreateHosts",
       R"({"hosts": [{"name": "h1", "region": "eu", "capacity":
           {"cpuCores": "1", "memoryBytes": "1", "diskBytes": "1"}},
          {"name": "h2", "region": "eu", "capacity":
           {"cpuCores": "1", "memoryBytes": "1", "diskBytes": "1"}}]})");
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(server.PathOf("fleet.db").c_str(), &database), SQLITE_OK);
  // A report of long ago.
  ASSERT_EQ(sqlite3_exec(database,
                         "INSERT INTO host_reports (host_id, sequence, heard_at) "
                         "SELECT id, 1, 1 FROM hosts WHERE name = 'h1'; "
                         "UPDATE hosts SET heard = 1 WHERE name = 'h1'",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(database);
  EXPECT_EQ(server.Stop(), 0);
  ASSERT_TRUE(server.Start({"--host-silent-seconds", "1"})) << server.Log();
  const auto silent = [&] {
    HttpPeer peer(server.port());
    peer.Send(PostOf("HostService/ListHosts", server.token(), R"({"filter": "liveness=silent"})"));
    return peer.Receive().body;
  };
  EXPECT_TRUE(WaitUntil([&] { return silent().find("\"h1\"") != std::string::npos; })) << silent();
  EXPECT_THAT(silent(), Not(HasSubstr("\"h2\"")));
  EXPECT_EQ(server.Stop(), 0);
  ASSERT_TRUE(server.Start()) << server.Log();
  const std::string metrics = Metrics();
  EXPECT_THAT(metrics, HasSubstr(R"(tallyman_hosts_silent{region="eu"} 1)"));
  EXPECT_THAT(metrics, HasSubstr(R"(tallyman_hosts_never_heard{region="eu"} 1)"));
  EXPECT_THAT(metrics, HasSubstr(R"(tallyman_hosts_cordoned{region="eu"} 0)"));
  EXPECT_THAT(metrics, HasSubstr(R"(tallyman_rollouts{state="paused",why="FAILURES"} 0)"));
  EXPECT_THAT(metrics, HasSubstr(R"(tallyman_rollout_nodes{state="waiting"} 0)"));
}

TEST_F(Pages, OpenApiHasEveryMethod) {
  PeerAnswer answer = Get("/openapi.json");
  EXPECT_EQ(answer.status, 200);
  auto document = boost::json::parse(answer.body).as_object();
  EXPECT_EQ(document.at("openapi").as_string(), "3.1.0");
  auto& paths = document.at("paths").as_object();
  ASSERT_TRUE(paths.contains("/tallyman.v1.NodeService/UpgradeNodes"));
  ASSERT_TRUE(paths.contains("/tallyman.v1.EventService/WatchEvents"));
  auto& operation =
      paths.at("/tallyman.v1.NodeService/UpgradeNodes").as_object().at("post").as_object();
  EXPECT_FALSE(operation.at("summary").as_string().empty()) << "comments are there";
  EXPECT_EQ(operation.at("x-body-bytes-max").as_int64(), 16 << 20);
  auto& schemas = document.at("components").as_object().at("schemas").as_object();
  auto& request = schemas.at("UpgradeNodesRequest").as_object().at("properties").as_object();
  EXPECT_TRUE(request.contains("dryRun"));
}

}  // namespace
}  // namespace tallyman
