// The log of a program that people run: lines on standard error, by spdlog.
#pragma once

#include <spdlog/logger.h>

#include <memory>

#include "base/log.h"

namespace tallyman::app {

// Thread-safe. Omits lines below the lowest level.
class StderrLog final : public Log {
 public:
  explicit StderrLog(LogLevel lowest = LogLevel::kWarning);
  void Write(const LogLine& line) override;

 private:
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace tallyman::app
