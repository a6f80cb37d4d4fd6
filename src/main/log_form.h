// How a long-running program logs, for people or for machines, and its last line.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/enum_text.h"
#include "base/log.h"
#include "base/result.h"

namespace tallyman::app {

enum class LogForm { kText, kJson };

// Logs to standard error. Does not own the clock, which must outlive it.
std::unique_ptr<Log> MakeLog(LogForm form, Clock& clock);

void Info(Log& log, std::string event, std::string message);

// Logs the end of the program, "stopped" with `goodbye` or `failure`, and returns the exit status.
int LogEnd(Log& log, const Status& ended, std::string goodbye, std::string failure);

}  // namespace tallyman::app

namespace tallyman {

template <>
struct EnumText<app::LogForm> {
  static constexpr std::array<std::string_view, 2> kWords = {"text", "json"};
};

}  // namespace tallyman
