#include "api/log_relay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tallyman/v1/node.pb.h"

namespace tallyman::api {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Relay : public testing::Test {
 protected:
  std::unique_ptr<MessageStream> Open(const std::string& id, bool follow = false) {
    auto stream = Ask(id, follow);
    EXPECT_TRUE(stream.has_value()) << (stream ? "" : stream.error().message);
    return stream ? *std::move(stream) : nullptr;
  }
  Result<std::unique_ptr<MessageStream>> Ask(const std::string& id, bool follow = false) {
    LogRelay::Wanted wanted{.org_id = org, .host_id = host, .host = "h1", .heard_at = heard_at};
    wanted.request.set_id(id);
    wanted.request.set_follow(follow);
    return relay->Open(std::move(wanted), [this] { ++rung; });
  }
  static v1::SendLogRequest Part(const std::string& id, int64_t number, const std::string& text) {
    v1::SendLogRequest part;
    part.set_id(id);
    part.set_part(number);
    if (!text.empty()) part.add_lines()->set_text(text);
    return part;
  }
  v1::SendLogResponse Send(const v1::SendLogRequest& part) { return Send(host, part); }
  v1::SendLogResponse Send(const HostId& from, const v1::SendLogRequest& part) {
    auto answer = relay->Send(from, part);
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    return answer ? *answer : v1::SendLogResponse();
  }
  static std::vector<std::string> Lines(MessageStream& stream, size_t count_max = 100) {
    std::vector<std::string> lines;
    auto messages = stream.Next(count_max);
    EXPECT_TRUE(messages.has_value()) << (messages ? "" : messages.error().message);
    if (!messages) return lines;
    for (const auto& message : *messages) {
      for (const auto& line :
           static_cast<const v1::StreamNodeLogsResponse&>(message->message()).lines())
        lines.push_back(line.text());
    }
    return lines;
  }
  static std::string ReasonOf(MessageStream& stream) {
    auto messages = stream.Next(100);
    return messages ? "" : messages.error().reason;
  }
  static std::vector<std::string> Ids(LogRelay::Listener& listener) {
    std::vector<std::string> ids;
    for (const v1::LogRequest& request : listener.Take()) ids.push_back(request.id());
    return ids;
  }
  void Make(LogRelayOptions options) { relay = std::make_unique<LogRelay>(clock, options); }

  ManualClock clock{Time(std::chrono::hours(1))};
  const OrgId org = *OrgId::Parse("00000000-0000-7000-8000-000000000001");
  const HostId host = *HostId::Parse("00000000-0000-7000-8000-000000000002");
  const HostId other_host = *HostId::Parse("00000000-0000-7000-8000-000000000003");
  std::optional<Time> heard_at;
  int rung = 0;
  std::unique_ptr<LogRelay> relay = std::make_unique<LogRelay>(clock);
};

TEST_F(Relay, HandsPartsOnInTheirOrderAndEndsWell) {
  auto listener = relay->Listen(host, [] {});
  auto stream = Open("a");
  EXPECT_THAT(Ids(*listener), ElementsAre("a"));
  EXPECT_TRUE(Send(Part("a", 1, "one")).go_on());
  EXPECT_TRUE(Send(Part("a", 2, "two")).go_on());
  EXPECT_EQ(rung, 2);
  EXPECT_THAT(Lines(*stream), ElementsAre("one", "two"));
  EXPECT_THAT(Lines(*stream), IsEmpty());
  EXPECT_FALSE(stream->IsOver());
  v1::SendLogRequest last = Part("a", 3, "three");
  last.set_end(true);
  EXPECT_FALSE(Send(last).go_on());
  EXPECT_FALSE(stream->IsOver()) << "a line is still to be read";
  EXPECT_THAT(Lines(*stream), ElementsAre("three"));
  EXPECT_THAT(Lines(*stream), IsEmpty());
  EXPECT_TRUE(stream->IsOver());
}

TEST_F(Relay, TakesAPartOnce) {
  auto stream = Open("a");
  Send(Part("a", 1, "one"));
  EXPECT_TRUE(Send(Part("a", 1, "one")).go_on());
  EXPECT_THAT(Lines(*stream), ElementsAre("one"));
}

TEST_F(Relay, TellsAHostOnceAndALaterStreamOfItAgain) {
  int woken = 0;
  auto first = relay->Listen(host, [&] { ++woken; });
  auto stream = Open("a");
  EXPECT_EQ(woken, 1);
  EXPECT_THAT(Ids(*first), ElementsAre("a"));
  EXPECT_THAT(Ids(*first), IsEmpty());
  auto second = relay->Listen(host, [] {});
  EXPECT_THAT(Ids(*second), ElementsAre("a")) << "the first one may have been cut";
  Send(Part("a", 1, ""));
  auto third = relay->Listen(host, [] {});
  EXPECT_THAT(Ids(*third), IsEmpty());
  auto elsewhere = relay->Listen(other_host, [] {});
  EXPECT_THAT(Ids(*elsewhere), IsEmpty());
}

TEST_F(Relay, OnlyTheNodesHostMayAnswer) {
  auto stream = Open("a");
  EXPECT_FALSE(Send(other_host, Part("a", 1, "forged")).go_on());
  EXPECT_FALSE(Send(Part("b", 1, "unknown")).go_on());
  EXPECT_THAT(Lines(*stream), IsEmpty());
}

TEST_F(Relay, TheHostHearsThatTheReaderHasGone) {
  auto listener = relay->Listen(host, [] {});
  auto stream = Open("a", true);
  EXPECT_TRUE(Send(Part("a", 1, "one")).go_on());
  stream.reset();
  EXPECT_FALSE(Send(Part("a", 2, "two")).go_on());
  auto gone = Open("b");
  gone.reset();
  EXPECT_THAT(Ids(*listener), IsEmpty());
}

TEST_F(Relay, SaysThatTheHostIsNotConnected) {
  heard_at = Time(seconds(60));
  auto stream = Open("a");
  clock.Advance(seconds(9));
  EXPECT_EQ(ReasonOf(*stream), "");
  EXPECT_EQ(stream->Patience(), seconds(1));
  clock.Advance(seconds(1));
  auto answer = stream->Next(10);
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, Code::kUnavailable);
  EXPECT_EQ(answer.error().reason, "HOST_NOT_CONNECTED");
  EXPECT_THAT(answer.error().message, HasSubstr("1970-01-01T00:01:00"));
}

TEST_F(Relay, SaysThatTheHostDoesNotAnswer) {
  auto listener = relay->Listen(host, [] {});
  auto stream = Open("a");
  listener->Take();
  clock.Advance(seconds(10));
  EXPECT_EQ(ReasonOf(*stream), "HOST_NOT_ANSWERING");
}

TEST_F(Relay, SaysThatTheHostFellSilent) {
  auto stream = Open("a", true);
  for (int64_t part = 1; part < 5; ++part) {
    Send(Part("a", part, ""));
    clock.Advance(seconds(59));
    EXPECT_EQ(ReasonOf(*stream), "");
  }
  clock.Advance(seconds(1));
  EXPECT_EQ(ReasonOf(*stream), "HOST_SILENT");
}

TEST_F(Relay, SaysWhatTheHostSaysOfAFailure) {
  auto stream = Open("a");
  v1::SendLogRequest part = Part("a", 1, "one");
  part.set_error("no such node here");
  EXPECT_FALSE(Send(part).go_on());
  EXPECT_THAT(Lines(*stream), ElementsAre("one"));
  auto answer = stream->Next(10);
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().reason, "LOG_UNREADABLE");
  EXPECT_THAT(answer.error().message, HasSubstr("no such node here"));
}

TEST_F(Relay, ASlowReaderCostsNoMoreThanIsBounded) {
  Make({.bytes_max = 1000, .unread_max = seconds(100)});
  auto stream = Open("a", true);
  const std::string text(600, 'x');
  EXPECT_FALSE(Send(Part("a", 1, text)).send_again());
  const v1::SendLogResponse full = Send(Part("a", 2, text));
  EXPECT_TRUE(full.go_on());
  EXPECT_TRUE(full.send_again());
  EXPECT_THAT(Lines(*stream), ElementsAre(text));
  EXPECT_FALSE(Send(Part("a", 2, text)).send_again()) << "there is room again";
  clock.Advance(seconds(99));
  EXPECT_TRUE(Send(Part("a", 3, text)).send_again());
  clock.Advance(seconds(1));
  EXPECT_FALSE(Send(Part("a", 3, text)).go_on());
  EXPECT_THAT(Lines(*stream), ElementsAre(text));
  EXPECT_EQ(ReasonOf(*stream), "STREAM_TOO_SLOW");
}

TEST_F(Relay, AllReadersTogetherAreBounded) {
  Make({.bytes_max = 1000, .all_bytes_max = 1000});
  const std::string text(600, 'x');
  auto one = Open("a");
  auto two = Open("b");
  EXPECT_FALSE(Send(Part("a", 1, text)).send_again());
  EXPECT_TRUE(Send(Part("b", 1, text)).send_again());
  one.reset();
  EXPECT_FALSE(Send(Part("b", 1, text)).send_again());
}

TEST_F(Relay, RefusesMoreReadersThanItsBounds) {
  Make({.requests_max = 3, .org_requests_max = 2});
  auto one = Open("a"), two = Open("b");
  auto refused = Ask("c");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().reason, "TOO_MANY_LOG_STREAMS");
  two.reset();
  EXPECT_TRUE(Ask("c").has_value());
}

TEST_F(Relay, RefusesAPartThatIsTooLarge) {
  auto stream = Open("a");
  auto answer = relay->Send(host, Part("a", 1, std::string(1024 * 1024 + 1, 'x')));
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().reason, "LOG_PART_TOO_LARGE");
}

TEST_F(Relay, EndsItsStreamsWhenItStops) {
  auto stream = Open("a");
  Send(Part("a", 1, "one"));
  relay->Stop();
  EXPECT_THAT(Lines(*stream), ElementsAre("one"));
  EXPECT_EQ(ReasonOf(*stream), "SERVER_STOPPING");
  EXPECT_FALSE(Send(Part("a", 2, "two")).go_on());
  auto late = Ask("b");
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().reason, "SERVER_STOPPING");
  relay.reset();  // while a stream is still there
  EXPECT_EQ(ReasonOf(*stream), "SERVER_STOPPING");
}

}  // namespace
}  // namespace tallyman::api
