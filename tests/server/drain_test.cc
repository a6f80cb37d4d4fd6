// What becomes of calls when the server is told to end, when clients go, and when there are too
// many.
#include <gmock/gmock.h>
#include <sqlite3.h>

#include <csignal>

#include "rpc/wire_error.h"
#include "server/http_peer.h"
#include "server/server_process.h"
#include "tests/support/wait.h"

namespace tallyman {
namespace {

using ::testing::HasSubstr;

// Holds the database's write lock, so that mutations have to wait for it.
class WriteLock {
 public:
  explicit WriteLock(const std::string& path) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &database_), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  }
  ~WriteLock() { sqlite3_close(database_); }
  WriteLock(const WriteLock&) = delete;
  WriteLock& operator=(const WriteLock&) = delete;

 private:
  sqlite3* database_ = nullptr;
};

class Drain : public ::testing::Test {
 protected:
  void Start(const std::vector<std::string>& options = {}) {
    ASSERT_TRUE(server.Start(options)) << server.Log();
  }
  std::string Create(const std::string& name) {
    return PostOf("OrgService/CreateOrg", server.token(), "{\"name\": \"" + name + "\"}");
  }
  PeerAnswer Ask(const std::string& bytes) {
    HttpPeer peer(server.port());
    peer.Send(bytes);
    return peer.Receive();
  }
  std::string Numbers() {
    return Ask("GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + server.token() +
               "\r\n\r\n")
        .body;
  }
  // Waits until the numbers of the server have this line.
  bool Until(const std::string& line) {
    auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < until) {
      if (Numbers().find("\n" + line + "\n") != std::string::npos) return true;
    }
    return false;
  }
  // Its transaction has begun, and waits for the lock: what is sent from here on waits for it. Two
  // calls that are only in flight may still be carried out by one transaction.
  void SendAndAwaitItsLot(HttpPeer& peer, const std::string& name) {
    const std::string lots = "\ntallyman_lots_total ";
    const std::string before = Numbers();
    const size_t at = before.find(lots);
    ASSERT_NE(at, std::string::npos);
    peer.Send(Create(name));
    ASSERT_TRUE(
        Until(lots.substr(1) + std::to_string(std::stoll(before.substr(at + lots.size())) + 1)));
  }
  ServerProcess server;
};

TEST_F(Drain, LetsCallsEndThatAreUnderWay) {
  Start();
  auto lock = std::make_unique<WriteLock>(server.PathOf("fleet.db"));
  HttpPeer waiting(server.port());
  waiting.Send(Create("acme"));
  ASSERT_TRUE(Until("tallyman_calls_in_flight 1"));
  server.Signal(SIGTERM);
  ASSERT_TRUE(server.LogHas("stopping"));
  // It says so first, and closes its door at once then.
  EXPECT_TRUE(WaitUntil([&] {
    return !HttpPeer(server.port()).connected() ||
           Ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status != 200;
  })) << "new calls are taken";
  lock.reset();
  PeerAnswer answer = waiting.Receive();
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.headers["connection"], "close");
  EXPECT_EQ(server.Wait(), 0);
  ASSERT_TRUE(server.Start()) << server.Log();
  EXPECT_THAT(Ask(PostOf("OrgService/ListOrgs", server.token(), "{}")).body, HasSubstr("acme"));
}

TEST_F(Drain, EndsInBoundedTime) {
  Start({"--drain-seconds", "1"});
  WriteLock lock(server.PathOf("fleet.db"));
  HttpPeer waiting(server.port());
  waiting.Send(Create("acme"));
  ASSERT_TRUE(Until("tallyman_calls_in_flight 1"));
  auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(server.Stop(), 0);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(20));
  // Not even until the database gives up.
  EXPECT_EQ(waiting.Receive().status, 0);
}

TEST_F(Drain, MoreCallsThanAreTakenAreRefusedAtOnceWithAHint) {
  Start({"--calls-max", "3"});
  auto lock = std::make_unique<WriteLock>(server.PathOf("fleet.db"));
  std::vector<std::unique_ptr<HttpPeer>> waiting;
  for (int i = 0; i < 3; ++i) {
    waiting.push_back(std::make_unique<HttpPeer>(server.port()));
    waiting.back()->Send(Create("org-" + std::to_string(i)));
  }
  ASSERT_TRUE(Until("tallyman_calls_in_flight 3"));
  PeerAnswer answer = Ask(PostOf("OrgService/ListOrgs", server.token(), "{}"));
  EXPECT_EQ(answer.status, 429);
  Error error = rpc::ErrorFromResponse(answer.status, answer.body);
  EXPECT_EQ(error.code, Code::kResourceExhausted);
  EXPECT_EQ(error.reason, "SERVER_BUSY");
  EXPECT_EQ(error.Fact("retry_after_ms"), "1000");
  EXPECT_EQ(answer.headers["retry-after"], "1");
  lock.reset();
  for (auto& peer : waiting) EXPECT_EQ(peer->Receive().status, 200);
  EXPECT_EQ(Ask(PostOf("OrgService/ListOrgs", server.token(), "{}")).status, 200);
}

TEST_F(Drain, ACallWhoseClientIsGoneIsNotBegun) {
  Start({"--log", "json"});
  auto lock = std::make_unique<WriteLock>(server.PathOf("fleet.db"));
  // The first is begun, and waits for the lock; the second waits for the first.
  HttpPeer first(server.port());
  SendAndAwaitItsLot(first, "first");
  {
    HttpPeer second(server.port());
    second.Send(Create("second"));
    ASSERT_TRUE(Until("tallyman_calls_in_flight 2"));
  }
  ASSERT_TRUE(Until("tallyman_clients_gone_total 1"));
  lock.reset();
  EXPECT_EQ(first.Receive().status, 200);
  ASSERT_TRUE(server.LogHas(R"("code":"canceled")")) << server.Log();
  PeerAnswer orgs = Ask(PostOf("OrgService/ListOrgs", server.token(), "{}"));
  EXPECT_THAT(orgs.body, HasSubstr("first"));
  EXPECT_THAT(orgs.body, ::testing::Not(HasSubstr("second")));
}

TEST_F(Drain, ADeadlineEndsACallThatWaits) {
  Start();
  auto lock = std::make_unique<WriteLock>(server.PathOf("fleet.db"));
  HttpPeer first(server.port()), second(server.port());
  SendAndAwaitItsLot(first, "first");
  auto sent = std::chrono::steady_clock::now();
  second.Send(PostOf("OrgService/CreateOrg", server.token(), R"({"name": "second"})",
                     "application/json", "Connect-Timeout-Ms: 200\r\n"));
  ASSERT_TRUE(Until("tallyman_calls_in_flight 2"));
  while (std::chrono::steady_clock::now() < sent + std::chrono::milliseconds(250)) {
    ASSERT_TRUE(Until("tallyman_calls_in_flight 2"));
  }
  lock.reset();
  EXPECT_EQ(first.Receive().status, 200);
  PeerAnswer late = second.Receive();
  EXPECT_EQ(late.status, 504) << late.body;
  EXPECT_EQ(rpc::ErrorFromResponse(late.status, late.body).code, Code::kDeadlineExceeded);
}

TEST_F(Drain, LogsOneLinePerCallWithTheIdThatTheClientGot) {
  Start({"--log", "json"});
  PeerAnswer answer = Ask(Create("acme"));
  std::string id = answer.headers["x-request-id"];
  ASSERT_EQ(id.size(), 36u);
  ASSERT_TRUE(server.LogHas(id)) << server.Log();
  std::string log = server.Log();
  size_t at = log.find(id);
  size_t begin = log.rfind('\n', at) + 1;
  std::string line = log.substr(begin, log.find('\n', at) - begin);
  EXPECT_THAT(line, HasSubstr(R"("event":"call")"));
  EXPECT_THAT(line, HasSubstr(R"("method":"tallyman.v1.OrgService/CreateOrg")"));
  EXPECT_THAT(line, HasSubstr(R"("code":"ok")"));
  EXPECT_THAT(line, HasSubstr(R"("address":"127.0.0.1")"));
  EXPECT_THAT(line, HasSubstr(R"("actor":"admin")"));
  EXPECT_EQ(log.find(id, at + 1), std::string::npos) << "one line";
  EXPECT_THAT(log, ::testing::Not(HasSubstr(server.token())));
}

}  // namespace
}  // namespace tallyman
