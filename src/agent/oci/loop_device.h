// Loop devices: a file as a block device, so that a file system in it has exactly the file's size.
//
// A file is never attached twice: two devices over one file would have two caches of one file
// system.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "agent/file.h"
#include "base/result.h"

namespace tallyman::agent::oci {

// An open loop device. The kernel detaches it when the last user (this object, a mount) is gone.
struct LoopDevice {
  std::string path;  // /dev/loopN
  FileDescriptor device;
};

// The device of `file`, attached now unless it is already. FAILED_PRECONDITION LOOP_UNAVAILABLE
// when this host has no loop devices, or this process may not use them. NOT_FOUND FILE_MISSING.
Result<LoopDevice> AttachLoop(const std::filesystem::path& file);
// The device that `file` is attached to, if it is.
Result<std::optional<LoopDevice>> FindLoop(const std::filesystem::path& file);
// Makes the device use its file's new size.
Status RefreshLoopSize(const LoopDevice& device);

}  // namespace tallyman::agent::oci
