#include "http/later.h"

#include <utility>

namespace tallyman::http {

using Steady = std::chrono::steady_clock;

Later::Later(WorkerPool& workers, std::chrono::milliseconds pause)
    : workers_(workers), pause_(pause), thread_([this] { Run(); }) {}

Later::~Later() {
  Stop();
  thread_.join();
}

bool Later::Submit(std::function<void()> job) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return false;
  queue_.push_back({std::move(job), Steady::now() + pause_});
  changed_.notify_one();
  return true;
}

void Later::Stop() {
  std::deque<Job> left;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    left.swap(queue_);
  }
  changed_.notify_one();
  for (Job& job : left) workers_.Submit(std::move(job.work));
}

void Later::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (queue_.empty()) {
      changed_.wait(lock);
    } else if (const auto at = queue_.front().at; Steady::now() < at) {
      changed_.wait_until(lock, at);
    } else {
      workers_.Submit(std::move(queue_.front().work));
      queue_.pop_front();
    }
  }
}

}  // namespace tallyman::http
