// Requests that nobody should send: each gets an error that says what is wrong, or an end, soon;
// and the server goes on.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>

#include <boost/json.hpp>
#include <csignal>
#include <fstream>
#include <thread>

#include "rpc/gzip.h"
#include "rpc/wire_error.h"
#include "server/http_peer.h"
#include "server/server_process.h"
#include "tallyman/v1/audit.pb.h"
#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/command.pb.h"
#include "tallyman/v1/event.pb.h"
#include "tallyman/v1/host.pb.h"
#include "tallyman/v1/ledger.pb.h"
#include "tallyman/v1/node.pb.h"
#include "tallyman/v1/org.pb.h"
#include "tallyman/v1/region.pb.h"

namespace tallyman {
namespace {

using namespace tallyman::rpc;
using std::chrono::seconds;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct Target {
  std::string name;  // "NodeService/GetNode"
  bool is_stream = false;
};

// Every method that the definition has, but for those of agents, which have tests of their own.
std::vector<Target> AllMethods() {
  std::vector<Target> methods;
  for (const google::protobuf::FileDescriptor* file :
       {v1::RunAuditRequest::descriptor()->file(), v1::ListImagesRequest::descriptor()->file(),
        v1::GetCommandRequest::descriptor()->file(), v1::ListEventsRequest::descriptor()->file(),
        v1::GetHostRequest::descriptor()->file(), v1::ListLedgerRequest::descriptor()->file(),
        v1::GetNodeRequest::descriptor()->file(), v1::GetOrgRequest::descriptor()->file(),
        v1::ListRegionsRequest::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        methods.push_back({file->service(s)->name() + "/" + file->service(s)->method(m)->name(),
                           file->service(s)->method(m)->server_streaming()});
      }
    }
  }
  return methods;
}

class Abuse : public ::testing::Test {
 protected:
  void Start(const std::vector<std::string>& options = {}) {
    ASSERT_TRUE(server.Start(options)) << server.Log();
  }
  PeerAnswer Raw(const std::string& bytes, bool half_close = false) {
    HttpPeer peer(server.port());
    peer.Send(bytes);
    if (half_close) peer.HalfClose();
    return peer.Receive();
  }
  void ExpectAlive() {
    EXPECT_EQ(Raw(PostOf("OrgService/ListOrgs", server.token(), "{}")).status, 200);
  }
  static std::string ReasonOf(const PeerAnswer& answer) {
    return ErrorFromResponse(answer.status, answer.body).reason;
  }
  std::string Head(const std::string& method, const std::string& headers) {
    return fmt::format(
        "POST /tallyman.v1.{} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n{}\r\n", method,
        server.token(), headers);
  }

  ServerProcess server;
};

TEST_F(Abuse, EveryMethodRefusesEveryMalformedRequest) {
  Start();
  std::vector<Target> methods = AllMethods();
  ASSERT_GE(methods.size(), 33u);
  for (const auto& [method, is_stream] : methods) {
    SCOPED_TRACE(method);
    const std::string type = is_stream ? "application/connect+json" : "application/json";
    auto post = [&](const std::string& body, const std::string& content_type,
                    const std::string& headers = "") {
      return Raw(PostOf(method, server.token(), body, content_type, headers));
    };
    EXPECT_EQ(post("{}", "text/html").status, 415);
    EXPECT_EQ(post("{}", "").status, 415);
    EXPECT_EQ(post("{}", is_stream ? "application/json" : "application/connect+json").status, 415);
    EXPECT_EQ(Raw(fmt::format("GET /tallyman.v1.{} HTTP/1.1\r\nHost: x\r\n\r\n", method)).status,
              405);
    EXPECT_EQ(
        Raw(fmt::format("PUT /tallyman.v1.{} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}",
                        method))
            .status,
        405);
    // Half of a body, and then nothing.
    EXPECT_EQ(Raw(Head(method, fmt::format("Content-Type: {}\r\nContent-Length: 100\r\n", type)) +
                      "{\"a\"",
                  true)
                  .status,
              400);
    EXPECT_EQ(
        Raw(Head(method, fmt::format("Content-Type: {}\r\nTransfer-Encoding: chunked\r\n", type)) +
            "zz\r\n{}\r\n0\r\n\r\n")
            .status,
        400);
    EXPECT_EQ(
        Raw(Head(method, fmt::format("Content-Type: {}\r\nContent-Length: 99999999999\r\n", type)))
            .status,
        413);
    if (is_stream) continue;
    for (const char* body : {"", "{", "[]", "nul", "{\"no_such_field\": 1}", "\xff\xfe"}) {
      PeerAnswer answer = post(body, type);
      EXPECT_EQ(answer.status, 400) << body;
      EXPECT_EQ(ReasonOf(answer), "MALFORMED_MESSAGE") << body;
    }
    EXPECT_EQ(ReasonOf(post("\x0a\xff", "application/proto")), "MALFORMED_MESSAGE");
    EXPECT_EQ(post(Gzip("{}"), type, "Content-Encoding: gzip\r\n").status, 501);
    EXPECT_EQ(ReasonOf(post("{}", type, "Connect-Protocol-Version: 9\r\n")),
              "WRONG_PROTOCOL_VERSION");
    EXPECT_EQ(ReasonOf(post("{}", type, "Connect-Timeout-Ms: -1\r\n")), "INVALID_TIMEOUT");
    EXPECT_EQ(Raw(PostOf(method, "", "{}")).status, 401);
  }
  ExpectAlive();
}

TEST_F(Abuse, NonsenseInsteadOfHttpIsRefusedOrCut) {
  Start();
  for (const std::string& bytes : {
           std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11),  // TLS
           std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
           std::string("GET\r\n\r\n"),
           std::string("GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n"),
           std::string("GET /healthz HTTP/1.1\r\n\r\n"),
           std::string("GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
           std::string("GET /healthz HTTP/1.1\r\nHost x\r\n\r\n"),
           std::string("GET /healthz HTTP/1.1\r\nHost: x\r\nA\x01: b\r\n\r\n"),
           std::string("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n"),
           std::string(
               "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
           std::string("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: "
                       "chunked\r\n\r\n0\r\n\r\n"),
           std::string(100'000, '\0'),
           std::string(100'000, 'A'),
       }) {
    PeerAnswer answer = Raw(bytes, true);
    EXPECT_TRUE(answer.status == 0 || (answer.status >= 400 && answer.status < 500))
        << answer.status << " to " << bytes.substr(0, 60);
  }
  ExpectAlive();
}

TEST_F(Abuse, LongHeadsAreRefused) {
  Start();
  PeerAnswer answer =
      Raw("GET /healthz HTTP/1.1\r\nHost: x\r\nLong: " + std::string(20'000, 'a') + "\r\n\r\n");
  EXPECT_EQ(answer.status, 431);
  EXPECT_EQ(ReasonOf(answer), "HEADERS_TOO_LARGE");
  std::string many = "GET /healthz HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 2000; ++i) many += fmt::format("H{}: v\r\n", i);
  EXPECT_EQ(Raw(many + "\r\n").status, 431);
  EXPECT_EQ(Raw("GET /" + std::string(30'000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n").status, 431);
  ExpectAlive();
}

TEST_F(Abuse, LargeBodiesAreRefusedHoweverTheyCome) {
  Start({"--body-max-mib", "1"});
  std::string big(size_t{3} << 20, 'x');
  PeerAnswer answer = Raw(PostOf("OrgService/GetOrg", server.token(), big));
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(ReasonOf(answer), "REQUEST_TOO_LARGE");
  const std::string message = ErrorFromResponse(answer.status, answer.body).message;
  EXPECT_THAT(message, AllOf(HasSubstr("OrgService/GetOrg"), HasSubstr(" 3145728 bytes"),
                             HasSubstr(" 65536 are taken")));
  answer = Raw(PostOf("HostService/CreateHosts", server.token(), big));
  EXPECT_EQ(answer.status, 413);
  EXPECT_THAT(ErrorFromResponse(answer.status, answer.body).message,
              HasSubstr(" 1048576 are taken"))
      << "of no method more than of any";
  HttpPeer chunked(server.port());
  chunked.Send(Head("OrgService/GetOrg",
                    "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"));
  std::string chunk = fmt::format("{:x}\r\n{}\r\n", 65536, std::string(65536, 'x'));
  for (int i = 0; i < 40 && chunked.Send(chunk); ++i) {
  }
  EXPECT_EQ(chunked.Receive().status, 413);
  ExpectAlive();
}

// They may ask what would happen, but not at length: neither announced nor in chunks.
TEST_F(Abuse, WhoMayOnlyLookSendsLittle) {
  Start();
  const std::string made = Raw(PostOf("TokenService/CreateToken", server.token(),
                                      R"({"name": "v", "role": "ROLE_VIEWER"})"))
                               .body;
  const std::string key = R"("secret":")";
  const size_t at = made.find(key) + key.size();
  const std::string viewer = made.substr(at, made.find('"', at) - at);
  const std::string big(size_t{2} << 20, ' ');
  const PeerAnswer answer = Raw(PostOf("NodeService/CreateNodes", viewer, big));
  EXPECT_EQ(answer.status, 413);
  EXPECT_THAT(ErrorFromResponse(answer.status, answer.body).message,
              AllOf(HasSubstr(" 2097152 bytes"), HasSubstr(" 1048576 are taken")));
  HttpPeer chunked(server.port());
  std::string head = Head("NodeService/CreateNodes",
                          "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n");
  const std::string chunk = fmt::format("{:x}\r\n{}\r\n", 65536, std::string(65536, ' '));
  chunked.Send(head.replace(head.find(server.token()), server.token().size(), viewer));
  for (int i = 0; i < 40 && chunked.Send(chunk); ++i) {
  }
  EXPECT_EQ(chunked.Receive().status, 413);
  EXPECT_NE(Raw(PostOf("NodeService/CreateNodes", server.token(), big)).status, 413);
  ExpectAlive();
}

// What is announced costs nothing; what has come does.
TEST_F(Abuse, ManyLargeBodiesAtOnceAreRefusedAtOnce) {
  Start({"--body-max-mib", "1"});
  const std::string head = Head("HostService/CreateHosts",
                                "Content-Type: application/json\r\nContent-Length: 1000000\r\n"
                                "Expect: 100-continue\r\n");
  const std::string most(999'999, ' ');
  std::vector<std::unique_ptr<HttpPeer>> slow;
  for (int i = 0; i < 16; ++i) {
    slow.push_back(std::make_unique<HttpPeer>(server.port()));
    slow.back()->Send(head);
    EXPECT_EQ(slow.back()->ReceiveStatusLine(), "HTTP/1.1 100 Continue");
  }
  ExpectAlive();
  // Four of them are taken, and are in no hurry.
  for (int i = 0; i < 8; ++i) slow[i]->Send(most);
  int refused = 0;
  for (int i = 0; i < 8; ++i) {
    slow[i]->Send("x");
    const PeerAnswer answer = slow[i]->Receive();
    if (answer.status == 429 || answer.status == 0) ++refused;
  }
  EXPECT_GE(refused, 1);
  EXPECT_TRUE(server.LogHas("TOO_MANY_BODIES"));
  ExpectAlive();
}

TEST_F(Abuse, SlowHeadsAreCut) {
  Start();
  HttpPeer silent(server.port()), slow(server.port());
  slow.Send("POST /tallyman.v1.OrgService/ListOrgs HTTP/1.1\r\nHost: x\r\n");
  auto begun = std::chrono::steady_clock::now();
  // A byte now and then does not help.
  std::jthread dripping([&](const std::stop_token& stop) {
    while (!stop.stop_requested() && slow.Send("A: b\r\n")) {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
  });
  EXPECT_TRUE(silent.ClosedWithin(seconds(20)));
  EXPECT_TRUE(slow.ClosedWithin(seconds(20)));
  EXPECT_GT(std::chrono::steady_clock::now() - begun, seconds(5));
  ExpectAlive();
}

TEST_F(Abuse, MoreConnectionsThanAreTakenAreTurnedAway) {
  Start({"--connections-max", "5"});
  std::vector<std::unique_ptr<HttpPeer>> peers;
  for (int i = 0; i < 5; ++i) {
    peers.push_back(std::make_unique<HttpPeer>(server.port()));
    peers.back()->Send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(peers.back()->Receive().status, 200);
  }
  HttpPeer one_too_many(server.port());
  PeerAnswer answer = one_too_many.Receive();
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(ReasonOf(answer), "TOO_MANY_CONNECTIONS");
  EXPECT_TRUE(answer.headers.contains("retry-after"));
  peers.clear();
  // Those that ended make room.
  bool again = false;
  for (int i = 0; i < 1000 && !again; ++i) {
    again = Raw("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status == 200;
  }
  EXPECT_TRUE(again);
}

// Whoever changes too much is told when to come back; reads and everybody else's changes go on.
TEST_F(Abuse, ChangesOfATokenHaveARate) {
  Start({"--changes-per-second", "1"});
  const auto post = [&](const std::string& token, const std::string& method,
                        const std::string& body) { return Raw(PostOf(method, token, body)); };
  const auto number = [&](const std::string& name) {
    const std::string page =
        Raw(fmt::format("GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n",
                        server.token()))
            .body;
    const size_t at = page.find("\n" + name + " ");
    return at == std::string::npos ? -1 : std::stod(page.substr(at + name.size() + 2));
  };
  const PeerAnswer made = post(server.token(), "TokenService/CreateToken",
                               R"({"name": "other", "role": "ROLE_ADMIN"})");
  ASSERT_EQ(made.status, 200) << made.body;
  const std::string other(boost::json::parse(made.body).at("secret").as_string());
  const std::string region = R"({"name": "eu", "requestId": "region"})";
  EXPECT_EQ(post(server.token(), "RegionService/CreateRegion", region).status, 200);
  // More than is saved up in one call, which passes.
  std::string hosts;
  for (int i = 0; i < 2000; ++i) {
    hosts += fmt::format(
        R"({}{{"name": "h{}", "region": "eu", "capacity": {{"cpuCores": "1", "memoryBytes": "1",
           "diskBytes": "1"}}}})",
        i == 0 ? "" : ",", i);
  }
  EXPECT_EQ(post(server.token(), "HostService/CreateHosts", "{\"hosts\": [" + hosts + "]}").status,
            200);
  const PeerAnswer refused =
      post(server.token(), "OrgService/CreateOrg", R"({"name": "a", "requestId": "a"})");
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(ReasonOf(refused), "TOO_MANY_CHANGES");
  EXPECT_GT(std::stoi(refused.headers.at("retry-after")), 500);
  EXPECT_THAT(ErrorFromResponse(refused.status, refused.body).message,
              HasSubstr("--changes-per-second"));
  // To refuse it costs the database no write, not even for an answer that was given before.
  const double writes = number("tallyman_write_duration_seconds_count");
  const auto begun = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i)
    ASSERT_EQ(post(server.token(), "RegionService/CreateRegion", region).status, 429);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  EXPECT_LT(number("tallyman_write_duration_seconds_count") - writes, 20 + 3 * took.count());
  EXPECT_EQ(number("tallyman_changes_refused_total"), 101);
  EXPECT_TRUE(server.LogHas("changes_refused"));
  ExpectAlive();
  EXPECT_EQ(post(other, "OrgService/CreateOrg", R"({"name": "a"})").status, 200);
}

TEST_F(Abuse, MoreStreamsThanAreTakenAreRefusedInTheirForm) {
  Start({"--streams-max", "2"});
  std::string open = PostOf("EventService/WatchEvents", server.token(),
                            std::string("\0\0\0\0\x02{}", 7), "application/connect+json");
  HttpPeer one(server.port()), two(server.port()), three(server.port());
  for (HttpPeer* peer : {&one, &two}) {
    peer->Send(open);
    EXPECT_THAT(peer->ReceiveHead().status, 200);
    EXPECT_THAT(peer->ReceiveChunk(), HasSubstr("cursor"));
  }
  three.Send(open);
  PeerAnswer answer = three.Receive();
  EXPECT_TRUE(answer.whole);
  EXPECT_THAT(answer.body, HasSubstr("resource_exhausted"));
}

}  // namespace
}  // namespace tallyman
