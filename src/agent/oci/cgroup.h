// The limits that the kernel enforces on a process, read from its control groups: version 1,
// version 2, or both side by side.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/oci/mounts.h"
#include "base/result.h"
#include "model/resources.h"

namespace tallyman::agent::oci {

// Where the files of a controller ("cpu", "memory") are for a process; `version` is 1 or 2.
struct CgroupDirectory {
  std::filesystem::path path;
  int version = 1;

  friend bool operator==(const CgroupDirectory&, const CgroupDirectory&) = default;
};

// Pure: from the text of /proc/PID/cgroup and the mounts. nullopt when the controller is not there.
std::optional<CgroupDirectory> FindCgroup(std::string_view controller, std::string_view proc_cgroup,
                                          const std::vector<MountPoint>& mounts);

// CPU and memory limits of a process, the disk left at 0; 0 where the kernel has none in force.
// NOT_FOUND FILE_MISSING when there is no such process.
Result<Resources> ReadCgroupLimits(pid_t pid);

// Creates the group `parent` ("/tallyman") for the groups of nodes, enables cpu, memory and pids on
// the path to it, and tries a limit of each in a child. The group of this process does not matter:
// nodes are never below it. FAILED_PRECONDITION CGROUPS_UNAVAILABLE names the controller, the file
// and the way out.
Status CheckCgroups(std::string_view parent);
// The same, with the given mounted hierarchies.
Status CheckCgroups(std::string_view parent, const std::vector<MountPoint>& mounts);

}  // namespace tallyman::agent::oci
