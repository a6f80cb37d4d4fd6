// Mounts, unmounts and lists mounts.
//
// Free functions over the kernel's own table; thread-safe.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/oci/job.h"
#include "base/result.h"

namespace tallyman::agent::oci {

struct MountPoint {
  std::string root;  // which part of the file system is seen here
  std::string path;
  std::string type;
  std::string source;
  std::string options;  // of the file system, such as "rw,memory"
};

// Parses the form of /proc/self/mountinfo and skips other lines.
std::vector<MountPoint> ParseMountInfo(std::string_view text);
Result<std::vector<MountPoint>> ListMounts();

// The path at which a path of the file system appears through this mount, which shows it from
// `root` on.
std::filesystem::path Below(const MountPoint& mount, std::string_view path);

// REQUIRES: `path` is absolute and has no symbolic links in it.
Result<bool> IsMounted(const std::filesystem::path& path);

// PERMISSION_DENIED NOT_PRIVILEGED when this process may not mount, UNAVAILABLE DEVICE_BUSY while
// another process uses the source exclusively.
Status Mount(const std::string& source, const std::filesystem::path& target,
             const std::string& type, unsigned long flags, const std::string& options);

// Tries again and again, as long as `patience`, while it fails with that reason.
Job<void> WhileBusy(std::function<Status()> attempt, std::string reason,
                    std::chrono::milliseconds patience);

// Mount(), again and again as long as `patience` while something else has the device: a program
// that looks for a free loop device may for a moment hold one that another has found.
Job<void> MountJob(std::string source, std::filesystem::path target, std::string type,
                   unsigned long flags, std::string options, std::chrono::milliseconds patience);

// Does nothing when it is not mounted. UNAVAILABLE MOUNT_BUSY while it is in use.
Status Unmount(const std::filesystem::path& path);
// The same, retried for up to `patience`.
Job<void> UnmountJob(std::filesystem::path path, std::chrono::milliseconds patience);

// Where a file system is mounted in a mount namespace other than this process's.
struct OtherMount {
  pid_t pid = 0;             // a process of that namespace
  std::string process_name;  // "prometheus"
  std::vector<std::string> paths;
};
// Mounts of `source` (such as /dev/loop0), one for each visible namespace.
std::vector<OtherMount> FindOtherMounts(const std::string& source);
// "process 123 (prometheus)", separated by commas. Empty: none.
std::string DescribeOtherMounts(const std::vector<OtherMount>& others);
// Unmounts them in that namespace; files that are open there stay open. False: not all were
// unmounted.
bool UnmountThere(const OtherMount& other);

}  // namespace tallyman::agent::oci
