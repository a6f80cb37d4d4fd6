// The lock of a node: held by whoever works on it, down to the last tool, also one that an agent
// which is gone has left running.
#pragma once

#include <chrono>
#include <filesystem>

#include "agent/file.h"
#include "agent/oci/job.h"

namespace tallyman {

// UNAVAILABLE NODE_BUSY after `patience`.
Job<FileDescriptor> LockNodeJob(std::filesystem::path lock, std::chrono::milliseconds patience);
// The same, but kills whoever holds it.
Job<FileDescriptor> SeizeNodeJob(std::filesystem::path lock);

}  // namespace tallyman
