// The threads of a running agent: one talks to the control plane, one listens for wake-ups, a few
// work.
//
// The control plane may be unreachable for any length of time: accepted commands are carried out,
// and calls are retried with growing, jittered pauses. Wake-ups only save time; without them the
// agent polls.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>

#include "agent/core.h"
#include "base/log.h"
#include "base/random.h"

namespace tallyman::v1 {
class WatchCommandsResponse;
}  // namespace tallyman::v1

namespace tallyman::agent {

struct LoopOptions {
  // A third of them for each lane (turns.h).
  int workers = 6;
  std::chrono::milliseconds poll_interval = std::chrono::seconds(30);
  std::chrono::milliseconds retry_pause_max = std::chrono::seconds(60);
};

class AgentLoop {
 public:
  // Listens to the stream of wake-ups from `cursor` on, and calls `heard` with each message, until
  // the stream ends, fails, or `stop` is requested. Empty: there is no stream, and the agent polls.
  using Heard = std::function<void(const v1::WatchCommandsResponse& message)>;
  using Watch =
      std::function<Status(std::stop_token stop, const std::string& cursor, const Heard& heard)>;

  // Does not own its arguments. Sets the core's listener.
  AgentLoop(AgentCore& core, Clock& clock, Random& random, Log& log, const LoopOptions& options,
            Watch watch);
  ~AgentLoop();
  AgentLoop(const AgentLoop&) = delete;
  AgentLoop& operator=(const AgentLoop&) = delete;

  // Returns after a stop was requested and every step in progress has ended.
  void Run(std::stop_token stop);

 private:
  void TalkUntil(const std::stop_token& stop);
  void WatchUntil(const std::stop_token& stop);
  void WorkUntil(const std::stop_token& stop);
  void LogFailure(const Error& error, int failures) const;
  void Wake(bool fetch);
  // Sleeps until there is news to report, a wake-up, or the time to poll.
  void WaitToTalk(const std::stop_token& stop);
  void Sleep(const std::stop_token& stop, std::chrono::milliseconds how_long);
  // Jitter: between half of it and all of it, so that the hosts of a fleet do not act in step.
  std::chrono::milliseconds Jittered(std::chrono::milliseconds pause);
  std::chrono::milliseconds RetryPause(int failures);

  AgentCore& core_;
  Clock& clock_;
  Random& random_;
  Log& log_;
  const LoopOptions options_;
  const Watch watch_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  // Counts events that may have created work.
  uint64_t changes_ = 0;
  bool fetch_ = false;
};

}  // namespace tallyman::agent
