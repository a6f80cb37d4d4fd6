// The log of a server for machines: one JSON object per line on standard error.
#pragma once

#include <mutex>

#include "base/clock.h"
#include "base/log.h"

namespace tallyman::app {

// Thread-safe. Each line has "time", "level", "event", "message", and the fields as strings. Does
// not own the clock, which must outlive it.
class JsonLog final : public Log {
 public:
  explicit JsonLog(Clock& clock) : clock_(clock) {}
  void Write(const LogLine& line) override;

 private:
  Clock& clock_;
  std::mutex mutex_;
};

}  // namespace tallyman::app
