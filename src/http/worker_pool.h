// Threads that do what may wait: for the database, and for large messages to be read and written.
//
// First come, first served. More threads than processors only take the caches from each other, but
// a few long jobs must not hold up all others: so only `at_once` of the threads work, until a job
// has waited for `patience`. The queue has no bound of its own: whoever submits bounds how much is
// under way. Thread-safe. The destructor ends the threads after all that was submitted is done.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/log.h"

namespace tallyman {

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
  // Until nothing runs and nothing waits.
  void WaitIdle();
  size_t threads() const { return threads_.size(); }
  // How many jobs run, and how many wait.
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
  // With the lock; the last three for a queue that is not empty.
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
  std::vector<Sleeper*> asleep_;  // who fell asleep last, with warm caches, is called first
  size_t awake_ = 0;              // those that were called and have not fallen asleep since
  size_t running_ = 0;            // those that work
  bool watching_ = false;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tallyman
