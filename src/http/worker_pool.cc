#include "http/worker_pool.h"

#include <fmt/core.h>

#include <algorithm>
#include <exception>

namespace tallyman::http {

WorkerPool::WorkerPool(int threads, int at_once, std::chrono::milliseconds patience, Log* log)
    : at_once_(static_cast<size_t>(at_once)), patience_(patience), log_(log) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

WorkerPool::~WorkerPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    for (Sleeper* sleeper : asleep_) sleeper->wake.notify_one();
  }
  patience_over_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::Submit(std::move_only_function<void()> job) {
  const auto now = std::chrono::steady_clock::now();
  std::lock_guard lock(mutex_);
  queue_.push_back({std::move(job), now});
  CallOne();
}

// A working thread takes the next job itself. So this wakes only as many threads as may work, and
// one more that notices when the first in the queue has waited for too long.
void WorkerPool::CallOne() {
  const size_t wanted = std::max(at_once_, running_) + (watching_ ? 0 : 1);
  if (awake_ >= wanted || asleep_.empty()) return;
  Sleeper& last = *asleep_.back();
  asleep_.pop_back();
  ++awake_;
  last.is_called = true;
  last.wake.notify_one();
}

void WorkerPool::WaitIdle() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return running_ == 0 && queue_.empty(); });
}

std::pair<size_t, size_t> WorkerPool::Load() const {
  std::lock_guard lock(mutex_);
  return {running_, queue_.size()};
}

bool WorkerPool::IsTimeForNext() const {
  return stopping_ || running_ < at_once_ ||
         std::chrono::steady_clock::now() >= queue_.front().since + patience_;
}

void WorkerPool::Run() {
  std::unique_lock lock(mutex_);
  ++awake_;
  while (true) {
    while (!queue_.empty()) {
      if (IsTimeForNext()) {
        WorkOnFirst(lock);
      } else if (watching_) {
        break;
      } else {
        Watch(lock);
      }
    }
    --awake_;
    if (stopping_) return;
    Sleeper self;
    asleep_.push_back(&self);
    self.wake.wait(lock, [&] { return self.is_called || stopping_; });
    if (!self.is_called) {  // to help with the remaining jobs
      std::erase(asleep_, &self);
      ++awake_;
    }
  }
}

void WorkerPool::WorkOnFirst(std::unique_lock<std::mutex>& lock) {
  Job job = std::move(queue_.front());
  queue_.pop_front();
  ++running_;
  if (!queue_.empty()) CallOne();
  lock.unlock();
  Do(std::move(job));
  lock.lock();
  --running_;
  if (running_ == 0 && queue_.empty()) idle_.notify_all();
}

// Without the lock, and what the job holds goes without it too.
void WorkerPool::Do(Job job) noexcept {
  try {
    job.work();
  } catch (const std::exception& e) {
    if (log_ == nullptr) return;
    try {
      log_->Write({LogLevel::kError,
                   "unexpected_exception",
                   fmt::format("a worker failed in an unforeseen way: {}", e.what()),
                   {}});
    } catch (const std::exception&) {
      // There is no memory to say even that.
    }
  }
}

void WorkerPool::Watch(std::unique_lock<std::mutex>& lock) {
  watching_ = true;
  --awake_;
  patience_over_.wait_until(lock, queue_.front().since + patience_);
  ++awake_;
  watching_ = false;
}

}  // namespace tallyman::http
