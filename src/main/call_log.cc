#include "main/call_log.h"

#include <fmt/core.h>

namespace tallyman::app {

void CallLog::Ended(const http::CallRecord& call) {
  LogLine line{.level = LogLevel::kInfo, .event = "call"};
  auto add = [&line](std::string_view key, std::string value) {
    line.fields.emplace_back(key, std::move(value));
  };
  add("request_id", std::string(call.request_id));
  add("method", std::string(call.method));
  add("code", std::string(call.error == nullptr ? "ok" : RowOf(call.error->code).name));
  if (call.error != nullptr) {
    add("reason", call.error->reason);
    add("error", call.error->message);
    bool ours = call.error->code == Code::kInternal || call.error->code == Code::kDataLoss ||
                call.error->code == Code::kUnknown;
    if (ours) line.level = LogLevel::kError;
  }
  add("actor", std::string(call.actor));
  add("address", std::string(call.address));
  auto microseconds = std::chrono::duration_cast<std::chrono::microseconds>(call.duration).count();
  add("duration_ms", fmt::format("{}.{:03}", microseconds / 1000, microseconds % 1000));
  add("request_bytes", std::to_string(call.request_bytes));
  add("answer_bytes", std::to_string(call.answer_bytes));
  log_.Write(line);
}

}  // namespace tallyman::app
