// Becoming a host, and being woken.
#include <condition_variable>
#include <mutex>

#include "control/tokens/tokens.h"
#include "lifecycle/host.h"
#include "tallyman/v1/audit.pb.h"
#include "tallyman/v1/token.pb.h"

namespace tallyman {
namespace {

using namespace tallyman::api;
using namespace tallyman::control;

class Join : public testing::Test {
 protected:
  void SetUp() override {
    room.AddFleet(1);
    room.AddImage("1.0.0", Needs(2, 4, 100));
  }
  std::string JoinToken(const std::string& name, const std::string& host = "") {
    v1::CreateTokenRequest request;
    request.set_name(name);
    request.set_role(v1::ROLE_JOIN);
    request.set_host(host);
    auto answer = room.Send<v1::CreateTokenResponse>("TokenService/CreateToken", request);
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    return answer ? answer->secret() : "";
  }
  Result<v1::JoinResponse> Ask(const std::string& token, const std::string& hostname,
                               const std::string& nonce = "0123456789abcdef",
                               const std::string& known_as = "") {
    v1::JoinRequest request;
    request.set_host_id(known_as);
    request.set_join_token(token);
    request.set_nonce(nonce);
    v1::HostFacts& facts = *request.mutable_facts();
    facts.set_hostname(hostname);
    facts.mutable_capacity()->set_cpu_cores(8);
    facts.mutable_capacity()->set_memory_bytes(16 * kGiga);
    facts.mutable_capacity()->set_disk_bytes(500 * kGiga);
    Actor stranger{.id = "stranger", .role = Role::kJoin};
    std::swap(room.actor, stranger);
    auto answer = room.Send<v1::JoinResponse>("AgentService/Join", request);
    std::swap(room.actor, stranger);
    return answer;
  }

  ApiRoom room;
};

TEST_F(Join, MakesANewHostInTheOnlyRegion) {
  auto joined = Ask(JoinToken("new"), "rack-7");
  ASSERT_OK(joined);
  EXPECT_EQ(joined->host(), "rack-7");
  v1::Host host = room.Host("rack-7");
  EXPECT_EQ(host.id(), joined->host_id());
  EXPECT_EQ(host.region(), "eu");
  EXPECT_EQ(FromMessage(host.capacity()), Needs(8, 16, 500));
  auto actor = Authenticate(*room.control, joined->host_token());
  ASSERT_OK(actor);
  EXPECT_EQ(actor->role, Role::kHost);
  EXPECT_EQ(actor->host_id->ToString(), joined->host_id());
  EXPECT_EQ(actor->id, "agent.rack-7");
}

TEST_F(Join, TheTrailNamesTheTokenThatAdmitted) {
  ASSERT_OK(Ask(JoinToken("new"), "rack-7"));
  v1::ListRequestsRequest request;
  request.set_filter("actor=join.new");
  auto trail = room.Send<v1::ListRequestsResponse>("AuditService/ListRequests", request);
  ASSERT_OK(trail);
  ASSERT_EQ(trail->requests_size(), 1);
  v1::ListTokensRequest tokens;
  tokens.set_filter("name=new");
  auto token = room.Send<v1::ListTokensResponse>("TokenService/ListTokens", tokens);
  ASSERT_OK(token);
  ASSERT_EQ(token->tokens_size(), 1);
  EXPECT_EQ(trail->requests(0).token_id(), token->tokens(0).id());
}

TEST_F(Join, ReadmitsTheHostThatTheTokenIsFor) {
  auto joined = Ask(JoinToken("bound", "host-1"), "another-name");
  ASSERT_OK(joined);
  EXPECT_EQ(joined->host(), "host-1");
  EXPECT_EQ(FromMessage(room.Host("host-1").capacity()).cpu_cores, 64);
}

TEST_F(Join, IsAnsweredAgainToTheSameMachineOnly) {
  const std::string token = JoinToken("new");
  auto lost = Ask(token, "rack-7");
  ASSERT_OK(lost);
  auto again = Ask(token, "rack-7");
  ASSERT_OK(again);
  EXPECT_EQ(again->host_id(), lost->host_id());
  EXPECT_NE(again->host_token(), lost->host_token());
  EXPECT_FALSE(Authenticate(*room.control, lost->host_token()));
  EXPECT_TRUE(Authenticate(*room.control, again->host_token()));
  EXPECT_REFUSED(Ask(token, "rack-8", "another machine's"), Code::kUnauthenticated, "TOKEN_USED");
}

// Who has copied a join token with its nonce must get nothing for it but within a lost answer's
// time, and nothing at all once the token that was given has served or was taken back.
TEST_F(Join, IsNotAnsweredAgainLater) {
  const std::string token = JoinToken("new");
  ASSERT_OK(Ask(token, "rack-7"));
  room.clock.Advance(std::chrono::minutes(10));
  ASSERT_OK(Ask(token, "rack-7"));
  room.clock.Advance(std::chrono::microseconds(1));
  EXPECT_REFUSED(Ask(token, "rack-7"), Code::kUnauthenticated, "TOKEN_USED");
}

TEST_F(Join, IsNotAnsweredAgainOnceTheHostHasReported) {
  const std::string token = JoinToken("new");
  auto joined = Ask(token, "rack-7");
  ASSERT_OK(joined);
  TestHost host(room, "rack-7");
  host.Report({});
  EXPECT_REFUSED(Ask(token, "rack-7"), Code::kUnauthenticated, "TOKEN_USED");
  EXPECT_TRUE(Authenticate(*room.control, joined->host_token()));
}

TEST_F(Join, IsNotAnsweredAgainOnceWhatItGaveIsRevoked) {
  const std::string token = JoinToken("new");
  ASSERT_OK(Ask(token, "rack-7"));
  v1::RevokeTokenRequest revoke;
  revoke.set_token("agent.rack-7");
  ASSERT_OK(room.Send<v1::RevokeTokenResponse>("TokenService/RevokeToken", revoke));
  EXPECT_REFUSED(Ask(token, "rack-7"), Code::kUnauthenticated, "TOKEN_USED");
}

TEST_F(Join, OfAnAgentOfAnotherHostChangesNothing) {
  auto healthy = Ask(JoinToken("first", "host-1"), "m");
  ASSERT_OK(healthy);
  const std::string token = JoinToken("second", "host-1");
  const std::string new_host = JoinToken("third");
  const std::string before = room.Dump();
  const std::string other = "0192f0c1-2345-7abc-8def-0123456789ab";
  EXPECT_REFUSED(Ask(token, "m", "another machine's", other), Code::kFailedPrecondition,
                 "OTHER_HOST");
  EXPECT_REFUSED(Ask(new_host, "rack-9", "another machine's", other), Code::kFailedPrecondition,
                 "OTHER_HOST");
  EXPECT_EQ(room.Dump(), before);
  EXPECT_TRUE(Authenticate(*room.control, healthy->host_token()));
  ASSERT_OK(Ask(token, "m", "another machine's", healthy->host_id()));
}

TEST_F(Join, BeginsTheNumbersOfReportsAgain) {
  TestHost host(room, "host-1");
  v1::ReportRequest far;
  far.set_sequence(int64_t{1} << 32);
  host.ReportAs(far);
  v1::ReportRequest near;
  near.set_sequence(2);
  EXPECT_TRUE(host.ReportAs(near).ignored());
  ASSERT_OK(Ask(JoinToken("bound", "host-1"), "m"));
  EXPECT_FALSE(host.ReportAs(near).ignored());
}

TEST_F(Join, AllThatAdmitsAHostIsRevokedAtOnce) {
  const std::string used = JoinToken("used", "host-1");
  auto joined = Ask(used, "m");
  ASSERT_OK(joined);
  const std::string unused = JoinToken("unused", "host-1");
  const std::string other = JoinToken("any-host");
  v1::RevokeTokenRequest revoke;
  revoke.set_host("host-1");
  auto revoked = room.Send<v1::RevokeTokenResponse>("TokenService/RevokeToken", revoke);
  ASSERT_OK(revoked);
  EXPECT_EQ(revoked->tokens_size(), 3);
  EXPECT_FALSE(Authenticate(*room.control, joined->host_token()));
  EXPECT_REFUSED(Ask(used, "m"), Code::kUnauthenticated, "TOKEN_REVOKED");
  EXPECT_REFUSED(Ask(unused, "m"), Code::kUnauthenticated, "TOKEN_REVOKED");
  EXPECT_REFUSED(room.Send<v1::RevokeTokenResponse>("TokenService/RevokeToken", revoke),
                 Code::kNotFound, "TOKEN_NOT_FOUND");
  revoke.set_token("unused");
  EXPECT_REFUSED(room.Send<v1::RevokeTokenResponse>("TokenService/RevokeToken", revoke),
                 Code::kInvalidArgument, "TOKEN_OR_HOST");
  ASSERT_OK(Ask(other, "rack-7"));
}

TEST_F(Join, IsRefusedWhereItIsNotClearWhatIsMeant) {
  const std::string token = JoinToken("new");
  const std::string before = room.Dump();
  EXPECT_REFUSED(Ask("tallyman_x", "rack-7"), Code::kUnauthenticated, "INVALID_TOKEN");
  EXPECT_REFUSED(Ask(token, "host-1"), Code::kAlreadyExists, "HOST_NAME_TAKEN");
  EXPECT_REFUSED(Ask(token, "no name"), Code::kInvalidArgument, "INVALID_NAME");
  EXPECT_REFUSED(Ask(token, "rack-7", "short"), Code::kInvalidArgument, "INVALID_NONCE");
  EXPECT_EQ(room.Dump(), before);
  v1::CreateRegionRequest region;
  region.set_name("us");
  ASSERT_OK(room.Send<v1::CreateRegionResponse>("RegionService/CreateRegion", region));
  EXPECT_REFUSED(Ask(token, "rack-7"), Code::kFailedPrecondition, "REGION_UNKNOWN");
}

TEST_F(Join, TheSecretIsStoredNowhere) {
  auto joined = Ask(JoinToken("new"), "rack-7");
  ASSERT_OK(joined);
  const std::string secret = joined->host_token().substr(joined->host_token().rfind('_') + 1);
  EXPECT_EQ(room.Dump().find(secret), std::string::npos);
}

class Waking : public Lifecycle {
 protected:
  // Hears that there may be something, on any thread.
  struct Bell {
    std::mutex mutex;
    std::condition_variable rings;
    bool rung = false;
    void Ring() {
      std::lock_guard lock(mutex);
      rung = true;
      rings.notify_all();
    }
    bool Wait() {
      std::unique_lock lock(mutex);
      const bool heard = rings.wait_for(lock, std::chrono::seconds(20), [&] { return rung; });
      rung = false;
      return heard;
    }
  };

  std::unique_ptr<MessageStream> Open(Dispatcher& dispatcher, TestHost& of,
                                      const std::string& cursor = "") {
    v1::WatchCommandsRequest request;
    request.set_cursor(cursor);
    Caller caller{.actor = {.id = of.actor_id(), .role = Role::kHost, .host_id = of.id()}};
    auto stream = dispatcher.OpenStream("tallyman.v1.AgentService/WatchCommands", request, caller,
                                        [this] { bell.Ring(); });
    EXPECT_TRUE(stream.has_value()) << (stream ? "" : stream.error().message);
    return stream ? *std::move(stream) : nullptr;
  }
  // The next wake-up; nullopt: there is none yet.
  std::optional<v1::WatchCommandsResponse> Next(MessageStream& stream) {
    auto messages = stream.Next(10);
    EXPECT_TRUE(messages.has_value());
    if (!messages || messages->empty()) return std::nullopt;
    EXPECT_EQ(messages->size(), 1u);
    return static_cast<const v1::WatchCommandsResponse&>(messages->back()->message());
  }
  v1::WatchCommandsResponse Await(MessageStream& stream) {
    while (true) {
      if (auto wake = Next(stream)) return *wake;
      if (!bell.Wait()) {
        ADD_FAILURE() << "nothing woke the host";
        return {};
      }
    }
  }

  Bell bell;
};

TEST_F(Waking, ComesAtTheStartAndWithEveryCommandForTheHost) {
  Dispatcher dispatcher(*room.control, {.poll = std::chrono::milliseconds(5)});
  auto stream = Open(dispatcher, *host);
  ASSERT_NE(stream, nullptr);
  v1::WatchCommandsResponse start = Await(*stream);
  EXPECT_TRUE(start.wake());
  EXPECT_FALSE(Next(*stream));
  Upgrade("2.0.0");
  v1::WatchCommandsResponse wake = Await(*stream);
  EXPECT_TRUE(wake.wake());
  EXPECT_NE(wake.cursor(), start.cursor());
  auto beat = stream->Heartbeat();
  ASSERT_NE(beat, nullptr);
  EXPECT_FALSE(static_cast<const v1::WatchCommandsResponse&>(beat->message()).wake());
  // Who comes back later with the cursor misses nothing.
  auto resumed = Open(dispatcher, *host, start.cursor());
  EXPECT_TRUE(Await(*resumed).wake());
}

TEST_F(Waking, DoesNotComeForOtherHostsNorForWhatTheHostSaysItself) {
  Dispatcher dispatcher(*room.control, {.poll = std::chrono::milliseconds(5)});
  auto stream = Open(dispatcher, *host);
  Await(*stream);
  Upgrade("2.0.0");
  Await(*stream);
  TestHost other(room, "host-2");
  auto others = Open(dispatcher, other);
  Await(*others);
  EXPECT_FALSE(Next(*stream));
  EXPECT_FALSE(Next(*others));
  host->Obey("n");  // upgrade_succeeded
  ASSERT_OK(room.Create("m", "host-2", "1.0.0"));
  EXPECT_TRUE(Await(*others).wake());
  EXPECT_FALSE(Next(*stream));
}

}  // namespace
}  // namespace tallyman
