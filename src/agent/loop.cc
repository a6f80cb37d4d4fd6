#include "agent/loop.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "base/random.h"
#include "tallyman/v1/agent.pb.h"

namespace tallyman::agent {
namespace {

using std::chrono::milliseconds;

// The pause between two reports, so that simultaneous events are reported together.
constexpr milliseconds kTalkPause(20);
// The longest sleep when there is nothing to do.
constexpr milliseconds kSleepMax = std::chrono::minutes(1);

}  // namespace

AgentLoop::AgentLoop(AgentCore& core, Clock& clock, Random& random, Log& log,
                     const LoopOptions& options, Watch watch)
    : core_(core),
      clock_(clock),
      random_(random),
      log_(log),
      options_(options),
      watch_(std::move(watch)) {
  core_.SetListener([this] { Wake(false); });
}

AgentLoop::~AgentLoop() { core_.SetListener(nullptr); }

void AgentLoop::Wake(bool fetch) {
  {
    std::lock_guard lock(mutex_);
    ++changes_;
    fetch_ |= fetch;
  }
  changed_.notify_all();
}

milliseconds AgentLoop::Jittered(milliseconds pause) {
  const int64_t half = pause.count() / 2;
  return milliseconds(
      half +
      static_cast<int64_t>(random_.Next() % static_cast<uint64_t>(std::max<int64_t>(half, 1))));
}

milliseconds AgentLoop::RetryPause(int failures) {
  const auto pause = std::chrono::seconds(1) * (int64_t{1} << std::min(failures - 1, 20));
  return Jittered(std::min<milliseconds>(pause, options_.retry_pause_max));
}

void AgentLoop::Sleep(const std::stop_token& stop, milliseconds how_long) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, stop, how_long, [] { return false; });
}

void AgentLoop::WaitToTalk(const std::stop_token& stop) {
  const SteadyTime poll_at = clock_.SteadyNow() + Jittered(options_.poll_interval) * 2;
  while (!stop.stop_requested() && !core_.HasNews()) {
    const SteadyTime now = clock_.SteadyNow();
    SteadyTime until = poll_at;
    if (auto hinted = core_.NextFetchAt()) until = std::min(until, *hinted);
    if (until <= now) return;
    std::unique_lock lock(mutex_);
    const uint64_t seen = changes_;
    const auto left = std::chrono::ceil<milliseconds>(until - now);
    changed_.wait_for(lock, stop, std::min(left, kSleepMax),
                      [&] { return fetch_ || changes_ != seen; });
    if (std::exchange(fetch_, false)) return;
  }
}

void AgentLoop::LogFailure(const Error& error, int failures) const {
  LogLine line{LogLevel::kWarning,
               "control_plane_unreachable",
               "a call to the control plane failed and is retried: " + error.message,
               {{"reason", error.reason}, {"failures", std::to_string(failures)}}};
  if (error.code == Code::kUnauthenticated) {
    line.level = LogLevel::kError;
    line.event = "host_token_refused";
    line.message =
        "the control plane rejects this host's token; the nodes keep running: " + error.message +
        "; to continue, have an admin make a join token for this host (\"tallyman token create "
        "NAME --role join --host HOST\") and start the agent once with it and --rejoin";
  }
  log_.Write(line);
}

void AgentLoop::TalkUntil(const std::stop_token& stop) {
  int failures = 0;
  while (!stop.stop_requested()) {
    Status talked = core_.Talk();
    if (talked) {
      if (failures > 0) {
        log_.Write({LogLevel::kInfo,
                    "control_plane_reached",
                    "the control plane answers again",
                    {{"failures", std::to_string(failures)}}});
      }
      failures = 0;
      Sleep(stop, kTalkPause);
      WaitToTalk(stop);
      continue;
    }
    // Log the first failure, and then every 60th.
    ++failures;
    if (failures == 1 || failures % 60 == 0) LogFailure(talked.error(), failures);
    Sleep(stop, RetryPause(failures));
  }
}

void AgentLoop::WatchUntil(const std::stop_token& stop) {
  std::string cursor;
  int failures = 0;
  while (!stop.stop_requested()) {
    // A stream that starts now does not include events since the last fetch.
    bool is_new = cursor.empty();
    Status ended = watch_(stop, cursor, [&](const v1::WatchCommandsResponse& message) {
      cursor = message.cursor();
      failures = 0;
      if (std::exchange(is_new, false) || message.wake()) Wake(true);
    });
    // The server no longer knows the cursor, so events may have been missed.
    if (!ended && ended.error().code != Code::kUnavailable) {
      cursor.clear();
      Wake(true);
    }
    // A stream that ended without an error is reopened soon, but not in a tight loop.
    failures = ended ? 1 : failures + 1;
    Sleep(stop, RetryPause(failures));
  }
}

void AgentLoop::WorkUntil(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    uint64_t seen = 0;
    {
      std::lock_guard lock(mutex_);
      seen = changes_;
    }
    if (core_.WorkOnce()) continue;
    milliseconds pause = kSleepMax;
    if (auto next = core_.NextWorkAt()) {
      auto left = std::chrono::ceil<milliseconds>(*next - clock_.SteadyNow());
      // Another thread may have claimed the due work.
      pause = std::clamp<milliseconds>(left, milliseconds(10), kSleepMax);
    }
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, pause, [&] { return changes_ != seen; });
  }
}

void AgentLoop::Run(std::stop_token stop) {
  std::vector<std::jthread> threads;
  threads.emplace_back([&] { TalkUntil(stop); });
  if (watch_) threads.emplace_back([&] { WatchUntil(stop); });
  for (int i = 0; i < options_.workers; ++i) threads.emplace_back([&] { WorkUntil(stop); });
  for (std::jthread& thread : threads) thread.join();
}

}  // namespace tallyman::agent
