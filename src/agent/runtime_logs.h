// What a runtime keeps of what nodes print, as those who send it read it.
#pragma once

#include <utility>

#include "agent/log_sender.h"
#include "agent/runtime.h"

namespace tallyman {

// Does not own the runtime. Thread-safe, as the runtime is.
class RuntimeLogs final : public LogSource {
 public:
  explicit RuntimeLogs(Runtime& runtime) : runtime_(runtime) {}

  Result<Part> ReadLog(const NodeId& node_id, int64_t from, size_t lines_max) override {
    ASSIGN_OR_RETURN(LogPart read, runtime_.ReadLog(node_id, {.offset = from}, lines_max));
    Part part{.lines = {}, .next = read.next.offset, .gap = read.gap};
    for (NodeLogLine& line : read.lines)
      part.lines.push_back(
          {.at = line.at, .is_error = line.is_error, .text = std::move(line.text)});
    return part;
  }
  Result<int64_t> FindLogTail(const NodeId& node_id, int64_t lines) override {
    ASSIGN_OR_RETURN(const LogPosition position, runtime_.FindLogTail(node_id, lines));
    return position.offset;
  }

 private:
  Runtime& runtime_;
};

}  // namespace tallyman
