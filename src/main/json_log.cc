#include "main/json_log.h"

#include <cstdio>
#include <string>

#include "base/json_text.h"
#include "base/text.h"
#include "base/time.h"

namespace tallyman::app {
namespace {

std::string_view LevelText(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      break;
  }
  return "error";
}

void Append(std::string& out, std::string_view key, std::string_view value) {
  out += out.empty() ? '{' : ',';
  AppendJsonKey(out, key);
  AppendJsonString(out, IsUtf8(value) ? std::string(value) : Quote(value));
}

}  // namespace

void JsonLog::Write(const LogLine& line) {
  std::string text;
  Append(text, "time", FormatTime(clock_.Now()));
  Append(text, "level", LevelText(line.level));
  Append(text, "event", line.event);
  if (!line.message.empty()) Append(text, "message", line.message);
  for (const auto& [key, value] : line.fields) Append(text, key, value);
  text += "}\n";
  // One write per line, so that lines of several threads do not mix. If standard error is closed,
  // there is no place to report it.
  std::lock_guard lock(mutex_);
  [[maybe_unused]] size_t written = std::fwrite(text.data(), 1, text.size(), stderr);
}

}  // namespace tallyman::app
