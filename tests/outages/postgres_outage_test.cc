// A PostgreSQL that is away for a while, as in a failover.
#include <fmt/core.h>

#include <csignal>
#include <future>
#include <memory>
#include <thread>

#include "base/random.h"
#include "base/system.h"
#include "client/network_client.h"
#include "outages/outage.h"
#include "tallyman/v1/org.pb.h"
#include "tests/cli/program.h"
#include "tests/support/postgres_cluster.h"

namespace tallyman {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kCreate = "tallyman.v1.OrgService/CreateOrg";
constexpr const char* kWaits = "waiting for the database (DATABASE_UNREACHABLE), ";

class PostgresOutage : public testing::Test {
 protected:
  PostgresOutage() {
    const Ran made = RunProgram(TALLYMAN_PROGRAM, {"db", "migrate"}, Environment());
    EXPECT_EQ(made.status, 0) << made.err;
  }
  std::vector<std::string> Environment() const {
    return {"TALLYMAN_DB=" + cluster.Dsn("postgres", PostgresCluster::kTcp), "PATH=/usr/bin:/bin"};
  }
  int Orgs() const { return std::stoi(RunSql(cluster.Dsn(), "SELECT count(*) FROM orgs").front()); }

  PostgresCluster cluster{{.durable = false}};
};

class PostgresOutageOfServer : public PostgresOutage {
 protected:
  PostgresOutageOfServer() {
    server.UseDatabase(cluster.Dsn("postgres", PostgresCluster::kTcp));
    EXPECT_TRUE(server.Start()) << server.Log();
  }
  // One attempt, as of a client that does not repeat anything.
  Status CreateOrg(const std::string& name, std::chrono::milliseconds timeout) {
    auto client = client::NetworkClient::Make({.server = server.Url(),
                                               .token = server.token(),
                                               .timeout = timeout,
                                               .retry = {.attempts_max = 1}},
                                              clock, random, [](std::chrono::milliseconds) {});
    v1::CreateOrgRequest request;
    request.set_name(name);
    v1::CreateOrgResponse response;
    return (*client)->Call(kCreate, request, response);
  }

  ServerProcess server;
  SystemClock clock;
  SeededRandom random{1};
};

TEST_F(PostgresOutageOfServer, ACallWaitsUntilItsDeadlineAndIsThenToldOneSentence) {
  cluster.Stop();
  const auto begun = std::chrono::steady_clock::now();
  const Status status = CreateOrg("acme", std::chrono::milliseconds(2000));
  EXPECT_GT(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(1500));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kUnavailable);
  EXPECT_EQ(status.error().reason, "DATABASE_UNREACHABLE");
  EXPECT_EQ(status.error().message,
            "the server cannot reach its database now, and nothing was changed: try again in a few "
            "seconds");
  EXPECT_EQ(status.error().resource, "database");
  EXPECT_EQ(status.error().Fact("retry_after_ms"), "1000");
  // The log is for those who have to mend it.
  EXPECT_TRUE(server.LogHas("127.0.0.1:" + std::to_string(cluster.port()))) << server.Log();
}

TEST_F(PostgresOutageOfServer, ACallIsCarriedOutOnceTheDatabaseIsBack) {
  cluster.Stop();
  auto first = std::async(std::launch::async,
                          [&] { return CreateOrg("acme", std::chrono::milliseconds(60'000)); });
  RunningCommand second({"org", "create", "beta", "--timeout", "60s"},
                        {"TALLYMAN_SERVER=" + server.Url(), "TALLYMAN_TOKEN=" + server.token()});
  const Status late = CreateOrg("late", std::chrono::milliseconds(1000));
  EXPECT_EQ(late.error().reason, "DATABASE_UNREACHABLE");
  cluster.Start();
  const Status status = first.get();
  EXPECT_TRUE(status) << status.error().message;
  EXPECT_EQ(second.Wait(), 0) << second.Said();
  EXPECT_EQ(Orgs(), 2);
}

TEST_F(PostgresOutageOfServer, AServerThatStopsMeanwhileWaitsForNobody) {
  cluster.Stop();
  auto call = std::async(std::launch::async,
                         [&] { return CreateOrg("acme", std::chrono::milliseconds(600'000)); });
  ASSERT_FALSE(CreateOrg("late", std::chrono::milliseconds(1000)));
  EXPECT_EQ(server.Stop(), 0) << server.Log();
  EXPECT_FALSE(call.get());
}

TEST_F(PostgresOutage, ACommandOnTheDatabaseItselfWaitsForIt) {
  cluster.Stop();
  RunningCommand create({"org", "create", "acme", "--timeout", "60s"}, Environment());
  ASSERT_TRUE(create.AwaitSaid(kWaits)) << create.Said();
  cluster.Start();
  EXPECT_EQ(create.Wait(), 0) << create.Said();
  EXPECT_EQ(Orgs(), 1);
}

// A server that is started while its database is away, as when both machines boot.
class ServerBeforeItsDatabase : public PostgresOutage {
 protected:
  std::unique_ptr<RunningCommand> Serve(const std::string& user, const std::string& database) {
    return std::make_unique<RunningCommand>(
        std::vector<std::string>{
            "server", "--db",
            fmt::format("postgres://{}:private@127.0.0.1:{}/{}", user, cluster.port(), database),
            "--listen", "127.0.0.1:0", "--admin-token-file", (dir.path() / "token").string()},
        std::vector<std::string>{"PATH=/usr/bin:/bin"});
  }

  TempDir dir;
};

constexpr const char* kServerWaits = "waiting for the database, as long as it takes: ";

TEST_F(ServerBeforeItsDatabase, WaitsForItAndSaysSoOnce) {
  cluster.Stop();
  const auto server = Serve("postgres", "postgres");
  ASSERT_TRUE(server->AwaitSaid(kServerWaits)) << server->Said();
  cluster.Start();
  ASSERT_TRUE(server->AwaitSaid("serving on http://")) << server->Said();
  EXPECT_THAT(server->Said(), HasSubstr(fmt::format("127.0.0.1:{}", cluster.port())));
  EXPECT_THAT(server->Said(), Not(HasSubstr("private")));
  const std::string said = server->Said();
  EXPECT_EQ(said.find(kServerWaits), said.rfind(kServerWaits)) << said;
  server->Signal(SIGTERM);
  EXPECT_EQ(server->Wait(), 0) << server->Said();
}

TEST_F(ServerBeforeItsDatabase, StopsWhenItIsToldToMeanwhile) {
  cluster.Stop();
  const auto server = Serve("postgres", "postgres");
  ASSERT_TRUE(server->AwaitSaid(kServerWaits)) << server->Said();
  server->Signal(SIGTERM);
  EXPECT_EQ(server->Wait(), 0) << server->Said();
  EXPECT_THAT(server->Said(), HasSubstr("the server has stopped"));
}

// What does not pass by itself is told at once.
TEST_F(ServerBeforeItsDatabase, DoesNotWaitForADatabaseThatDoesNotExist) {
  const auto server = Serve("postgres", "nowhere");
  EXPECT_EQ(server->Wait(), 4) << server->Said();
  EXPECT_THAT(server->Said(), HasSubstr("database \"nowhere\" does not exist"));
}

TEST_F(ServerBeforeItsDatabase, DoesNotWaitForAUserThatDoesNotExist) {
  const auto server = Serve("nobody", "postgres");
  EXPECT_EQ(server->Wait(), 8) << server->Said();
  EXPECT_THAT(server->Said(), HasSubstr("role \"nobody\" does not exist"));
}

}  // namespace
}  // namespace tallyman
