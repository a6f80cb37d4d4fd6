// What a node prints, on its way from its host to whoever asks.
#include <gmock/gmock.h>

#include "lifecycle/host.h"

namespace tallyman {
namespace {

using namespace tallyman::api;
using testing::ElementsAre;
using testing::IsEmpty;

class Logs : public Lifecycle {
 protected:
  Result<std::unique_ptr<MessageStream>> Ask(const v1::StreamNodeLogsRequest& request,
                                             const Actor& actor) {
    return dispatcher.OpenStream("tallyman.v1.NodeService/StreamNodeLogs", request,
                                 {.actor = actor}, [] {});
  }
  Result<std::unique_ptr<MessageStream>> Ask(bool follow = false) {
    v1::StreamNodeLogsRequest request;
    request.set_node("n");
    request.set_tail(5);
    request.mutable_since()->set_seconds(1'700'000'000);
    request.set_follow(follow);
    return Ask(request, room.actor);
  }
  std::unique_ptr<MessageStream> Listen() {
    auto stream = dispatcher.OpenStream("tallyman.v1.AgentService/WatchCommands",
                                        v1::WatchCommandsRequest(), CallerOf(*host), [] {});
    EXPECT_TRUE(stream.has_value());
    return stream ? *std::move(stream) : nullptr;
  }
  static Caller CallerOf(const TestHost& of) {
    return {.actor = {.id = of.actor_id(), .role = Role::kHost, .host_id = of.id()}};
  }
  std::vector<v1::LogRequest> Heard(MessageStream& stream) {
    std::vector<v1::LogRequest> requests;
    auto messages = stream.Next(10);
    EXPECT_TRUE(messages.has_value());
    if (!messages) return requests;
    for (const auto& message : *messages) {
      const auto& said = static_cast<const v1::WatchCommandsResponse&>(message->message());
      EXPECT_NE(said.cursor(), "");
      requests.insert(requests.end(), said.log_requests().begin(), said.log_requests().end());
    }
    return requests;
  }
  v1::SendLogResponse Send(const TestHost& from, const v1::SendLogRequest& part) {
    std::promise<Result<Reply>> promise;
    dispatcher.Dispatch("tallyman.v1.AgentService/SendLog", part, CallerOf(from),
                        [&](Result<Reply> reply) { promise.set_value(std::move(reply)); });
    auto answer = ToMessage(promise.get_future().get());
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    return answer ? static_cast<const v1::SendLogResponse&>(**answer) : v1::SendLogResponse();
  }
  static v1::SendLogRequest Part(const v1::LogRequest& request, int64_t number,
                                 const std::string& text) {
    v1::SendLogRequest part;
    part.set_id(request.id());
    part.set_part(number);
    part.add_lines()->set_text(text);
    return part;
  }
  static std::vector<std::string> Lines(MessageStream& stream) {
    std::vector<std::string> lines;
    auto messages = stream.Next(10);
    EXPECT_TRUE(messages.has_value());
    if (!messages) return lines;
    for (const auto& message : *messages) {
      for (const v1::LogLine& line :
           static_cast<const v1::StreamNodeLogsResponse&>(message->message()).lines())
        lines.push_back(line.text());
    }
    return lines;
  }

  Dispatcher dispatcher{*room.control};
};

TEST_F(Logs, GoFromTheHostToTheReaderAndAreStoredNowhere) {
  const std::string before = room.Dump();
  auto watch = Listen();
  EXPECT_THAT(Heard(*watch), IsEmpty());
  auto stream = Ask();
  ASSERT_OK(stream);
  const auto requests = Heard(*watch);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].node_id(), Id());
  EXPECT_EQ(requests[0].tail(), 5);
  EXPECT_EQ(requests[0].since().seconds(), 1'700'000'000);
  EXPECT_FALSE(requests[0].follow());
  v1::SendLogRequest part = Part(requests[0], 1, "hello");
  part.set_end(true);
  EXPECT_FALSE(Send(*host, part).go_on());
  EXPECT_THAT(Lines(**stream), ElementsAre("hello"));
  EXPECT_THAT(Lines(**stream), IsEmpty());
  EXPECT_TRUE((*stream)->IsOver());
  EXPECT_EQ(room.Dump(), before);
}

TEST_F(Logs, AHostThatConnectsLaterStillHearsOfThem) {
  auto stream = Ask();
  ASSERT_OK(stream);
  auto watch = Listen();
  EXPECT_EQ(Heard(*watch).size(), 1u);
}

TEST_F(Logs, OnlyTheNodesHostIsAskedAndMayAnswer) {
  TestHost other(room, "host-2");
  auto watch = dispatcher.OpenStream("tallyman.v1.AgentService/WatchCommands",
                                     v1::WatchCommandsRequest(), CallerOf(other), [] {});
  ASSERT_OK(watch);
  auto stream = Ask(true);
  ASSERT_OK(stream);
  EXPECT_THAT(Heard(**watch), IsEmpty());
  auto ours = Listen();
  const auto requests = Heard(*ours);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_FALSE(Send(other, Part(requests[0], 1, "forged")).go_on());
  EXPECT_THAT(Lines(**stream), IsEmpty());
  EXPECT_TRUE(Send(*host, Part(requests[0], 1, "true")).go_on());
  EXPECT_THAT(Lines(**stream), ElementsAre("true"));
}

TEST_F(Logs, AreForOperatorsOfTheNodesOrg) {
  v1::StreamNodeLogsRequest request;
  request.set_node("n");
  EXPECT_REFUSED(Ask(request, {.id = "v", .role = Role::kViewer}), Code::kPermissionDenied,
                 "NOT_PERMITTED");
  v1::CreateOrgRequest rival;
  rival.set_name("rival");
  auto created = room.Send<v1::CreateOrgResponse>("OrgService/CreateOrg", rival);
  ASSERT_OK(created);
  const Actor stranger{
      .id = "o", .org_id = OrgId::Parse(created->org().id()), .role = Role::kOperator};
  EXPECT_REFUSED(Ask(request, stranger), Code::kNotFound, "NODE_NOT_FOUND");
  ASSERT_OK(
      Ask(request, {.id = "o", .org_id = OrgId::Parse(N().org_id()), .role = Role::kOperator}));
  request.set_tail(-1);
  EXPECT_REFUSED(Ask(request, room.actor), Code::kInvalidArgument, "INVALID_TAIL");
  request.set_tail(0);
  request.set_node("nobody");
  EXPECT_REFUSED(Ask(request, room.actor), Code::kNotFound, "NODE_NOT_FOUND");
}

TEST_F(Logs, OfAHostThatIsNotHereEndWithWhenItWasHeard) {
  host->Status(Id(), first);
  auto stream = Ask();
  ASSERT_OK(stream);
  room.clock.Advance(std::chrono::seconds(10));
  auto answer = (*stream)->Next(10);
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().reason, "HOST_NOT_CONNECTED");
  EXPECT_NE(answer.error().Fact("heard_at"), "");
}

}  // namespace
}  // namespace tallyman
