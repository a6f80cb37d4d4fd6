// Removes directories without letting anybody wait for it: each gets another name at once, and a
// thread of its own takes it away.
//
// Thread-safe. What is not yet removed when it is destroyed stays under its other name.
#pragma once

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"

namespace tallyman {

class Remover {
 public:
  Remover();
  ~Remover();
  Remover(const Remover&) = delete;
  Remover& operator=(const Remover&) = delete;

  // When it returns, nothing has this name any more; nothing to do when nothing had. `path` is on
  // one file system and nothing below it is mounted. What an earlier process was removing may be
  // given by its other name.
  Status Remove(const std::filesystem::path& path);

 private:
  void Run(const std::stop_token& stop);

  const std::string mark_;  // in the other name of whatever this one removes
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::filesystem::path> queue_;
  uint64_t count_ = 0;
  std::jthread thread_;
};

}  // namespace tallyman
