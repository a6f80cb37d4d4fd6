// Calls over real sockets: the protocol's unary form, with curl and with bytes of our own.
#include <gmock/gmock.h>

#include <sys/stat.h>
#include <boost/json.hpp>

#include <csignal>
#include <cstdlib>
#include <ctime>

#include "base/base64.h"
#include "rpc/gzip.h"
#include "rpc/message_codec.h"
#include "rpc/wire_error.h"
#include "server/http_peer.h"
#include "server/server_process.h"
#include "tallyman/v1/event.pb.h"
#include "tallyman/v1/org.pb.h"
#include "tests/cli/program.h"

namespace tallyman {
namespace {

using namespace tallyman::rpc;
using ::testing::HasSubstr;
using ::testing::Not;

class Unary : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(server.Start()) << server.Log(); }

  PeerAnswer Call(const std::string& method, const std::string& body,
                  const std::string& content_type = "application/json",
                  const std::string& more_headers = "") {
    HttpPeer peer(server.port());
    peer.Send(PostOf(method, server.token(), body, content_type, more_headers));
    return peer.Receive();
  }
  PeerAnswer Raw(const std::string& bytes) {
    HttpPeer peer(server.port());
    peer.Send(bytes);
    return peer.Receive();
  }
  static Error ErrorOf(const PeerAnswer& answer) {
    return ErrorFromResponse(answer.status, answer.body);
  }

  ServerProcess server;
};

TEST_F(Unary, CurlCreatesAndReads) {
  std::string header = "Authorization: Bearer " + server.token();
  auto curl = [&](const std::string& method, const std::string& body) {
    return RunProgram("/usr/bin/curl",
                      {"-sS", "-i", "-H", header, "-H", "Content-Type: application/json", "-d",
                       body, server.Url("/tallyman.v1." + method)},
                      {});
  };
  Ran created = curl("OrgService/CreateOrg", R"({"name": "acme"})");
  EXPECT_EQ(created.status, 0) << created.err;
  EXPECT_THAT(created.out, HasSubstr("HTTP/1.1 200 OK"));
  EXPECT_THAT(created.out, HasSubstr(R"("name":"acme")"));
  EXPECT_THAT(created.out, HasSubstr("X-Request-Id: "));
  Ran refused = curl("OrgService/CreateOrg", R"({"name": "acme"})");
  EXPECT_THAT(refused.out, HasSubstr("HTTP/1.1 409"));
  EXPECT_THAT(refused.out, HasSubstr(R"("code":"already_exists")"));
  EXPECT_THAT(refused.out, HasSubstr(R"("type":"tallyman.v1.ErrorDetail")"));
  Ran listed = curl("OrgService/ListOrgs", "{}");
  EXPECT_THAT(listed.out, HasSubstr(R"("name":"acme")"));
}

TEST_F(Unary, AnswersInTheFormOfTheRequest) {
  v1::CreateOrgRequest request;
  request.set_name("acme");
  PeerAnswer answer =
      Call("OrgService/CreateOrg", request.SerializeAsString(), "application/proto");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers["content-type"], "application/proto");
  v1::CreateOrgResponse response;
  ASSERT_TRUE(response.ParseFromString(answer.body));
  EXPECT_EQ(response.org().name(), "acme");
  answer = Call("OrgService/CreateOrg", request.SerializeAsString(), "application/proto");
  EXPECT_EQ(answer.status, 409);
  EXPECT_EQ(answer.headers["content-type"], "application/json") << "errors are always JSON";
  EXPECT_EQ(ErrorOf(answer).reason, "ORG_NAME_TAKEN");
}

TEST_F(Unary, KeepsAConnectionForManyCallsAndTakesThemInARow) {
  HttpPeer peer(server.port());
  std::string request = PostOf("OrgService/ListOrgs", server.token(), "{}");
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(peer.Send(request));
    EXPECT_EQ(peer.Receive().status, 200);
  }
  ASSERT_TRUE(peer.Send(request + request + request));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(peer.Receive().status, 200);
}

TEST_F(Unary, ShowsErrorsWithTheirDetail) {
  PeerAnswer answer = Call("OrgService/GetOrg", R"({"org": "nobody"})");
  EXPECT_EQ(answer.status, 404);
  Error error = ErrorOf(answer);
  EXPECT_EQ(error.code, Code::kNotFound);
  EXPECT_EQ(error.reason, "ORG_NOT_FOUND");
  EXPECT_THAT(error.message, HasSubstr("nobody"));
  answer = Call("OrgService/GetOrg", R"({"orgg": "x"})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(ErrorOf(answer).Fact("field"), "orgg");
}

TEST_F(Unary, RefusesWhatIsLeftOutAsTheSpecificationSays) {
  EXPECT_EQ(Call("OrgService/ListOrgs", "{}", "text/plain").status, 415);
  PeerAnswer grpc_web = Call("OrgService/ListOrgs", "{}", "application/grpc-web+proto");
  EXPECT_EQ(grpc_web.status, 415);
  EXPECT_EQ(grpc_web.headers["accept-post"], "application/json, application/proto");
  EXPECT_EQ(Call("OrgService/ListOrgs", "{}", "application/connect+json").status, 415);
  PeerAnswer get =
      Raw("GET /tallyman.v1.OrgService/ListOrgs?message=%7B%7D HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(get.status, 405);
  EXPECT_EQ(get.headers["allow"], "POST");
  EXPECT_EQ(ErrorOf(get).code, Code::kUnimplemented);
  PeerAnswer packed =
      Call("OrgService/ListOrgs", Gzip("{}"), "application/json", "Content-Encoding: gzip\r\n");
  EXPECT_EQ(packed.status, 501);
  EXPECT_EQ(ErrorOf(packed).reason, "COMPRESSED_REQUEST");
  EXPECT_EQ(Call("OrgService/Explode", "{}").status, 501);
  EXPECT_EQ(ErrorOf(Call("OrgService/Explode", "{}")).reason, "UNKNOWN_METHOD");
  EXPECT_EQ(Raw("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n").status, 404);
}

TEST_F(Unary, WantsAToken) {
  HttpPeer peer(server.port());
  peer.Send(PostOf("OrgService/ListOrgs", "", "{}"));
  PeerAnswer answer = peer.Receive();
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(answer.headers["www-authenticate"], "Bearer");
  EXPECT_EQ(ErrorOf(answer).reason, "NO_TOKEN");
  peer.Send(PostOf("OrgService/ListOrgs", "wrong", "{}"));
  EXPECT_EQ(ErrorOf(peer.Receive()).reason, "INVALID_TOKEN");
  // Who may not call is not told what is wrong with the message.
  peer.Send(PostOf("OrgService/ListOrgs", "wrong", "no json"));
  EXPECT_EQ(peer.Receive().status, 401);
}

TEST_F(Unary, AnswersSayWhenTheyWereMade) {
  const PeerAnswer called = Call("OrgService/ListOrgs", "{}");
  const PeerAnswer refused = Raw("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
  const PeerAnswer malformed = Raw("GET\r\n\r\n");
  for (const PeerAnswer& answer : {called, refused, malformed}) {
    std::tm parsed{};
    const std::string date = answer.headers.at("date");
    ASSERT_NE(::strptime(date.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parsed), nullptr) << date;
    EXPECT_LT(std::abs(std::difftime(::timegm(&parsed), std::time(nullptr))), 60) << date;
  }
}

TEST_F(Unary, TurnsAwayWhoTriesTokensButNotWhoHasOne) {
  HttpPeer peer(server.port());
  int unauthenticated = 0;
  PeerAnswer answer;
  for (int i = 0; i < 25; ++i) {
    peer.Send(PostOf("OrgService/ListOrgs", "wrong", "{}"));
    answer = peer.Receive();
    if (answer.status == 401) ++unauthenticated;
  }
  EXPECT_EQ(unauthenticated, 20);
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(ErrorOf(answer).reason, "TOO_MANY_FAILURES");
  EXPECT_TRUE(answer.headers.contains("retry-after"));
  EXPECT_EQ(Call("OrgService/ListOrgs", "{}").status, 200) << "from the same address";
  peer.Send(PostOf("OrgService/ListOrgs", "wrong", "{}"));
  EXPECT_EQ(peer.Receive().status, 429) << "a right token does not make the wrong ones right";
}

TEST_F(Unary, PacksLargeAnswersForWhoTakesThem) {
  for (int i = 0; i < 60; ++i) {
    ASSERT_EQ(Call("OrgService/CreateOrg", R"({"name": "org-)" + std::to_string(i) + "\"}").status,
              200);
  }
  PeerAnswer plain = Call("OrgService/ListOrgs", "{}");
  ASSERT_GT(plain.body.size(), 4096u);
  EXPECT_FALSE(plain.headers.contains("content-encoding"));
  PeerAnswer packed =
      Call("OrgService/ListOrgs", "{}", "application/json", "Accept-Encoding: br, gzip\r\n");
  EXPECT_EQ(packed.headers["content-encoding"], "gzip");
  EXPECT_LT(packed.body.size(), plain.body.size());
  EXPECT_EQ(Gunzip(packed.body, 1 << 20).value(), plain.body);
  PeerAnswer small = Call("OrgService/GetOrg", R"({"org": "org-1"})", "application/json",
                          "Accept-Encoding: gzip\r\n");
  EXPECT_FALSE(small.headers.contains("content-encoding"));
}

TEST_F(Unary, KeepsToTheCallersTime) {
  PeerAnswer late =
      Call("OrgService/ListOrgs", "{}", "application/json", "Connect-Timeout-Ms: 0\r\n");
  EXPECT_EQ(late.status, 504);
  EXPECT_EQ(ErrorOf(late).code, Code::kDeadlineExceeded);
  EXPECT_EQ(
      Call("OrgService/ListOrgs", "{}", "application/json", "Connect-Timeout-Ms: 5000\r\n").status,
      200);
  EXPECT_EQ(
      ErrorOf(Call("OrgService/ListOrgs", "{}", "application/json", "Connect-Timeout-Ms: soon\r\n"))
          .reason,
      "INVALID_TIMEOUT");
}

TEST_F(Unary, AsksForALargeBodyOnlyWhenItIsWanted) {
  HttpPeer peer(server.port());
  std::string body = R"({"name": "acme"})";
  std::string request = PostOf("OrgService/CreateOrg", server.token(), body, "application/json",
                               "Expect: 100-continue\r\n");
  peer.Send(request.substr(0, request.size() - body.size()));
  peer.Send(body);
  EXPECT_EQ(peer.Receive().status, 200);
  HttpPeer other(server.port());
  other.Send(
      "POST /tallyman.v1.OrgService/CreateOrg HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n"
      "Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(other.Receive().status, 415);
}

TEST_F(Unary, IsHealthy) {
  EXPECT_EQ(Raw("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").body, "ok\n");
  EXPECT_EQ(Raw("POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").status, 405);
}

TEST_F(Unary, LeavesTheTokenToItsOwnerOnly) {
  struct stat about{};
  ASSERT_EQ(::stat(server.PathOf("fleet.db.admin-token").c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  EXPECT_THAT(server.Log(), HasSubstr("fleet.db.admin-token"));
  EXPECT_THAT(server.Log(), Not(HasSubstr(server.token())));
}

TEST_F(Unary, EndsWhenItIsTold) {
  HttpPeer idle(server.port());
  idle.Send(PostOf("OrgService/ListOrgs", server.token(), "{}"));
  EXPECT_EQ(idle.Receive().status, 200);
  EXPECT_EQ(server.Stop(), 0);
  EXPECT_TRUE(idle.ClosedWithin(std::chrono::seconds(1)));
}

TEST(ServerCommand, RefusesWhatItCannotServe) {
  TempDir dir;
  std::string db = "sqlite:" + (dir.path() / "fleet.db").string();
  auto run = [&](std::vector<std::string> options) {
    options.insert(options.begin(), "server");
    return RunProgram(TALLYMAN_PROGRAM, options, {});
  };
  auto expect = [](const Ran& ran, int status, const std::string& reason) {
    EXPECT_EQ(ran.status, status) << ran.err;
    EXPECT_THAT(ran.err, HasSubstr("reason=" + reason));
  };
  expect(run({}), 2, "NO_DATABASE");
  expect(run({"--db", db, "--listen", "somewhere"}), 2, "INVALID_ADDRESS");
  expect(run({"--db", db, "--listen", "127.0.0.1:99999"}), 2, "INVALID_ADDRESS");
  expect(run({"--db", db, "--listen", "0.0.0.0:0"}), 2, "NOT_ENCRYPTED");
  expect(run({"--db", db, "--listen", "192.0.2.1:0", "--insecure"}), 9, "CANNOT_LISTEN");
  expect(run({"--db", db, "--tls-cert", "x"}), 2, "TLS_FILES");
  expect(run({"--db", db, "--tls-cert", "/nowhere", "--tls-key", "/nowhere"}), 2, "TLS_FILES");
  expect(run({"--db", db, "--log", "xml"}), 2, "USAGE");
  expect(run({"--db", db, "--no-such-thing"}), 2, "USAGE");
  EXPECT_EQ(run({"--help"}).status, 0);
}

}  // namespace
}  // namespace tallyman
