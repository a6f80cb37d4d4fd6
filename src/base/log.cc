#include "base/log.h"

namespace tallyman {

void MemoryLog::Write(const LogLine& line) {
  std::lock_guard lock(mutex_);
  lines_.push_back(line);
}

std::vector<LogLine> MemoryLog::lines() const {
  std::lock_guard lock(mutex_);
  return lines_;
}

}  // namespace tallyman
