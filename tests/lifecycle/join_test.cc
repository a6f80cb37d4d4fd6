// Becoming a host, and being woken.
#include <condition_variable>
#include <mutex>

#include "control/tokens/tokens.h"
#include "lifecycle/host.h"
#include "tallyman/v1/token.pb.h"

namespace tallyman {
namespace {

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
                               const std::string& nonce = "0123456789abcdef") {
    v1::JoinRequest request;
    request.set_join_token(token);
    request.set_nonce(nonce);
    v1::HostFacts& facts = *request.mutable_facts();
    facts.set_hostname(hostname);
    facts.mutable_capacity()->set_cpu_cores(8);
    facts.mutable_capacity()->set_memory_bytes(16 * kGiga);
    facts.mutable_capacity()->set_disk_bytes(500 * kGiga);
    Actor stranger{.id = "stranger", .org_id = {}, .role = Role::kJoin};
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
    Caller caller{
        .actor = {.id = of.actor_id(), .org_id = {}, .role = Role::kHost, .host_id = of.id()},
        .address = {},
        .deadline = {},
        .cancelled = {}};
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
