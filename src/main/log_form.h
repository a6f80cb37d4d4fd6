// How a program that runs for long logs: for people or for machines.
#pragma once

#include <memory>

#include "base/clock.h"
#include "base/enum_text.h"
#include "base/log.h"

namespace tallyman {

enum class LogForm { kText, kJson };

template <>
struct EnumText<LogForm> {
  static constexpr std::array<std::string_view, 2> kWords = {"text", "json"};
};

// On standard error. Does not own the clock, which must outlive it.
std::unique_ptr<Log> MakeLog(LogForm form, Clock& clock);

}  // namespace tallyman
