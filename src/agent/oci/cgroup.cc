#include "agent/oci/cgroup.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <sstream>

#include "agent/file.h"
#include "base/checked.h"

namespace tallyman::agent::oci {
namespace {

// Version 1's "no limit" for memory: the largest number of whole pages.
constexpr int64_t kMemoryUnlimited = INT64_MAX / 4096 * 4096;

bool HasWord(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    size_t comma = std::min(list.find(','), list.size());
    if (list.substr(0, comma) == word) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

Result<std::vector<std::string>> ReadWords(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(std::move(word));
  if (words.empty()) words.emplace_back();
  return words;
}

// 0: no limit, here and below.
Result<int64_t> ReadMemory(const CgroupDirectory& cgroup) {
  ASSIGN_OR_RETURN(
      auto words,
      ReadWords(cgroup.path / (cgroup.version == 1 ? "memory.limit_in_bytes" : "memory.max")));
  auto bytes = ParseInt64(words.front());
  return bytes && *bytes < kMemoryUnlimited ? *bytes : 0;
}

Result<int64_t> ReadCpu(const CgroupDirectory& cgroup) {
  std::vector<std::string> words;
  if (cgroup.version == 1) {
    ASSIGN_OR_RETURN(words, ReadWords(cgroup.path / "cpu.cfs_quota_us"));
    ASSIGN_OR_RETURN(auto period, ReadWords(cgroup.path / "cpu.cfs_period_us"));
    words.push_back(period.front());
  } else {
    ASSIGN_OR_RETURN(words, ReadWords(cgroup.path / "cpu.max"));
  }
  if (words.size() < 2) return 0;
  auto quota = ParseInt64(words[0]);
  auto period = ParseInt64(words[1]);
  if (!quota || !period || *quota <= 0 || *period <= 0) return 0;
  return *quota / *period;
}

// The values with which each limit is tried.
struct Controller {
  const char* name;
  const char* file_v1;
  const char* file_v2;
  const char* value_v1;
  const char* value_v2;
};
constexpr std::array<Controller, 3> kControllers = {{
    {"cpu", "cpu.cfs_quota_us", "cpu.max", "100000", "100000 100000"},
    {"memory", "memory.limit_in_bytes", "memory.max", "67108864", "67108864"},
    {"pids", "pids.max", "pids.max", "64", "64"},
}};

// Where runc creates a controller's groups: below the mount, independent of this process's group.
struct Hierarchy {
  std::filesystem::path mount;
  int version = 1;
};

std::unexpected<Error> Unavailable(const Controller& controller, const std::filesystem::path& path,
                                   const std::string& what, const std::string& advice) {
  return Fail(FailedPrecondition("CGROUPS_UNAVAILABLE",
                                 fmt::format("the control group controller \"{}\" cannot limit "
                                             "nodes: {}: {}; {}, or run the agent with --runtime "
                                             "simulated",
                                             controller.name, path.string(), what, advice))
                  .With("controller", controller.name)
                  .With("path", path.string()));
}

Result<Hierarchy> HierarchyOf(const Controller& controller, const std::vector<MountPoint>& mounts) {
  for (const MountPoint& mount : mounts) {
    if (mount.type == "cgroup" && HasWord(mount.options, controller.name))
      return Hierarchy{mount.path, 1};
  }
  for (const MountPoint& mount : mounts) {
    if (mount.type == "cgroup2") return Hierarchy{mount.path, 2};
  }
  return Unavailable(controller, "/sys/fs/cgroup", "no control groups are mounted",
                     "mount them (systemd and cgroupfs-mount do)");
}

// A kernel file: the result of the write is the outcome; nothing is created or replaced.
int WriteControl(const std::filesystem::path& path, std::string_view text) {
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.is_open()) return errno;
  return ::write(file.get(), text.data(), text.size()) < 0 ? errno : 0;
}

Status MakeGroup(const Controller& controller, const std::filesystem::path& group) {
  if (::mkdir(group.c_str(), 0755) == 0 || errno == EEXIST) return {};
  return Unavailable(controller, group,
                     fmt::format("the group cannot be made ({})", ::strerror(errno)),
                     "run the agent as root on the host itself, or in a container that may write "
                     "to its control groups");
}

// Lets the children of `group` have the controller. Version 1 needs no such thing.
Status Enable(const Controller& controller, const Hierarchy& hierarchy,
              const std::filesystem::path& group) {
  if (hierarchy.version == 1) return {};
  const auto enabled = ReadWords(group / "cgroup.subtree_control");
  if (enabled && std::ranges::find(*enabled, controller.name) != enabled->end()) return {};
  const auto there = ReadWords(group / "cgroup.controllers");
  if (!there || std::ranges::find(*there, controller.name) == there->end()) {
    return Unavailable(controller, group / "cgroup.controllers", "it is not listed there",
                       "check that the kernel has it and that its command line has no "
                       "\"cgroup_disable=\"; in a container, check that the host delegates it");
  }
  const int error =
      WriteControl(group / "cgroup.subtree_control", std::string("+") + controller.name);
  if (error == 0) return {};
  return Unavailable(controller, group / "cgroup.subtree_control",
                     fmt::format("it cannot be enabled ({})", ::strerror(error)),
                     error == EBUSY ? "processes are in that group itself: move them to a child "
                                      "of it, or run the agent on the host itself"
                                    : "run the agent as root on the host itself");
}

Status Probe(const Controller& controller, const Hierarchy& hierarchy,
             const std::filesystem::path& parent) {
  const std::filesystem::path group = parent / fmt::format("probe-{}", ::getpid());
  RETURN_IF_ERROR(MakeGroup(controller, group));
  const bool first = hierarchy.version == 1;
  const std::filesystem::path limit = group / (first ? controller.file_v1 : controller.file_v2);
  const int error = WriteControl(limit, first ? controller.value_v1 : controller.value_v2);
  ::rmdir(group.c_str());
  if (error == 0) return {};
  return Unavailable(controller, limit,
                     fmt::format("a limit cannot be set ({})", ::strerror(error)),
                     "run the agent as root, on a kernel that has this limit");
}

}  // namespace

std::optional<CgroupDirectory> FindCgroup(std::string_view controller, std::string_view proc_cgroup,
                                          const std::vector<MountPoint>& mounts) {
  std::optional<std::string> unified;
  std::istringstream lines{std::string(proc_cgroup)};
  for (std::string line; std::getline(lines, line);) {
    // HIERARCHY-ID:CONTROLLERS:PATH (cgroups(7)); version 2 has id 0 and no controllers.
    size_t first = line.find(':');
    size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    std::string_view controllers = std::string_view(line).substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    if (controllers.empty()) unified = path;
    if (!HasWord(controllers, controller)) continue;
    for (const MountPoint& mount : mounts) {
      if (mount.type == "cgroup" && HasWord(mount.options, controller))
        return CgroupDirectory{Below(mount, path), 1};
    }
  }
  if (!unified) return std::nullopt;
  for (const MountPoint& mount : mounts) {
    if (mount.type == "cgroup2") return CgroupDirectory{Below(mount, *unified), 2};
  }
  return std::nullopt;
}

Result<Resources> ReadCgroupLimits(pid_t pid) {
  ASSIGN_OR_RETURN(std::string groups, ReadFile(fmt::format("/proc/{}/cgroup", pid)));
  ASSIGN_OR_RETURN(std::vector<MountPoint> mounts, ListMounts());
  Resources limits;
  if (auto memory = FindCgroup("memory", groups, mounts)) {
    ASSIGN_OR_RETURN(limits.memory_bytes, ReadMemory(*memory));
  }
  if (auto cpu = FindCgroup("cpu", groups, mounts)) {
    ASSIGN_OR_RETURN(limits.cpu_cores, ReadCpu(*cpu));
  }
  return limits;
}

Status CheckCgroups(std::string_view parent) {
  ASSIGN_OR_RETURN(std::vector<MountPoint> mounts, ListMounts());
  return CheckCgroups(parent, mounts);
}

Status CheckCgroups(std::string_view parent, const std::vector<MountPoint>& mounts) {
  for (const Controller& controller : kControllers) {
    ASSIGN_OR_RETURN(Hierarchy hierarchy, HierarchyOf(controller, mounts));
    std::filesystem::path group = hierarchy.mount;
    RETURN_IF_ERROR(Enable(controller, hierarchy, group));
    for (const auto& part : std::filesystem::path(parent).relative_path()) {
      group /= part;
      RETURN_IF_ERROR(MakeGroup(controller, group));
      RETURN_IF_ERROR(Enable(controller, hierarchy, group));
    }
    RETURN_IF_ERROR(Probe(controller, hierarchy, group));
  }
  return {};
}

}  // namespace tallyman::agent::oci
