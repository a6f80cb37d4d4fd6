#include "main/timer.h"

#include <fmt/core.h>

#include <algorithm>
#include <exception>

namespace tallyman::app {

using Instant = std::chrono::steady_clock::time_point;

Timer::Timer(std::vector<Job> jobs, Log& log) : jobs_(std::move(jobs)), log_(log) {
  if (!jobs_.empty()) thread_ = std::thread([this] { Run(); });
}

Timer::~Timer() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  if (thread_.joinable()) thread_.join();
}

// A job that throws counts as failed: the thread continues.
Result<bool> Timer::Do(const Job& job) {
  try {
    return job.work();
  } catch (const std::exception& e) {
    return Fail(Internal("UNEXPECTED_EXCEPTION", e.what()));
  }
}

void Timer::Run() {
  std::vector<Instant> due;
  const Instant begun = std::chrono::steady_clock::now();
  for (const Job& job : jobs_) due.push_back(begun + job.period);
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto next = std::ranges::min_element(due);
    if (stopped_.wait_until(lock, *next, [&] { return stopping_; })) return;
    const Job& job = jobs_[static_cast<size_t>(next - due.begin())];
    lock.unlock();
    const auto more = Do(job);
    if (!more) {
      log_.Write({LogLevel::kWarning,
                  "background_failed",
                  fmt::format("{}: {}", job.name, more.error().message),
                  {{"job", job.name}, {"reason", more.error().reason}}});
    }
    // Runs after the other jobs that are due now.
    const auto pause = more && *more ? std::chrono::milliseconds(1) : job.period;
    *next = std::chrono::steady_clock::now() + pause;
    lock.lock();
  }
}

}  // namespace tallyman::app
