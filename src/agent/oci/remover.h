// Removes directories in the background: each is renamed at once, and a separate thread removes it.
//
// Thread-safe. A directory that is not yet removed at destruction stays under its other name.
#pragma once

#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"

namespace tallyman::agent::oci {

class Remover {
 public:
  Remover();
  ~Remover();
  Remover(const Remover&) = delete;
  Remover& operator=(const Remover&) = delete;

  // When it returns, nothing has this name any more; a missing path is no error. `path` is on one
  // file system and nothing below it is mounted. A directory that an earlier process was removing
  // may be given by its other name.
  Status Remove(const std::filesystem::path& path);

 private:
  void Run(const std::stop_token& stop);

  const std::string mark_;  // part of the other names that this object gives
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::filesystem::path> queue_;
  uint64_t count_ = 0;
  std::jthread thread_;
};

}  // namespace tallyman::agent::oci
