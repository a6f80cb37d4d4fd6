// Mounting and unmounting, and what is mounted.
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

namespace tallyman {

struct MountPoint {
  std::string root;  // which part of the file system is seen here
  std::string path;
  std::string type;
  std::string source;
  std::string options;  // of the file system, such as "rw,memory"
};

// Reads the form of /proc/self/mountinfo; lines that are not of it are left out.
std::vector<MountPoint> ParseMountInfo(std::string_view text);
Result<std::vector<MountPoint>> ListMounts();

// A path in the file system as it is seen through a mount that shows it from `root` on.
std::filesystem::path Below(const MountPoint& mount, std::string_view path);

// REQUIRES: `path` is absolute and has no symbolic links in it.
Result<bool> IsMounted(const std::filesystem::path& path);

// PERMISSION_DENIED NOT_PRIVILEGED when this process may not mount, UNAVAILABLE DEVICE_BUSY while
// something else has the source to itself.
Status Mount(const std::string& source, const std::filesystem::path& target,
             const std::string& type, unsigned long flags, const std::string& options);

// Tries again and again, as long as `patience`, while it fails with that reason.
Job<void> WhileBusy(std::function<Status()> attempt, std::string reason,
                    std::chrono::milliseconds patience);

// Mount(), again and again as long as `patience` while something else has the device: a program
// that looks for a free loop device may for a moment hold one that another has found.
Job<void> MountJob(std::string source, std::filesystem::path target, std::string type,
                   unsigned long flags, std::string options, std::chrono::milliseconds patience);

// Nothing to do when it is not mounted. UNAVAILABLE MOUNT_BUSY while somebody uses it.
Status Unmount(const std::filesystem::path& path);
// The same, again and again as long as `patience`.
Job<void> UnmountJob(std::filesystem::path path, std::chrono::milliseconds patience);

// Where a file system is mounted in a mount namespace other than this process's.
struct OtherMount {
  pid_t pid = 0;             // a process of that namespace
  std::string process_name;  // "prometheus"
  std::vector<std::string> paths;
};
// Of `source` (such as /dev/loop0), one for each namespace that can be seen.
std::vector<OtherMount> FindOtherMounts(const std::string& source);
// "process 123 (prometheus)", comma between. Empty: none.
std::string DescribeOtherMounts(const std::vector<OtherMount>& others);
// Takes the mounts out of that namespace; whoever has a file open there keeps the file. False: not
// all of them.
bool UnmountThere(const OtherMount& other);

}  // namespace tallyman
