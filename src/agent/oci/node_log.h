// Reads a node's log from its ring (agent/monitor/ring.h), also while it is written.
//
// A position is an offset in the stream of all records ever written: it stays valid when the ring
// wraps around. Free functions; thread-safe.
#pragma once

#include <filesystem>

#include "agent/runtime.h"
#include "base/result.h"

namespace tallyman::agent::oci {

// The next lines after `from`, at most `lines_max` and about a megabyte of them; none if there is
// no ring.
Result<LogPart> ReadNodeLog(const std::filesystem::path& directory, const LogPosition& from,
                            size_t lines_max);
// The position at which the last `lines` lines begin.
Result<LogPosition> FindNodeLogTail(const std::filesystem::path& directory, int64_t lines);

}  // namespace tallyman::agent::oci
