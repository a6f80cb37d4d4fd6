// Jobs that are given to workers again after a pause, which is the same for all of them. They cost
// no thread while they wait. Unbounded: callers bound the work in flight. Thread-safe.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "http/worker_pool.h"

namespace tallyman::http {

class Later {
 public:
  // Does not own the workers.
  Later(WorkerPool& workers, std::chrono::milliseconds pause);
  ~Later();
  Later(const Later&) = delete;
  Later& operator=(const Later&) = delete;

  // False: it was stopped, and takes no more.
  bool Submit(std::function<void()> job);
  // Gives everything that waits to the workers at once.
  void Stop();
  std::chrono::milliseconds pause() const { return pause_; }

 private:
  struct Job {
    std::function<void()> work;
    std::chrono::steady_clock::time_point at;
  };
  void Run();

  WorkerPool& workers_;
  const std::chrono::milliseconds pause_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> queue_;  // the first is due first
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tallyman::http
