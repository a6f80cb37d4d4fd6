// The network client against a peer that does what no server should.
#include "client/network_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <cstdlib>
#include <filesystem>

#include "base/random.h"
#include "base/system.h"
#include "rpc/envelope.h"
#include "rpc/wire_error.h"
#include "tallyman/v1/event.pb.h"
#include "tallyman/v1/org.pb.h"
#include "tests/support/scripted_peer.h"

namespace tallyman::client {
namespace {

using namespace tallyman::rpc;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

constexpr const char* kGet = "tallyman.v1.OrgService/GetOrg";
constexpr const char* kCreate = "tallyman.v1.OrgService/CreateOrg";

class NetworkClientTest : public testing::Test {
 protected:
  std::unique_ptr<NetworkClient> Connect(const std::string& server,
                                         const std::function<void(NetworkOptions&)>& change = {}) {
    NetworkOptions options;
    options.server = server;
    options.token = "tallyman_secret";
    options.retry.attempts_max = 3;
    if (change) change(options);
    auto client = NetworkClient::Make(options, clock, random, [this](milliseconds wait) {
      waits.push_back(wait);
      clock.Advance(wait);
    });
    EXPECT_TRUE(client) << client.error().message;
    return *std::move(client);
  }
  static Status Get(Client& client, std::string* name = nullptr) {
    v1::GetOrgRequest request;
    request.set_org("acme");
    v1::GetOrgResponse response;
    RETURN_IF_ERROR(client.Call(kGet, request, response));
    if (name != nullptr) *name = response.org().name();
    return {};
  }
  static Status Create(Client& client, const std::string& request_id) {
    v1::CreateOrgRequest request;
    request.set_name("acme");
    request.set_request_id(request_id);
    v1::CreateOrgResponse response;
    return client.Call(kCreate, request, response);
  }
  static PeerStep Org(const std::string& name) {
    v1::GetOrgResponse response;
    response.mutable_org()->set_name(name);
    return {.bytes = HttpReply(200, "application/proto", response.SerializeAsString())};
  }
  static PeerStep Refusal(int status, const Error& error, const std::string& headers = "") {
    return {.bytes = HttpReply(status, "application/json", ErrorJson(error), headers)};
  }
  static PeerStep HangUp() { return {.bytes = "", .hang_up = true}; }

  ManualClock clock{Time(std::chrono::seconds(1'700'000'000))};
  SeededRandom random{1};
  std::vector<milliseconds> waits;
};

TEST_F(NetworkClientTest, CallsInTheBinaryFormAndKeepsTheConnection) {
  ScriptedPeer peer({Org("acme"), Org("beta")});
  auto client = Connect(peer.url());
  std::string name;
  ASSERT_TRUE(Get(*client, &name));
  EXPECT_EQ(name, "acme");
  ASSERT_TRUE(Get(*client, &name));
  EXPECT_EQ(name, "beta");
  EXPECT_EQ(peer.connections(), 1);
  const std::string request = peer.requests().front();
  EXPECT_THAT(request, HasSubstr("POST /tallyman.v1.OrgService/GetOrg HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("Content-Type: application/proto\r\n"));
  EXPECT_THAT(request, HasSubstr("Connect-Protocol-Version: 1\r\n"));
  EXPECT_THAT(request, HasSubstr("Connect-Timeout-Ms: 30000\r\n"));
  EXPECT_THAT(request, HasSubstr("Authorization: Bearer tallyman_secret\r\n"));
  EXPECT_THAT(request, HasSubstr("\r\n\r\n\x0a\x04"
                                 "acme"));
}

// The agent starts other programs while its connection stays.
TEST_F(NetworkClientTest, LeavesItsConnectionToNoOtherProgram) {
  ScriptedPeer peer({Org("acme")});
  auto client = Connect(peer.url());
  ASSERT_TRUE(Get(*client));
  int connections = 0;
  for (const auto& file : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int socket = std::stoi(file.path().filename().string());
    sockaddr_in address{};
    socklen_t size = sizeof address;
    if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) continue;
    if (address.sin_family != AF_INET) continue;
    ++connections;
    EXPECT_NE(::fcntl(socket, F_GETFD) & FD_CLOEXEC, 0);
  }
  EXPECT_GE(connections, 1);
}

TEST_F(NetworkClientTest, HandsTheErrorOfAMethodThrough) {
  const Error error =
      NotFound("ORG_NOT_FOUND", "there is no org \"acme\"").About("org acme").With("field", "org");
  ScriptedPeer peer({Refusal(404, error)});
  auto client = Connect(peer.url());
  Status status = Get(*client);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error(), error);
  EXPECT_THAT(waits, SizeIs(0));
}

TEST_F(NetworkClientTest, TriesAReadAgainWhenItsAnswerIsLost) {
  ScriptedPeer peer(
      {HangUp(),
       {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", .hang_up = true},
       Org("acme")});
  auto client = Connect(peer.url());
  EXPECT_TRUE(Get(*client));
  EXPECT_THAT(waits, SizeIs(2));
}

TEST_F(NetworkClientTest, TriesAMutationAgainUnderTheSameRequestId) {
  ScriptedPeer peer({HangUp(), Org("")});
  auto client = Connect(peer.url());
  EXPECT_TRUE(Create(*client, "r-1"));
  ASSERT_THAT(peer.requests(), SizeIs(2));
  EXPECT_THAT(peer.requests()[1], HasSubstr("r-1"));
  EXPECT_EQ(peer.requests()[0].substr(peer.requests()[0].find("\r\n\r\n")),
            peer.requests()[1].substr(peer.requests()[1].find("\r\n\r\n")));
}

TEST_F(NetworkClientTest, SendsAMutationWithoutARequestIdOnce) {
  // The first call leaves a connection behind that dies in the second: the library must not send
  // anew by itself what may have been carried out.
  ScriptedPeer peer({Org("acme"), HangUp(), Org("")});
  auto client = Connect(peer.url());
  ASSERT_TRUE(Get(*client));
  Status status = Create(*client, "");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().reason, kAnswerLost);
  EXPECT_THAT(peer.requests(), SizeIs(2));
  EXPECT_THAT(waits, SizeIs(0));
}

TEST_F(NetworkClientTest, GivesUpAfterEnoughAttemptsWithTheLastError) {
  const Error error(Code::kUnavailable, "DATABASE_BUSY", "the database is locked");
  ScriptedPeer peer({Refusal(503, error), Refusal(503, error), Refusal(503, error), Org("acme")});
  auto client = Connect(peer.url());
  Status status = Get(*client);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().reason, "DATABASE_BUSY");
  EXPECT_THAT(peer.requests(), SizeIs(3));
}

TEST_F(NetworkClientTest, DoesNotWaitForWhatStaysAsItIs) {
  const Error full(Code::kUnavailable, "DATABASE_FULL", "the disk is full");
  ScriptedPeer peer({Refusal(503, full), Org("acme")});
  auto client = Connect(peer.url());
  EXPECT_EQ(Get(*client).error().reason, "DATABASE_FULL");
  EXPECT_THAT(waits, SizeIs(0));
}

TEST_F(NetworkClientTest, TriesUntilTheTimeoutIsUsedAndSaysWhatItWaitsFor) {
  std::string url;
  {
    url = ScriptedPeer({}).url();
  }
  std::vector<std::string> said;
  auto client = Connect(url, [&](NetworkOptions& o) {
    o.timeout = milliseconds(60'000);
    o.retry = {};
    o.on_wait = [&](const Waiting& waiting) {
      said.push_back(waiting.error.reason);
      EXPECT_EQ(waiting.timeout, milliseconds(60'000));
      EXPECT_LT(waiting.waited, waiting.timeout);
    };
  });
  const Time begun = clock.Now();
  EXPECT_EQ(Get(*client).error().reason, kServerUnreachable);
  EXPECT_GT(clock.Now() - begun, milliseconds(59'000));
  ASSERT_THAT(said, SizeIs(testing::Gt(25u)));
  EXPECT_THAT(said, testing::Each(std::string(kServerUnreachable)));
}

TEST_F(NetworkClientTest, RemembersThatAnEarlierAttemptMayHaveBeenCarriedOut) {
  const Error busy(Code::kUnavailable, "DATABASE_BUSY", "the database is locked");
  const std::vector<PeerStep> script = {HangUp(), Refusal(503, busy), Refusal(503, busy)};
  ScriptedPeer peer(script);
  const Status created = Create(*Connect(peer.url()), "r-1");
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().reason, kAnswerLost);
  EXPECT_THAT(created.error().message, HasSubstr("the database is locked"));
  // Of a read nothing can have been done.
  ScriptedPeer other(script);
  EXPECT_EQ(Get(*Connect(other.url())).error().reason, "DATABASE_BUSY");
}

TEST_F(NetworkClientTest, ComesBackWhenTheServerSaysAfterTooMuchAtOnce) {
  const Error error(Code::kResourceExhausted, "TOO_MANY_CALLS", "too many calls at once");
  ScriptedPeer peer({Refusal(429, error, "Retry-After: 7\r\n"), Org("acme")});
  auto client = Connect(peer.url());
  EXPECT_TRUE(Get(*client));
  EXPECT_THAT(waits, ElementsAre(milliseconds(7000)));
}

TEST_F(NetworkClientTest, DoesNotAskAgainForRoomThatIsNotThere) {
  const Error error(Code::kResourceExhausted, "HOST_CAPACITY_EXCEEDED", "no room");
  ScriptedPeer peer({Refusal(429, error), Org("acme")});
  auto client = Connect(peer.url());
  EXPECT_EQ(Get(*client).error().reason, "HOST_CAPACITY_EXCEEDED");
  EXPECT_THAT(peer.requests(), SizeIs(1));
}

TEST_F(NetworkClientTest, AllAttemptsTogetherKeepWithinTheTimeout) {
  const Error error(Code::kUnavailable, "DATABASE_BUSY", "locked");
  ScriptedPeer peer({Refusal(503, error, "Retry-After: 6\r\n"),
                     Refusal(503, error, "Retry-After: 6\r\n"), Org("acme")});
  auto client = Connect(peer.url(), [](NetworkOptions& o) { o.timeout = milliseconds(10'000); });
  EXPECT_EQ(Get(*client).error().reason, "DATABASE_BUSY");
  ASSERT_THAT(peer.requests(), SizeIs(2));
  EXPECT_THAT(peer.requests()[1], HasSubstr("Connect-Timeout-Ms: 4000\r\n"));
}

TEST_F(NetworkClientTest, SaysWhenNothingListens) {
  std::string url;
  {
    url = ScriptedPeer({}).url();
  }
  auto client = Connect(url);
  Status status = Create(*client, "");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kUnavailable);
  EXPECT_EQ(status.error().reason, kServerUnreachable);
  EXPECT_THAT(status.error().message, HasSubstr(url));
  // Nothing was sent, so trying again does no harm.
  EXPECT_THAT(waits, SizeIs(2));
}

TEST_F(NetworkClientTest, SaysWhenTheServerDoesNotKnowTheMethod) {
  ScriptedPeer peer({{.bytes = HttpReply(404, "text/html", "<html>nothing here</html>")},
                     Refusal(501, {Code::kUnimplemented, "UNKNOWN_METHOD", "no such method"}),
                     Refusal(501, {Code::kUnimplemented, "NOT_ON_SQLITE", "not with SQLite"})});
  auto client = Connect(peer.url());
  EXPECT_EQ(Get(*client).error().reason, "SERVER_TOO_OLD");
  EXPECT_EQ(Get(*client).error().reason, "SERVER_TOO_OLD");
  EXPECT_EQ(Get(*client).error().reason, "NOT_ON_SQLITE");
}

TEST_F(NetworkClientTest, SaysThatATokenIsWantedWhereNoneWasGiven) {
  const Error error(Code::kUnauthenticated, "INVALID_TOKEN", "not a token of this server");
  const Error none(Code::kUnauthenticated, "NO_TOKEN", "the call has no token");
  ScriptedPeer peer({Refusal(401, error), Refusal(401, none), Refusal(401, error)});
  auto with = Connect(peer.url());
  EXPECT_EQ(Get(*with).error(), error);
  auto without = Connect(peer.url(), [](NetworkOptions& o) { o.token.clear(); });
  Status status = Get(*without);
  EXPECT_EQ(status.error().reason, "NO_TOKEN");
  EXPECT_EQ(status.error().code, Code::kUnauthenticated);
  EXPECT_THAT(status.error().message, HasSubstr("--token-file"));
  EXPECT_EQ(Get(*without).error(), error);  // of the token in a message, as when a host joins
  EXPECT_THAT(peer.requests()[1], Not(HasSubstr("Authorization")));
}

TEST_F(NetworkClientTest, TakesNothingForAnAnswerThatIsNone) {
  ScriptedPeer peer({{.bytes = "SSH-2.0-OpenSSH_9.2\r\n", .when = PeerStep::When::kOnConnect},
                     {.bytes = "", .hang_up = true, .when = PeerStep::When::kOnConnect}});
  EXPECT_EQ(Get(*Connect(peer.url())).error().reason, kNotHttp);
  ScriptedPeer other({{.bytes = HttpReply(200, "text/html", "<html>welcome</html>")},
                      {.bytes = HttpReply(200, "application/proto", "\xff\xff\xff")},
                      {.bytes = HttpReply(200, "application/json", "{}")}});
  auto client = Connect(other.url());
  for (int i = 0; i < 3; ++i) {
    Status status = Get(*client);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().reason, "NOT_A_TALLYMAN_SERVER");
    EXPECT_EQ(status.error().code, Code::kInternal);
  }
}

TEST_F(NetworkClientTest, EndsWhenTheServerIsTooSlow) {
  SystemClock real;
  ScriptedPeer peer({{.bytes = "HTTP/1.1 200 OK\r\n", .stall = true}});
  NetworkOptions options;
  options.server = peer.url();
  options.timeout = milliseconds(100);
  auto client = NetworkClient::Make(options, real, random, [](milliseconds) {});
  ASSERT_TRUE(client);
  const Time begun = real.Now();
  Status status = Get(**client);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kDeadlineExceeded);
  EXPECT_EQ(status.error().reason, kTimedOut);
  EXPECT_LT(real.Now() - begun, std::chrono::seconds(20));
  EXPECT_THAT(peer.requests(), SizeIs(1));
}

TEST_F(NetworkClientTest, TakesNoMoreThanItsBound) {
  ScriptedPeer peer({{.bytes = HttpReply(200, "application/proto", std::string(100'000, 'x'))}});
  auto client = Connect(peer.url(), [](NetworkOptions& o) { o.answer_bytes_max = 50'000; });
  Status status = Get(*client);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().reason, kAnswerTooLarge);
}

TEST_F(NetworkClientTest, TakesTheTokenNowhereElse) {
  ScriptedPeer elsewhere({Org("acme")});
  ScriptedPeer peer({{.bytes = HttpReply(
                          307, "text/html", "",
                          "Location: " + elsewhere.url() + "/tallyman.v1.OrgService/GetOrg\r\n")}});
  auto client = Connect(peer.url());
  EXPECT_FALSE(Get(*client));
  EXPECT_THAT(elsewhere.requests(), SizeIs(0));
}

TEST_F(NetworkClientTest, GoesByNoProxyOfTheEnvironment) {
  ScriptedPeer proxy({Org("acme")});
  ScriptedPeer peer({Org("acme")});
  ASSERT_EQ(::setenv("http_proxy", proxy.url().c_str(), 1), 0);
  auto client = Connect(peer.url());
  EXPECT_TRUE(Get(*client));
  ::unsetenv("http_proxy");
  EXPECT_THAT(proxy.requests(), SizeIs(0));
}

constexpr const char* kWatch = "tallyman.v1.EventService/WatchEvents";

std::string EnvelopeOf(const std::string& cursor) {
  v1::WatchEventsResponse message;
  message.set_cursor(cursor);
  std::string bytes;
  AppendEnvelope(bytes, 0, message.SerializeAsString());
  return bytes;
}

std::string LastEnvelope(const Status& status) {
  std::string bytes;
  AppendEnvelope(bytes, kEnvelopeEndStream, EndStreamJson(status));
  return bytes;
}

// The head of a stream that goes on until the connection is closed.
std::string StreamHead() {
  return "HTTP/1.1 200 OK\r\nContent-Type: application/connect+proto\r\n\r\n";
}

Status Watch(Client& client, std::vector<std::string>& cursors, size_t enough = 100,
             const std::atomic<bool>* stop = nullptr) {
  return client.Stream(
      kWatch, v1::WatchEventsRequest(),
      [&](const google::protobuf::Message& message) {
        cursors.push_back(static_cast<const v1::WatchEventsResponse&>(message).cursor());
        return cursors.size() < enough;
      },
      stop);
}

TEST_F(NetworkClientTest, HearsAStreamToItsEnd) {
  ScriptedPeer peer({{.bytes = StreamHead() + EnvelopeOf("1") + EnvelopeOf("2") + LastEnvelope({}),
                      .hang_up = true}});
  auto client = Connect(peer.url());
  std::vector<std::string> cursors;
  EXPECT_TRUE(Watch(*client, cursors));
  EXPECT_THAT(cursors, ElementsAre("1", "2"));
  EXPECT_THAT(peer.requests().front(), HasSubstr("Content-Type: application/connect+proto\r\n"));
  EXPECT_THAT(peer.requests().front(), Not(HasSubstr("Connect-Timeout-Ms")));
}

TEST_F(NetworkClientTest, HearsWhyAStreamEnded) {
  const Error stopping =
      Error(Code::kUnavailable, "SERVER_STOPPING", "the server stops").With("cursor", "1");
  ScriptedPeer peer(
      {{.bytes = StreamHead() + EnvelopeOf("1") + LastEnvelope(Fail(stopping)), .hang_up = true},
       {.bytes = StreamHead() + EnvelopeOf("1").substr(0, 6), .hang_up = true},
       {.bytes = HttpReply(403, "application/json",
                           ErrorJson({Code::kPermissionDenied, "NOT_PERMITTED", "no"}))},
       {.bytes = StreamHead() + "garbage that is no envelope", .stall = true}});
  auto client = Connect(peer.url());
  std::vector<std::string> cursors;
  EXPECT_EQ(Watch(*client, cursors).error(), stopping);
  EXPECT_THAT(cursors, ElementsAre("1"));
  EXPECT_EQ(Watch(*client, cursors).error().reason, "STREAM_CUT");
  EXPECT_EQ(Watch(*client, cursors).error().reason, "NOT_PERMITTED");
  EXPECT_EQ(Watch(*client, cursors).error().reason, "MESSAGE_TOO_LARGE");
}

TEST_F(NetworkClientTest, EndsAStreamThatSaysNoMoreWhenAskedTo) {
  ScriptedPeer peer({{.bytes = StreamHead() + EnvelopeOf("1"), .stall = true}});
  auto client = Connect(peer.url());
  std::vector<std::string> cursors;
  EXPECT_TRUE(Watch(*client, cursors, 1));
  EXPECT_THAT(cursors, ElementsAre("1"));
}

TEST_F(NetworkClientTest, EndsASilentStreamWhenToldTo) {
  ScriptedPeer peer({{.bytes = StreamHead(), .stall = true}});
  auto client = Connect(peer.url());
  std::atomic<bool> stop{false};
  std::vector<std::string> cursors;
  std::thread stopper([&] {
    while (peer.requests().empty()) std::this_thread::yield();
    stop = true;
  });
  EXPECT_TRUE(Watch(*client, cursors, 100, &stop));
  stopper.join();
}

TEST_F(NetworkClientTest, RefusesAddressesThatAreNoneAndWaysThatAreOpen) {
  auto reason = [&](const std::string& server, const std::string& token = "",
                    bool insecure = false) {
    NetworkOptions options;
    options.server = server;
    options.token = token;
    options.insecure = insecure;
    auto client = NetworkClient::Make(options, clock, random, [](milliseconds) {});
    return client ? std::string("(taken)") : client.error().reason;
  };
  for (const char* server :
       {"", "tallyman.example", "ftp://a", "http://", "http://a:b", "http://a/x", "http://a?b",
        "http://user:pass@a", "http://a b", "file:///etc/passwd"}) {
    EXPECT_EQ(reason(server), "INVALID_SERVER") << server;
  }
  for (const char* server : {"http://127.0.0.1:7480", "http://localhost", "http://[::1]:7480/",
                             "https://tallyman.example", "https://tallyman.example:443/"}) {
    EXPECT_EQ(reason(server, "t"), "(taken)") << server;
  }
  EXPECT_EQ(reason("http://tallyman.example", "t"), "INSECURE_SERVER");
  EXPECT_EQ(reason("http://localhost.example", "t"), "INSECURE_SERVER");
  EXPECT_EQ(reason("http://127.0.0.1.example", "t"), "INSECURE_SERVER");
  EXPECT_EQ(reason("http://tallyman.example", "t", true), "(taken)");
  EXPECT_EQ(reason("http://tallyman.example"), "(taken)");
  for (const char* token : {"a\nb", "a b", "a\r\nX: y", "\x80"}) {
    EXPECT_EQ(reason("http://localhost", token), "INVALID_TOKEN");
  }
}

}  // namespace
}  // namespace tallyman::client
