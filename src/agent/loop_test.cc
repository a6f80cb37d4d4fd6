#include "agent/loop.h"

#include <thread>

#include "agent/testing_agent.h"
#include "base/system.h"

namespace tallyman::agent {
namespace {

using std::chrono::milliseconds;

v1::WatchCommandsResponse Message(const std::string& cursor, bool wake) {
  v1::WatchCommandsResponse message;
  message.set_cursor(cursor);
  message.set_wake(wake);
  return message;
}

// The agent's own threads, on the machine's clock.
class LoopTest : public AgentTest {
 protected:
  LoopTest() {
    options_.execution = {.health_deadline = std::chrono::seconds(10),
                          .settle_time = milliseconds(1),
                          .health_interval = milliseconds(5)};
    running_core_ = std::make_unique<AgentCore>(
        AgentCore::Parts{control_, *journal_, machine_, system_clock_, log_}, options_);
    EXPECT_TRUE(running_core_->Load().has_value());
  }

  void Run(const LoopOptions& options, AgentLoop::Watch watch = {}) {
    loop_.emplace(*running_core_, system_clock_, random_, log_, options, std::move(watch));
    thread_ = std::jthread([this](const std::stop_token& stop) { loop_->Run(stop); });
  }
  void Stop() {
    thread_.request_stop();
    thread_.join();
  }

  static bool Await(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(milliseconds(1));
    }
    return true;
  }
  bool AwaitOutcomes(size_t count) {
    return Await(
        [&] { return control_.Locked([&] { return control_.outcomes.size(); }) == count; });
  }
  void HandOutLocked(const v1::HandedCommand& command) {
    control_.Locked([&] { HandOut(command); });
  }
  int64_t Count(std::string_view event) const {
    return std::ranges::count(log_.lines(), event, &LogLine::event);
  }

  SystemClock system_clock_;
  std::unique_ptr<AgentCore> running_core_;
  std::optional<AgentLoop> loop_;
  std::jthread thread_;
};

TEST_F(LoopTest, PollsWhenThereIsNoStream) {
  Run({.poll_interval = milliseconds(50)});
  NodeSpec spec = Spec(node_);
  HandOutLocked(Command(v1::COMMAND_KIND_CREATE, spec));
  ASSERT_TRUE(AwaitOutcomes(1));
  Stop();
  EXPECT_TRUE(Runs(spec));
}

TEST_F(LoopTest, FetchesWhenItIsWokenAndResumesTheStreamWhereItEnded) {
  std::mutex mutex;
  std::condition_variable_any changed;
  std::vector<std::string> cursors;
  int to_wake = 0;
  auto watch = [&](const std::stop_token& stop, const std::string& cursor,
                   const AgentLoop::Heard& heard) -> Status {
    std::unique_lock lock(mutex);
    cursors.push_back(cursor);
    heard(Message("at-" + std::to_string(cursors.size()), false));
    changed.wait(lock, stop, [&] { return to_wake > 0; });
    if (stop.stop_requested()) return {};
    --to_wake;
    heard(Message("woken-" + std::to_string(cursors.size()), true));
    return {};  // the stream ends
  };
  Run({.poll_interval = std::chrono::hours(1), .retry_pause_max = milliseconds(5)}, watch);
  for (size_t i = 1; i <= 3; ++i) {
    HandOutLocked(Command(v1::COMMAND_KIND_CREATE, Spec(ids_.New<NodeId>())));
    {
      std::lock_guard lock(mutex);
      ++to_wake;
    }
    changed.notify_all();
    ASSERT_TRUE(AwaitOutcomes(i)) << i;
  }
  Stop();
  ASSERT_GE(cursors.size(), 3u);
  EXPECT_EQ(cursors[0], "");
  EXPECT_EQ(cursors[1], "woken-1");
  EXPECT_EQ(cursors[2], "woken-2");
}

TEST_F(LoopTest, KeepsTryingWhileNobodyAnswersAndSaysSoOnce) {
  int calls = 0;
  control_.before = [&](std::string_view) -> Status {
    if (++calls <= 30) return Fail(Error(Code::kUnavailable, "CUT", "no network"));
    return {};
  };
  HandOut(Command(v1::COMMAND_KIND_CREATE, Spec(node_)));
  Run({.retry_pause_max = milliseconds(4)});
  ASSERT_TRUE(AwaitOutcomes(1));
  Stop();
  EXPECT_EQ(Count("control_plane_unreachable"), 1);
  EXPECT_EQ(Count("control_plane_reached"), 1);
}

TEST_F(LoopTest, MissesNothingThatCameBeforeTheStreamWasThere) {
  auto watch = [&](const std::stop_token& stop, const std::string&,
                   const AgentLoop::Heard& heard) -> Status {
    // The agent has asked already, and will not by itself.
    EXPECT_TRUE(Await([&] { return control_.Locked([&] { return !control_.reports.empty(); }); }));
    HandOutLocked(Command(v1::COMMAND_KIND_CREATE, Spec(node_)));
    heard(Message("now", false));
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait(lock, stop, [] { return false; });
    return {};
  };
  Run({.poll_interval = std::chrono::hours(1)}, watch);
  EXPECT_TRUE(AwaitOutcomes(1));
  Stop();
}

TEST_F(LoopTest, BeginsAtNowWhenTheOtherSideDoesNotKnowItsCursorAnyMore) {
  std::mutex mutex;
  std::vector<std::string> cursors;
  auto watch = [&](const std::stop_token&, const std::string& cursor,
                   const AgentLoop::Heard& heard) -> Status {
    std::lock_guard lock(mutex);
    cursors.push_back(cursor);
    if (!cursor.empty())
      return Fail(Error(Code::kInvalidArgument, "INVALID_CURSOR", "of another server"));
    // What was missed is fetched all the same.
    HandOutLocked(Command(v1::COMMAND_KIND_CREATE, Spec(ids_.New<NodeId>())));
    heard(Message("here", false));
    return Fail(Error(Code::kUnavailable, "STREAM_CUT", "the stream ended"));
  };
  Run({.poll_interval = std::chrono::hours(1), .retry_pause_max = milliseconds(5)}, watch);
  ASSERT_TRUE(
      Await([&] { return control_.Locked([&] { return control_.outcomes.size(); }) >= 2; }));
  Stop();
  ASSERT_GE(cursors.size(), 3u);
  EXPECT_EQ(cursors[1], "here");
  EXPECT_EQ(cursors[2], "");
}

TEST_F(LoopTest, SaysWhatToDoWhenTheHostsTokenIsRefused) {
  control_.before = [&](std::string_view) -> Status {
    return Fail(Error(Code::kUnauthenticated, "TOKEN_REVOKED", "the token was revoked"));
  };
  Run({.retry_pause_max = milliseconds(4)});
  ASSERT_TRUE(Await([&] { return Count("host_token_refused") == 1; }));
  Stop();
  EXPECT_NE(log_.lines()[0].message.find("--rejoin"), std::string::npos);
}

TEST_F(LoopTest, ComesToItsEndWhileItWaitsForEverything) {
  Run({.poll_interval = std::chrono::hours(1)},
      [](const std::stop_token& stop, const std::string&, const auto&) -> Status {
        std::mutex mutex;
        std::condition_variable_any never;
        std::unique_lock lock(mutex);
        never.wait(lock, stop, [] { return false; });
        return {};
      });
  ASSERT_TRUE(Await([&] { return control_.Locked([&] { return !control_.reports.empty(); }); }));
  auto begun = std::chrono::steady_clock::now();
  Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(10));
}

}  // namespace
}  // namespace tallyman::agent
