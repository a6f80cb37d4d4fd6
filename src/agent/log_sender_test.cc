#include "agent/log_sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "base/system.h"

namespace tallyman::agent {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

// A log of lines at known times, of which the oldest may be gone.
class FakeSource final : public LogSource {
 public:
  Result<LogPart> ReadLog(const NodeId&, const LogPosition& position, size_t lines_max) override {
    std::lock_guard lock(mutex);
    if (!failure.empty()) return Fail(Internal("LOG_BROKEN", failure));
    const int64_t from = position.offset;
    LogPart part;
    part.gap = from < gone;
    part.next.offset = std::max(from, gone);
    while (static_cast<size_t>(part.next.offset) < lines.size() && part.lines.size() < lines_max)
      part.lines.push_back(lines[static_cast<size_t>(part.next.offset++)]);
    return part;
  }
  Result<LogPosition> FindLogTail(const NodeId&, int64_t count) override {
    std::lock_guard lock(mutex);
    return LogPosition{std::max<int64_t>(gone, std::ssize(lines) - count)};
  }
  void Print(std::string text, Time at = {}) {
    std::lock_guard lock(mutex);
    lines.push_back({.at = at, .is_error = false, .text = std::move(text)});
  }

  std::mutex mutex;
  std::vector<NodeLogLine> lines;
  int64_t gone = 0;
  std::string failure;
};

// The other side: takes parts and says what it is told to say.
class FakeControl final : public client::Client {
 public:
  Status Call(std::string_view, const google::protobuf::Message& request,
              google::protobuf::Message& response) override {
    std::lock_guard lock(mutex);
    const auto& part = static_cast<const v1::SendLogRequest&>(request);
    ++calls;
    if (is_away) return Fail(Error(Code::kUnavailable, "AWAY", "it is away"));
    auto& answer = static_cast<v1::SendLogResponse&>(response);
    answer.set_go_on(go_on && !part.end());
    answer.set_send_again(send_again);
    if (!send_again) parts.push_back(part);
    return {};
  }
  Status Stream(std::string_view, const google::protobuf::Message&,
                const std::function<bool(const google::protobuf::Message&)>&,
                const std::atomic<bool>*) override {
    return Fail(Internal("NONE", "no streams here"));
  }
  std::vector<std::string> Lines(const std::string& id = "a") {
    std::lock_guard lock(mutex);
    std::vector<std::string> texts;
    for (const auto& part : parts) {
      if (part.id() != id) continue;
      for (const auto& line : part.lines()) texts.push_back(line.text());
    }
    return texts;
  }

  std::mutex mutex;
  std::vector<v1::SendLogRequest> parts;
  int calls = 0;
  bool is_away = false, go_on = true, send_again = false;
};

class Sender : public testing::Test {
 protected:
  void Ask(const std::string& id, bool follow = false, int64_t tail = 0) {
    v1::LogRequest request;
    request.set_id(id);
    request.set_node_id("00000000-0000-7000-8000-000000000001");
    request.set_follow(follow);
    request.set_tail(tail);
    sender->Take(request);
  }
  void StepUntilQuiet() {
    for (int i = 0; i < 100 && sender->Step(); ++i) continue;
  }
  void Make(LogSenderOptions options) {
    sender = std::make_unique<LogSender>(control, source, clock, options);
  }

  ManualClock clock{Time(std::chrono::hours(1))};
  FakeSource source;
  FakeControl control;
  std::unique_ptr<LogSender> sender = std::make_unique<LogSender>(control, source, clock);
};

TEST_F(Sender, SendsAllThatIsKeptAndEnds) {
  source.Print("one");
  source.Print("two");
  Ask("a");
  StepUntilQuiet();
  EXPECT_THAT(control.Lines(), ElementsAre("one", "two"));
  EXPECT_TRUE(control.parts.back().end());
  EXPECT_FALSE(sender->Step()) << "it is done with";
}

TEST_F(Sender, AnswersAtOnceEvenWithNothing) {
  Ask("a", true);
  EXPECT_TRUE(sender->Step());
  ASSERT_EQ(control.parts.size(), 1u);
  EXPECT_EQ(control.parts[0].part(), 1);
  EXPECT_FALSE(control.parts[0].end());
}

TEST_F(Sender, BeginsWithTheTail) {
  for (int i = 0; i < 10; ++i) source.Print(std::to_string(i));
  Ask("a", false, 3);
  StepUntilQuiet();
  EXPECT_THAT(control.Lines(), ElementsAre("7", "8", "9"));
}

TEST_F(Sender, LeavesOutWhatWasPrintedBefore) {
  source.Print("old", Time(seconds(100)));
  source.Print("new", Time(seconds(200)));
  v1::LogRequest request;
  request.set_id("a");
  request.set_node_id("00000000-0000-7000-8000-000000000001");
  request.mutable_since()->set_seconds(200);
  sender->Take(request);
  StepUntilQuiet();
  EXPECT_THAT(control.Lines(), ElementsAre("new"));
}

TEST_F(Sender, EndsHoweverFastTheNodePrints) {
  Make({.lines_at_once = 1});
  Ask("a");
  for (int i = 0; i < 100; ++i) {
    clock.Advance(seconds(1));
    source.Print("line", clock.Now());
    sender->Step();
  }
  EXPECT_EQ(control.Lines().size(), 29u) << "what was printed once its time was over is left out";
  EXPECT_TRUE(control.parts.back().end());
}

TEST_F(Sender, ShowsLinesOfATimeThatIsStillToCome) {
  source.Print("before the clock was set back", clock.Now() + std::chrono::hours(2));
  Ask("a");
  StepUntilQuiet();
  EXPECT_EQ(control.Lines().size(), 1u);
}

TEST_F(Sender, FollowsUntilNobodyReads) {
  source.Print("one");
  Ask("a", true);
  StepUntilQuiet();
  source.Print("two", clock.Now() + seconds(5));
  StepUntilQuiet();
  EXPECT_THAT(control.Lines(), ElementsAre("one", "two"));
  clock.Advance(seconds(14));
  EXPECT_FALSE(sender->Step());
  clock.Advance(seconds(1));
  EXPECT_TRUE(sender->Step()) << "it shows that it is there";
  control.go_on = false;
  source.Print("three");
  EXPECT_TRUE(sender->Step());
  const int calls = control.calls;
  clock.Advance(seconds(100));
  source.Print("four");
  StepUntilQuiet();
  EXPECT_EQ(control.calls, calls);
}

TEST_F(Sender, SendsTheSamePartAgainWhenItWasNotTaken) {
  source.Print("one");
  control.is_away = true;
  Ask("a");
  sender->Step();
  EXPECT_FALSE(sender->Step()) << "it pauses";
  control.is_away = false;
  control.send_again = true;
  clock.Advance(seconds(1));
  EXPECT_TRUE(sender->Step());
  control.send_again = false;
  clock.Advance(seconds(1));
  StepUntilQuiet();
  ASSERT_FALSE(control.parts.empty());
  EXPECT_EQ(control.parts[0].part(), 1);
  EXPECT_THAT(control.Lines(), ElementsAre("one"));
}

TEST_F(Sender, GivesUpOnAControlPlaneThatStaysAway) {
  control.is_away = true;
  Ask("a", true);
  for (int i = 0; i < 31; ++i) {
    sender->Step();
    clock.Advance(seconds(1));
  }
  const int calls = control.calls;
  control.is_away = false;
  EXPECT_FALSE(sender->Step());
  EXPECT_EQ(control.calls, calls);
}

TEST_F(Sender, WaitsForASlowReaderAsLongAsTheOtherSideDoes) {
  source.Print("one");
  control.send_again = true;
  Ask("a");
  for (int i = 0; i < 100; ++i) {
    sender->Step();
    clock.Advance(seconds(1));
  }
  control.send_again = false;
  StepUntilQuiet();
  EXPECT_THAT(control.Lines(), ElementsAre("one"));
}

TEST_F(Sender, KeepsPartsSmallAndLosesNothing) {
  Make({.part_bytes_max = 100, .lines_at_once = 7});
  std::vector<std::string> printed;
  for (int i = 0; i < 40; ++i) {
    printed.push_back(std::string(30, 'x') + std::to_string(i));
    source.Print(printed.back());
  }
  Ask("a");
  StepUntilQuiet();
  EXPECT_EQ(control.Lines(), printed);
  for (const auto& part : control.parts) EXPECT_LE(part.lines_size(), 3);
}

TEST_F(Sender, SaysThatLinesWereLostWhileItRead) {
  source.Print("one");
  source.Print("two");
  source.gone = 1;
  Ask("a", true);
  StepUntilQuiet();
  EXPECT_THAT(control.Lines(), ElementsAre("two"));
  EXPECT_EQ(control.parts[0].lost_lines(), 0) << "what is kept begins here";
  for (const char* text : {"three", "four"}) source.Print(text);
  source.gone = 3;
  StepUntilQuiet();
  EXPECT_THAT(control.Lines(), ElementsAre("two", "four"));
  EXPECT_GT(control.parts.back().lost_lines(), 0);
}

TEST_F(Sender, SaysWhyItCannotRead) {
  source.failure = "the log is broken";
  Ask("a");
  StepUntilQuiet();
  ASSERT_EQ(control.parts.size(), 1u);
  EXPECT_EQ(control.parts[0].error(), "the log is broken");
  EXPECT_TRUE(control.parts[0].end());
}

TEST_F(Sender, MakesTextsThatTheControlPlaneTakes) {
  source.Print(std::string("a\0b\xff", 4));
  source.Print(std::string(20'000, 'x'));
  Ask("a");
  StepUntilQuiet();
  const auto lines = control.Lines();
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0], "a b\xef\xbf\xbd");
  EXPECT_EQ(lines[1].size(), 16u * 1024);
}

TEST_F(Sender, AnswersABoundedNumberAndTellsThoseBeyond) {
  Make({.answers_max = 2});
  source.Print("one");
  for (const char* id : {"a", "b", "c", "d", "e"}) Ask(id, true);
  StepUntilQuiet();
  EXPECT_THAT(control.Lines("a"), ElementsAre("one"));
  EXPECT_THAT(control.Lines("b"), ElementsAre("one"));
  EXPECT_THAT(control.Lines("c"), IsEmpty());
  int refused = 0;
  for (const auto& part : control.parts) refused += part.error().empty() ? 0 : 1;
  EXPECT_EQ(refused, 2) << "c and d are told, e is one too many even for that";
}

TEST_F(Sender, AnswersARequestThatComesTwiceOnce) {
  source.Print("one");
  Ask("a", true);
  Ask("a", true);
  StepUntilQuiet();
  EXPECT_THAT(control.Lines(), ElementsAre("one"));
}

TEST_F(Sender, RunsOnOneThreadUntilItIsStopped) {
  SystemClock machine;
  LogSender running(control, source, machine, {.poll = std::chrono::milliseconds(1)});
  std::jthread thread([&](const std::stop_token& stop) { running.Run(stop); });
  source.Print("one");
  v1::LogRequest request;
  request.set_id("a");
  request.set_node_id("00000000-0000-7000-8000-000000000001");
  request.set_follow(true);
  running.Take(request);
  auto await = [&](size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + seconds(20);
    while (control.Lines().size() < count && std::chrono::steady_clock::now() < deadline)
      std::this_thread::yield();
  };
  await(1);
  source.Print("two");
  await(2);
  EXPECT_THAT(control.Lines(), ElementsAre("one", "two"));
}

}  // namespace
}  // namespace tallyman::agent
