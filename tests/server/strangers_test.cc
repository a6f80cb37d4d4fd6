// What those get who may not call: an answer soon, and nothing that others would miss.
#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "rpc/wire_error.h"
#include "server/http_peer.h"
#include "server/server_process.h"
#include "tests/support/wait.h"

namespace tallyman {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Strangers : public ::testing::Test {
 protected:
  void Start(const std::vector<std::string>& options = {}) {
    ASSERT_TRUE(server.Start(options)) << server.Log();
  }
  PeerAnswer Ask(const std::string& bytes, const std::string& from = "") {
    HttpPeer peer(server.port(), from);
    peer.Send(bytes);
    return peer.Receive();
  }
  std::string Metrics() {
    return Ask("GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + server.token() +
               "\r\n\r\n")
        .body;
  }
  std::string TokenOf(const std::string& role) {
    const PeerAnswer answer =
        Ask(PostOf("TokenService/CreateToken", server.token(),
                   fmt::format(R"({{"name": "a-{}", "role": "ROLE_{}"}})", role, role)));
    const std::string key = R"("secret":")";
    const size_t at = answer.body.find(key);
    EXPECT_NE(at, std::string::npos) << answer.body;
    return answer.body.substr(at + key.size(),
                              answer.body.find('"', at + key.size()) - at - key.size());
  }
  // Announces a body, and sends none of it.
  PeerAnswer Announce(const std::string& method, const std::string& token, size_t length) {
    const std::string authorization =
        token.empty() ? "" : fmt::format("Authorization: Bearer {}\r\n", token);
    return Ask(
        fmt::format("POST /tallyman.v1.{} HTTP/1.1\r\nHost: x\r\n{}Content-Type: "
                    "application/proto\r\nContent-Length: {}\r\n\r\n",
                    method, authorization, length));
  }
  static Error ErrorOf(const PeerAnswer& answer) {
    return rpc::ErrorFromResponse(answer.status, answer.body);
  }

  ServerProcess server;
};

TEST_F(Strangers, AreAnsweredBeforeTheirBodyComes) {
  Start();
  const std::string kMethod = "HostService/CreateHosts";
  EXPECT_EQ(ErrorOf(Announce(kMethod, "", 60'000'000)).reason, "NO_TOKEN");
  EXPECT_EQ(ErrorOf(Announce(kMethod, "wrong", 60'000'000)).reason, "INVALID_TOKEN");
  const PeerAnswer answer = Announce(kMethod, TokenOf("VIEWER"), 60'000'000);
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(ErrorOf(answer).reason, "NOT_PERMITTED");
  EXPECT_EQ(answer.headers.at("connection"), "close");
  // Of the one method that they may call, little is taken.
  const PeerAnswer join = Announce("AgentService/Join", "", 60'000'000);
  EXPECT_EQ(join.status, 413);
  EXPECT_THAT(ErrorOf(join).message,
              AllOf(HasSubstr("AgentService/Join"), HasSubstr(" 60000000 "), HasSubstr(" 4096 ")));
}

TEST_F(Strangers, TryJoinTokensAsOftenAsOthers) {
  Start();
  const std::string body = fmt::format(
      R"({{"joinToken": "tallyman_{}_{}", "nonce": "0123456789abcdef0123456789abcdef"}})",
      std::string(32, '0'), std::string(64, '0'));
  int unauthenticated = 0;
  PeerAnswer answer;
  for (int i = 0; i < 25; ++i) {
    answer = Ask(PostOf("AgentService/Join", "",
                        R"({"facts": {"hostname": "h", "capacity":
        {"cpuCores": "1", "memoryBytes": "1", "diskBytes": "1"}}, )" +
                            body.substr(1)));
    if (answer.status == 401) ++unauthenticated;
  }
  EXPECT_EQ(unauthenticated, 20);
  EXPECT_EQ(ErrorOf(answer).reason, "TOO_MANY_FAILURES");
  EXPECT_EQ(ErrorOf(Ask(PostOf("OrgService/ListOrgs", "wrong", "{}"))).reason, "TOO_MANY_FAILURES")
      << "one limit for all tokens";
  EXPECT_EQ(Ask(PostOf("OrgService/ListOrgs", server.token(), "{}")).status, 200);
}

TEST_F(Strangers, OfOneAddressDoNotLockOthersOut) {
  Start({"--strangers-max", "4"});
  const std::string list = PostOf("OrgService/ListOrgs", server.token(), "{}");
  HttpPeer known(server.port(), "127.0.0.2");
  known.Send(list);
  EXPECT_EQ(known.Receive().status, 200);
  std::vector<std::unique_ptr<HttpPeer>> silent;
  for (int i = 0; i < 4; ++i) {
    silent.push_back(std::make_unique<HttpPeer>(server.port(), "127.0.0.2"));
    silent.back()->Send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(silent.back()->Receive().status, 200);
  }
  const PeerAnswer answer = HttpPeer(server.port(), "127.0.0.2").Receive();
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(ErrorOf(answer).reason, "TOO_MANY_STRANGERS");
  EXPECT_TRUE(answer.headers.contains("retry-after"));
  EXPECT_EQ(Ask(list, "127.0.0.3").status, 200);
  known.Send(list);
  EXPECT_EQ(known.Receive().status, 200) << "it has shown a token";
  // Whoever shows one makes room.
  silent[0]->Send(list);
  EXPECT_EQ(silent[0]->Receive().status, 200);
  EXPECT_EQ(Ask(list, "127.0.0.2").status, 200);
}

TEST_F(Strangers, AreCountedAndLogged) {
  Start();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Ask("GET\r\n\r\n").status, 400);
  EXPECT_EQ(Announce("AgentService/Join", "", 5000).status, 413);
  const std::string metrics = Metrics();
  EXPECT_THAT(metrics, HasSubstr("\ntallyman_refused_total{reason=\"MALFORMED_HTTP\"} 10\n"));
  EXPECT_THAT(metrics, HasSubstr("\ntallyman_refused_total{reason=\"REQUEST_TOO_LARGE\"} 1\n"));
  EXPECT_TRUE(server.LogHas("MALFORMED_HTTP: 1 since the last such line, now 127.0.0.1"));
}

// No program that the server might start inherits a connection.
TEST_F(Strangers, LeaveNoSocketToOtherPrograms) {
  Start();
  HttpPeer peer(server.port());
  peer.Send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(peer.Receive().status, 200);
  int sockets = 0;
  const std::string process = fmt::format("/proc/{}/", server.pid());
  for (const auto& file : std::filesystem::directory_iterator(process + "fd")) {
    const auto target = std::filesystem::read_symlink(file.path()).string();
    if (!target.starts_with("socket:")) continue;
    ++sockets;
    std::ifstream info(process + "fdinfo/" + file.path().filename().string());
    std::string word;
    while (info >> word && word != "flags:") {
    }
    info >> word;
    EXPECT_NE(std::stoul(word, nullptr, 8) & O_CLOEXEC, 0u) << target;
  }
  EXPECT_EQ(sockets, 2) << "the one that listens, and the one that is open";
}

}  // namespace
}  // namespace tallyman
