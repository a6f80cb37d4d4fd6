// The one timer of a server: runs periodic jobs, one piece after another, on its own thread.
//
// Each piece is bounded and safe when two servers run it at once. A failure is logged, and the job
// runs again at its next time.
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

namespace tallyman::app {

class Timer {
 public:
  struct Job {
    std::string name;
    std::chrono::milliseconds period{};
    // True: there is more to do; call again at once (after other due jobs).
    std::function<Result<bool>()> work;
  };

  // Each job runs one period from now, and then every period.
  Timer(std::vector<Job> jobs, Log& log);
  // Waits for the piece in progress.
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

}  // namespace tallyman::app
