// The one timer of a server: calls work that has to be done from time to time, one piece after the
// other, on a thread of its own.
//
// Each piece bounds itself and is safe when two servers do it at once. What fails is logged and
// tried again at its next time.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/result.h"

namespace tallyman {

class Timer {
 public:
  struct Job {
    std::string name;
    std::chrono::milliseconds period{};
    // True: there is more to do, call again at once (other jobs come first).
    std::function<Result<bool>()> work;
  };

  // Each job is done a period from now, and from then on every period.
  Timer(std::vector<Job> jobs, Log& log);
  // Waits for the piece that is being done.
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

 private:
  void Run();
  static Result<bool> Do(const Job& job);

  std::vector<Job> jobs_;
  Log& log_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tallyman
