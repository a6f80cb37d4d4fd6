// Calls as the server carries them, without a network: streams, how long they last and how many,
// and what waits for a worker.
#include <gmock/gmock.h>

#include <chrono>
#include <future>
#include <mutex>
#include <thread>

#include "base/id_source.h"
#include "http/rpc_handler.h"
#include "rpc/envelope.h"
#include "support/api_room.h"
#include "support/wait.h"
#include "tallyman/v1/agent.pb.h"

namespace tallyman {
namespace {

using namespace tallyman::api;
using namespace tallyman::http;
using namespace tallyman::store;
using testing::HasSubstr;
using testing::Not;

// What the other side of a call gets.
class Peer final : public Exchange {
 public:
  void Answer(HttpResponse response) override {
    std::lock_guard lock(mutex_);
    answer_ = std::move(response.body);
  }
  void Stream(HttpResponse, std::unique_ptr<BodySource> source) override {
    std::lock_guard lock(mutex_);
    source_ = std::move(source);
  }
  void Admitted(size_t) override { is_admitted = true; }
  void Recognized(Party party) override { recognized = party; }
  void Wake() override { ++wakes; }
  const std::shared_ptr<std::atomic<bool>>& cancelled() const override { return cancelled_; }

  // Waits for either of them.
  std::string AwaitAnswer() {
    EXPECT_TRUE(WaitUntil([&] { return Locked(answer_).has_value(); }));
    return Locked(answer_).value_or("");
  }
  bool is_answered() { return Locked(answer_).has_value(); }
  BodySource* AwaitStream() {
    EXPECT_TRUE(WaitUntil([&] {
      std::lock_guard lock(mutex_);
      return source_ != nullptr;
    }));
    std::lock_guard lock(mutex_);
    return source_.get();
  }
  void End() {
    source_->Ended(false);
    source_.reset();
  }

  std::atomic<int> wakes{0};
  std::atomic<bool> is_admitted{false};
  std::atomic<Party> recognized{Party::kStranger};

 private:
  std::optional<std::string> Locked(const std::optional<std::string>& value) {
    std::lock_guard lock(mutex_);
    return value;
  }

  std::mutex mutex_;
  std::optional<std::string> answer_;
  std::unique_ptr<BodySource> source_;
  const std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);
};

class OneToken final : public Authenticator {
 public:
  explicit OneToken(Store& store) : store_(store) {}
  Result<Actor> Authenticate(std::string_view, const std::optional<std::string>&, ReadTx*,
                             std::optional<Time>) override {
    ++asked;
    if (is_revoked) return Fail(Error(Code::kUnauthenticated, "TOKEN_REVOKED", "it was revoked"));
    return Actor{.id = "watcher", .role = role};
  }
  Status Permit(const Actor&, std::string_view) override {
    if (may_call) return {};
    return Fail(Error(Code::kPermissionDenied, "NOT_PERMITTED", "it may not"));
  }
  Status Read(const std::function<Status(ReadTx&)>& body) override { return store_.Read(body); }
  std::atomic<Role> role{Role::kViewer};
  std::atomic<bool> is_revoked{false};
  std::atomic<int> asked{0};
  std::atomic<bool> may_call{true};

 private:
  Store& store_;
};

class StreamCalls : public testing::Test {
 protected:
  std::shared_ptr<Peer> Open(RpcHandler& handler,
                             const std::string& method = "EventService/WatchEvents",
                             const std::string& body = "{}") {
    HttpRequest request{.verb = "POST",
                        .target = "/tallyman.v1." + method,
                        .headers = {{"Content-Type", "application/connect+json"}},
                        .address = "192.0.2.1"};
    rpc::AppendEnvelope(request.body, 0, body);
    auto peer = std::make_shared<Peer>();
    EXPECT_FALSE(handler.Refuse(request));
    handler.Handle(std::move(request), peer);
    return peer;
  }
  RpcParts Parts(RpcLimits limits) {
    return {dispatcher, token, failures, workers, room.clock, ids, nobody, limits};
  }

  ApiRoom room;
  Dispatcher dispatcher{*room.control};
  OneToken token{room.control->store()};
  FailureLimit failures{room.clock};
  IdSource ids{room.clock, room.random};
  CallObservers nobody{{}};
  WorkerPool workers{2};
};

TEST_F(StreamCalls, EndSoonAfterTheirTokenWasRevoked) {
  RpcLimits limits;
  limits.stream_check = std::chrono::seconds(0);
  RpcHandler handler(Parts(limits));
  const auto peer = Open(handler);
  BodySource* stream = peer->AwaitStream();
  EXPECT_THAT(stream->Next().bytes, HasSubstr("cursor"));
  workers.WaitIdle();
  EXPECT_FALSE(stream->Next().last);
  token.is_revoked = true;
  stream->Next();  // has the token looked at
  workers.WaitIdle();
  EXPECT_GT(peer->wakes, 0);
  const BodySource::Piece last = stream->Next();
  EXPECT_TRUE(last.last);
  EXPECT_THAT(last.bytes, HasSubstr("unauthenticated"));
  peer->End();
}

TEST_F(StreamCalls, GiveTheirPlaceBackWhenTheyEnd) {
  RpcLimits limits;
  limits.streams_max = 1;
  RpcHandler handler(Parts(limits));
  const auto first = Open(handler);
  first->AwaitStream();
  EXPECT_THAT(Open(handler)->AwaitAnswer(), HasSubstr("resource_exhausted"));
  first->End();
  const auto next = Open(handler);
  next->AwaitStream();
  next->End();
}

class LogCalls : public StreamCalls {
 protected:
  LogCalls() {
    room.AddFleet(1);
    room.AddImage("1.0.0", Needs(2, 4, 100));
    EXPECT_TRUE(room.Create("n", "host-1", "1.0.0"));
    token.role = Role::kOperator;
  }
  Caller Host() {
    return {.actor = {.id = "agent.host-1",
                      .role = Role::kHost,
                      .host_id = HostId::Parse(room.Host("host-1").id())}};
  }
  // What the host hears of the request, as its agent would.
  std::string RequestId() {
    auto watch = dispatcher.OpenStream("tallyman.v1.AgentService/WatchCommands",
                                       v1::WatchCommandsRequest(), Host(), [] {});
    EXPECT_TRUE(watch.has_value());
    auto messages = (*watch)->Next(10);
    EXPECT_TRUE(messages.has_value());
    for (const auto& message : *messages) {
      const auto& said = static_cast<const v1::WatchCommandsResponse&>(message->message());
      for (const v1::LogRequest& request : said.log_requests()) return request.id();
    }
    return "";
  }
  void Send(const v1::SendLogRequest& part) {
    dispatcher.Dispatch("tallyman.v1.AgentService/SendLog", part, Host(),
                        [](const Result<Reply>& reply) { EXPECT_TRUE(reply.has_value()); });
  }
};

TEST_F(LogCalls, EndWellWhenAllWasSent) {
  RpcHandler handler(Parts({}));
  const auto peer = Open(handler, "NodeService/StreamNodeLogs", R"({"node": "n"})");
  BodySource* stream = peer->AwaitStream();
  EXPECT_EQ(stream->Next().bytes, "");
  EXPECT_LE(stream->Patience(), std::chrono::seconds(10)) << "to say that the host is silent";
  v1::SendLogRequest part;
  part.set_id(RequestId());
  part.set_part(1);
  part.add_lines()->set_text("a line");
  part.set_end(true);
  Send(part);
  EXPECT_GT(peer->wakes, 0);
  const BodySource::Piece lines = stream->Next();
  EXPECT_FALSE(lines.last);
  EXPECT_THAT(lines.bytes, HasSubstr("a line"));
  const BodySource::Piece last = stream->Next();
  EXPECT_TRUE(last.last);
  EXPECT_THAT(last.bytes, Not(HasSubstr("error")));
  peer->End();
}

TEST_F(LogCalls, EndWithAReasonWhenNoHostAnswers) {
  RpcHandler handler(Parts({}));
  const auto peer = Open(handler, "NodeService/StreamNodeLogs", R"({"node": "n"})");
  BodySource* stream = peer->AwaitStream();
  EXPECT_FALSE(stream->Next().last);
  room.clock.Advance(std::chrono::seconds(10));
  const BodySource::Piece last = stream->Next();
  EXPECT_TRUE(last.last);
  EXPECT_THAT(last.bytes, HasSubstr("HOST_NOT_CONNECTED"));
  peer->End();
}

class WaitingCalls : public StreamCalls {
 protected:
  WaitingCalls() {
    for (size_t i = 0; i < workers.threads(); ++i) workers.Submit([held = held_] { held.wait(); });
  }
  ~WaitingCalls() override { Release(); }

  // A call that no worker takes before Release().
  std::shared_ptr<Peer> Send(HttpHeaders headers) {
    headers.emplace_back("Content-Type", "application/json");
    auto peer = std::make_shared<Peer>();
    handler_.Handle({.verb = "POST",
                     .target = "/tallyman.v1.OrgService/ListOrgs",
                     .headers = std::move(headers),
                     .body = "{}",
                     .address = "192.0.2.1"},
                    peer);
    return peer;
  }
  void Release() {
    if (std::exchange(is_held_, false)) release_.set_value();
    workers.WaitIdle();
  }

 private:
  std::promise<void> release_;
  std::shared_future<void> held_ = release_.get_future().share();
  bool is_held_ = true;
  RpcHandler handler_{Parts({})};
};

TEST_F(WaitingCalls, AreDoneWhenAWorkerIsFree) {
  const auto peer = Send({});
  EXPECT_EQ(token.asked, 0);
  Release();
  EXPECT_EQ(peer->AwaitAnswer(), "{}");
  EXPECT_EQ(token.asked, 1);
}

TEST_F(WaitingCalls, AreNotBegunForAPeerThatIsGone) {
  const auto peer = Send({});
  peer->cancelled()->store(true);
  Release();
  EXPECT_THAT(peer->AwaitAnswer(), HasSubstr("canceled"));
  EXPECT_EQ(token.asked, 0);
}

TEST_F(WaitingCalls, SpendTheCallersTime) {
  const auto peer = Send({{"Connect-Timeout-Ms", "1"}});
  const auto sent = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() < sent + std::chrono::milliseconds(2))
    std::this_thread::yield();
  Release();
  EXPECT_THAT(peer->AwaitAnswer(), HasSubstr("before the call began"));
  EXPECT_EQ(token.asked, 0);
}

class JudgedCalls : public StreamCalls {
 protected:
  static HttpRequest Post(std::string body) {
    return {.verb = "POST",
            .target = "/tallyman.v1.OrgService/ListOrgs",
            .headers = {{"Content-Type", "application/json"}},
            .body = std::move(body),
            .address = "192.0.2.1"};
  }
  RpcHandler handler{Parts({})};
  const std::shared_ptr<Peer> peer = std::make_shared<Peer>();
};

TEST_F(JudgedCalls, AreAdmittedWithoutAnAnswer) {
  handler.Admit(Post(""), peer);
  workers.WaitIdle();
  EXPECT_TRUE(peer->is_admitted);
  EXPECT_EQ(peer->recognized, Party::kPerson);
  EXPECT_FALSE(peer->is_answered());
}

TEST_F(JudgedCalls, AreRefusedByTheirHead) {
  token.is_revoked = true;
  handler.Admit(Post(""), peer);
  EXPECT_THAT(peer->AwaitAnswer(), HasSubstr("TOKEN_REVOKED"));
  token.is_revoked = false;
  token.may_call = false;
  const auto other = std::make_shared<Peer>();
  handler.Admit(Post(""), other);
  EXPECT_THAT(other->AwaitAnswer(), HasSubstr("NOT_PERMITTED"));
  EXPECT_FALSE(peer->is_admitted || other->is_admitted);
}

// What may not be done is not even read.
TEST_F(JudgedCalls, AreNotReadWhenTheyAreNotPermitted) {
  token.may_call = false;
  handler.Handle(Post("no json"), peer);
  EXPECT_THAT(peer->AwaitAnswer(), HasSubstr("NOT_PERMITTED"));
}

TEST_F(JudgedCalls, CountAmongThoseThatWait) {
  RpcHandler narrow(Parts({.calls_max = 0}));
  narrow.Admit(Post(""), peer);
  EXPECT_THAT(peer->AwaitAnswer(), HasSubstr("SERVER_BUSY"));
  for (int i = 0; i < 2; ++i) {
    RpcHandler one(Parts({.calls_max = 1}));
    for (int j = 0; j < 3; ++j) {
      const auto next = std::make_shared<Peer>();
      one.Admit(Post(""), next);
      workers.WaitIdle();
      EXPECT_TRUE(next->is_admitted) << "the place was given back";
    }
  }
}

}  // namespace
}  // namespace tallyman
