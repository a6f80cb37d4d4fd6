#include "main/signals.h"

#include <unistd.h>

#include <condition_variable>
#include <ctime>
#include <mutex>

namespace tallyman::app {
namespace {

// How soon the thread notices that nobody waits for a signal any more.
constexpr timespec kPoll{.tv_sec = 0, .tv_nsec = 100'000'000};

}  // namespace

sigset_t TakeSignals(std::initializer_list<int> signals) {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : signals) sigaddset(&set, signal);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return set;
}

StopOnSignal::StopOnSignal(const sigset_t& signals, std::chrono::milliseconds patience, Log& log)
    : signals_(signals),
      patience_(patience),
      log_(log),
      thread_([this](const std::stop_token& over) { Wait(over); }) {}

void StopOnSignal::Wait(const std::stop_token& over) {
  while (::sigtimedwait(&signals_, nullptr, &kPoll) < 0)
    if (over.stop_requested()) return;
  log_.Write({LogLevel::kInfo, "stopping", "no new work is started", {}});
  source_.request_stop();
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, over, patience_, [] { return false; });
  if (over.stop_requested()) return;
  log_.Write({LogLevel::kWarning, "stopped", "unfinished work resumes at the next start", {}});
  ::_exit(0);
}

}  // namespace tallyman::app
