// Reads what a node printed from its ring (agent/monitor/ring.h), also while it is written.
//
// A position is a place in the stream of all records that were ever written: it stays true when the
// ring goes round. Free functions; thread-safe.
#pragma once

#include <filesystem>

#include "agent/runtime.h"
#include "base/result.h"

namespace tallyman {

// The next lines after `from`, at most `lines_max` and about a megabyte of them; nothing where
// there is no ring.
Result<LogPart> ReadNodeLog(const std::filesystem::path& directory, const LogPosition& from,
                            size_t lines_max);
// Where the last `lines` lines begin.
Result<LogPosition> FindNodeLogTail(const std::filesystem::path& directory, int64_t lines);

}  // namespace tallyman
