// The logs of nodes, as their host keeps them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/ids.h"

namespace tallyman::agent {

// A line that a node printed.
struct NodeLogLine {
  Time at{};
  bool is_error = false;
  std::string text;  // without its end; valid UTF-8; at most 16 KiB

  friend bool operator==(const NodeLogLine&, const NodeLogLine&) = default;
};

// A position in a node's log. Opaque; the default is the beginning of the kept lines.
struct LogPosition {
  int64_t offset = 0;
  friend bool operator==(const LogPosition&, const LogPosition&) = default;
};

struct LogPart {
  std::vector<NodeLogLine> lines;
  LogPosition next;
  // The requested lines are not kept any more; reading continued with the oldest kept ones.
  bool gap = false;
};

// Thread-safe.
class LogSource {
 public:
  virtual ~LogSource() = default;

  // The next lines of the node after `from`, at most `lines_max`.
  virtual Result<LogPart> ReadLog(const NodeId& node_id, const LogPosition& from,
                                  size_t lines_max) = 0;
  // The position at which its last `lines` lines begin.
  virtual Result<LogPosition> FindLogTail(const NodeId& node_id, int64_t lines) = 0;
};

}  // namespace tallyman::agent
