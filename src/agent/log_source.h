// What nodes printed, as their host keeps it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/ids.h"

namespace tallyman {

// A line that a node printed.
struct NodeLogLine {
  Time at{};
  bool is_error = false;
  std::string text;  // without its end; valid UTF-8; at most 16 KiB

  friend bool operator==(const NodeLogLine&, const NodeLogLine&) = default;
};

// Where somebody who reads a node's log is. Opaque; the default is the beginning of what is kept.
struct LogPosition {
  int64_t offset = 0;
  friend bool operator==(const LogPosition&, const LogPosition&) = default;
};

struct LogPart {
  std::vector<NodeLogLine> lines;
  LogPosition next;
  // What was asked for is not kept any more; reading went on with what is.
  bool gap = false;
};

// Thread-safe.
class LogSource {
 public:
  virtual ~LogSource() = default;

  // The next lines that the node printed, at most `lines_max`, after `from`.
  virtual Result<LogPart> ReadLog(const NodeId& node_id, const LogPosition& from,
                                  size_t lines_max) = 0;
  // Where its last `lines` lines begin.
  virtual Result<LogPosition> FindLogTail(const NodeId& node_id, int64_t lines) = 0;
};

}  // namespace tallyman
