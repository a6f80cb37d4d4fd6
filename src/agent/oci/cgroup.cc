#include "agent/oci/cgroup.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "agent/file.h"
#include "base/checked.h"

namespace tallyman {
namespace {

// A memory limit of version 1 that is not one: the largest number of whole pages.
constexpr int64_t kMemoryUnlimited = INT64_MAX / 4096 * 4096;

bool HasWord(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    size_t comma = std::min(list.find(','), list.size());
    if (list.substr(0, comma) == word) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

// A path in the hierarchy as seen through a mount that shows the hierarchy from `root` on.
std::filesystem::path Below(const MountPoint& mount, std::string_view path) {
  if (mount.root != "/" && path.starts_with(mount.root)) path.remove_prefix(mount.root.size());
  while (path.starts_with('/')) path.remove_prefix(1);
  return path.empty() ? std::filesystem::path(mount.path)
                      : std::filesystem::path(mount.path) / path;
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

Status CheckCgroups() {
  ASSIGN_OR_RETURN(std::string groups, ReadFile("/proc/self/cgroup"));
  ASSIGN_OR_RETURN(std::vector<MountPoint> mounts, ListMounts());
  for (const char* controller : {"cpu", "memory"}) {
    auto found = FindCgroup(controller, groups, mounts);
    bool usable = found && ::access(found->path.c_str(), W_OK) == 0;
    if (usable && found->version == 2) {
      // The unified hierarchy may be there without the controller.
      auto words = ReadWords(found->path / "cgroup.controllers");
      usable = words && std::ranges::find(*words, controller) != words->end();
    }
    if (usable) continue;
    return Fail(FailedPrecondition(
                    "CGROUPS_UNAVAILABLE",
                    fmt::format("the control group \"{}\" is not there, or not for this process to "
                                "use: run the agent as root on a host where it is mounted, or with "
                                "--runtime simulated",
                                controller))
                    .With("controller", controller));
  }
  return {};
}

}  // namespace tallyman
