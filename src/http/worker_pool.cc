#include "http/worker_pool.h"

namespace tallyman {

WorkerPool::WorkerPool(int threads, int at_once, std::chrono::milliseconds patience)
    : at_once_(static_cast<size_t>(at_once)), patience_(patience) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

WorkerPool::~WorkerPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::Submit(std::move_only_function<void()> job) {
  const auto now = std::chrono::steady_clock::now();
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    // Whoever works looks for more itself; whoever does not has to know that something waits.
    wake = queue_.empty() || running_ < at_once_;
    queue_.push_back({std::move(job), now});
  }
  if (wake) work_.notify_one();
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
  while (true) {
    work_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    if (!IsTimeForNext()) {
      work_.wait_until(lock, queue_.front().since + patience_);
      continue;
    }
    auto job = std::move(queue_.front().work);
    queue_.pop_front();
    ++running_;
    // There may be a second one that will have waited too long.
    if (running_ > at_once_ && !queue_.empty()) work_.notify_one();
    lock.unlock();
    job();
    job = nullptr;  // what it holds goes without the lock
    lock.lock();
    --running_;
    if (running_ == 0 && queue_.empty()) idle_.notify_all();
  }
}

}  // namespace tallyman
