// Threads for work that may block: database access, and parsing and writing large messages.
//
// First come, first served. More threads than processors only compete for caches, but a few long
// jobs must not delay all others: so only `at_once` threads work, until a job has waited for
// `patience`. The queue itself is unbounded: callers bound the work in flight. Thread-safe. The
// destructor ends the threads after all submitted jobs are done.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/log.h"

namespace tallyman::http {

class WorkerPool {
 public:
  explicit WorkerPool(int threads) : WorkerPool(threads, threads) {}
  // `log` is told of jobs that threw.
  WorkerPool(int threads, int at_once,
             std::chrono::milliseconds patience = std::chrono::milliseconds(10),
             Log* log = nullptr);
  ~WorkerPool();

  // A job that throws is over with that; whoever waits for it waits in vain.
  void Submit(std::move_only_function<void()> job);
  // Blocks until nothing runs and nothing waits.
  void WaitIdle();
  size_t threads() const { return threads_.size(); }
  // The number of running and of waiting jobs.
  std::pair<size_t, size_t> Load() const;

 private:
  struct Job {
    std::move_only_function<void()> work;
    std::chrono::steady_clock::time_point since;
  };
  struct Sleeper {
    std::condition_variable wake;
    bool is_called = false;
  };

  void Run();
  // Called with the lock; the last three only with a queue that is not empty.
  void CallOne();
  bool IsTimeForNext() const;
  void WorkOnFirst(std::unique_lock<std::mutex>& lock);
  void Do(Job job) noexcept;
  void Watch(std::unique_lock<std::mutex>& lock);

  const size_t at_once_;
  const std::chrono::milliseconds patience_;
  Log* const log_;
  mutable std::mutex mutex_;
  std::condition_variable patience_over_;
  std::condition_variable idle_;
  std::deque<Job> queue_;
  std::vector<Sleeper*> asleep_;  // the last to fall asleep, with warm caches, is woken first
  size_t awake_ = 0;              // woken and not asleep again
  size_t running_ = 0;            // working threads
  bool watching_ = false;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tallyman::http
