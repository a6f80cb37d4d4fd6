#include "agent/oci/control_group.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <set>
#include <sstream>

#include "agent/file.h"
#include "agent/oci/mounts.h"
#include "base/checked.h"

namespace tallyman::agent::oci {
namespace {

constexpr std::chrono::milliseconds kLookAgain(10);

std::vector<std::filesystem::path> WithThoseBelow(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> found = {directory};
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator entry(directory, error), end; entry != end;
       entry.increment(error)) {
    if (entry->is_directory(error)) found.push_back(entry->path());
  }
  return found;
}

}  // namespace

std::vector<std::filesystem::path> ControlGroup::Directories() const {
  std::vector<std::filesystem::path> directories;
  auto mounts = ListMounts();
  if (!mounts) return directories;
  std::error_code error;
  std::set<std::filesystem::path> seen;
  for (const MountPoint& mount : *mounts) {
    if (mount.type != "cgroup" && mount.type != "cgroup2") continue;
    std::filesystem::path directory = Below(mount, path_);
    if (std::filesystem::is_directory(directory, error) && seen.insert(directory).second)
      directories.push_back(std::move(directory));
  }
  return directories;
}

void ControlGroup::Make() const {
  auto mounts = ListMounts();
  if (!mounts) return;
  for (const MountPoint& mount : *mounts) {
    std::error_code ignored;
    if (mount.type == "cgroup" || mount.type == "cgroup2")
      std::filesystem::create_directories(Below(mount, path_), ignored);
  }
}

std::vector<pid_t> ControlGroup::Processes() const {
  std::set<pid_t> pids;
  for (const auto& top : Directories()) {
    for (const auto& directory : WithThoseBelow(top)) {
      auto text = ReadFile(directory / "cgroup.procs");
      std::istringstream words(text ? *text : "");
      for (pid_t pid = 0; words >> pid;) {
        if (pid > 1) pids.insert(pid);
      }
    }
  }
  return {pids.begin(), pids.end()};
}

std::optional<pid_t> ControlGroup::FindInit() const {
  for (pid_t pid : Processes()) {
    auto status = ReadFile(fmt::format("/proc/{}/status", pid));
    size_t line = status ? status->find("\nNSpid:") : std::string::npos;
    if (line == std::string::npos) continue;
    // "NSpid:  4711  1": its number in each namespace, the innermost last.
    std::string numbers = status->substr(line + 1, status->find('\n', line + 1) - line - 1);
    if (numbers.ends_with("\t1")) return pid;
  }
  return std::nullopt;
}

Job<void> ControlGroup::Clear(std::chrono::milliseconds patience) const {
  const ControlGroup group = *this;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    const std::vector<pid_t> left = group.Processes();
    // Frozen processes die only when thawed.
    for (const auto& directory : group.Directories()) {
      std::ofstream(directory / "freezer.state") << "THAWED";
      if (!left.empty()) std::ofstream(directory / "cgroup.kill") << "1";
    }
    for (pid_t pid : left) KillInGroup(pid, group.path_);
    if (left.empty() && group.Remove()) co_return Status();
    if (std::chrono::steady_clock::now() >= deadline) {
      co_return Fail(Error(Code::kUnavailable, "CONTAINER_NOT_STOPPED",
                           fmt::format("{} processes of {} survive SIGKILL, such as {}: they hang "
                                       "in the kernel; see \"dmesg\"; the agent tries again",
                                       left.size(), group.path_, left.empty() ? 0 : left.front())));
    }
    co_await Pause(kLookAgain);
  }
}

bool ControlGroup::Remove() const {
  bool removed = true;
  for (const auto& top : Directories()) {
    auto all = WithThoseBelow(top);
    // Parents come before children.
    for (auto directory = all.rbegin(); directory != all.rend(); ++directory)
      removed = (::rmdir(directory->c_str()) == 0 || errno == ENOENT) && removed;
  }
  return removed;
}

std::filesystem::path ControlGroup::OomFile() const {
  auto mounts = ListMounts();
  if (!mounts) return {};
  for (const MountPoint& mount : *mounts) {
    bool memory = ("," + mount.options + ",").find(",memory,") != std::string::npos;
    if (mount.type == "cgroup" && memory) return Below(mount, path_) / "memory.oom_control";
  }
  for (const MountPoint& mount : *mounts) {
    if (mount.type == "cgroup2") return Below(mount, path_) / "memory.events";
  }
  return {};
}

void KillInGroup(pid_t pid, const std::string& part) {
  FileDescriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process.is_open()) return;
  // Checked only when the pid can no longer be reused.
  auto groups = ReadFile(fmt::format("/proc/{}/cgroup", pid));
  if (groups && groups->find(part) != std::string::npos)
    ::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
}

}  // namespace tallyman::agent::oci
