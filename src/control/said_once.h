// What is looked at again and again, and is to be logged once.
#pragma once

#include <mutex>
#include <unordered_set>

#include "model/ids.h"

namespace tallyman::control {

// Thread-safe. Bounded: when too many are known, all are forgotten, and said once more.
class SaidOnce {
 public:
  explicit SaidOnce(size_t known_max = 10'000) : known_max_(known_max) {}

  bool IsNew(const CommandId& id) {
    std::lock_guard lock(mutex_);
    if (said_.size() >= known_max_) said_.clear();
    return said_.insert(id).second;
  }

 private:
  const size_t known_max_;
  std::mutex mutex_;
  std::unordered_set<CommandId> said_;
};

}  // namespace tallyman::control
