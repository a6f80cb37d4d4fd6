// How a program that runs for long logs, for people or for machines, and what it says at its end.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/enum_text.h"
#include "base/log.h"
#include "base/result.h"

namespace tallyman {

enum class LogForm { kText, kJson };

template <>
struct EnumText<LogForm> {
  static constexpr std::array<std::string_view, 2> kWords = {"text", "json"};
};

// On standard error. Does not own the clock, which must outlive it.
std::unique_ptr<Log> MakeLog(LogForm form, Clock& clock);

void Info(Log& log, std::string event, std::string message);

// Logs how it ended, "stopped" with `goodbye` or `failure`, and gives the exit status.
int LogEnd(Log& log, const Status& ended, std::string goodbye, std::string failure);

}  // namespace tallyman
