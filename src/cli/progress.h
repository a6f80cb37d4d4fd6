// A line on a terminal that says that something is still going on.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "cli/context.h"

namespace tallyman::cli {

// Shows "TEXT ... DONE of TOTAL, N s" on stderr from the first second on, and takes it away at its
// end. Does nothing unless stderr is a terminal and the output a table. Advance is thread-safe.
class Progress {
 public:
  Progress(Context& context, std::string text, int64_t total = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Advance(int64_t done) { done_ = done; }
  void SetTotal(int64_t total) { total_ = total; }

 private:
  void Run();
  void Show(std::chrono::seconds elapsed);

  Context& context_;
  CliEnvironment& environment_;
  const std::string text_;
  const Time start_;
  std::atomic<int64_t> done_ = 0;
  std::atomic<int64_t> total_;
  std::mutex mutex_;
  std::condition_variable ended_changed_;
  bool ended_ = false;
  bool shown_ = false;
  std::thread thread_;
};

}  // namespace tallyman::cli
