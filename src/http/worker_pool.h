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

namespace tallyman {

class WorkerPool {
 public:
  explicit WorkerPool(int threads) : WorkerPool(threads, threads) {}
  WorkerPool(int threads, int at_once,
             std::chrono::milliseconds patience = std::chrono::milliseconds(10));
  ~WorkerPool();

  // The job must not throw.
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

  void Run();
  bool IsTimeForNext() const;  // REQUIRES: there is one

  const size_t at_once_;
  const std::chrono::milliseconds patience_;
  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable idle_;
  std::deque<Job> queue_;
  size_t running_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace tallyman
