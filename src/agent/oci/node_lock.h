// The lock of a node: every process that works on it holds the lock, including tools that a
// previous agent left running.
#pragma once

#include <chrono>
#include <filesystem>

#include "agent/file.h"
#include "agent/oci/job.h"

namespace tallyman::agent::oci {

// UNAVAILABLE NODE_BUSY after `patience`.
Job<FileDescriptor> LockNodeJob(std::filesystem::path lock, std::chrono::milliseconds patience);
// The same, but kills the processes that hold it.
Job<FileDescriptor> SeizeNodeJob(std::filesystem::path lock);

}  // namespace tallyman::agent::oci
