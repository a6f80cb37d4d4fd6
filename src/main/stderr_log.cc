#include "main/stderr_log.h"

#include <fmt/core.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include "base/text.h"

namespace tallyman::app {
namespace {

spdlog::level::level_enum LevelOf(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      break;
  }
  return spdlog::level::err;
}

// Without quotes if it is one printable word.
std::string ValueText(const std::string& value) {
  bool bare = !value.empty() && Quote(value) == fmt::format("\"{}\"", value) &&
              value.find_first_of(" =") == std::string::npos;
  return bare ? value : Quote(value);
}

}  // namespace

StderrLog::StderrLog(LogLevel lowest)
    : logger_(std::make_shared<spdlog::logger>(
          "tallyman", std::make_shared<spdlog::sinks::stderr_color_sink_mt>())) {
  logger_->set_pattern("%^%l%$: %v");
  logger_->set_level(LevelOf(lowest));
}

void StderrLog::Write(const LogLine& line) {
  auto level = LevelOf(line.level);
  if (!logger_->should_log(level)) return;
  std::string text = line.message;
  text += fmt::format(" [{}", line.event);
  for (const auto& [key, value] : line.fields) text += fmt::format(" {}={}", key, ValueText(value));
  logger_->log(level, text + "]");
}

}  // namespace tallyman::app
