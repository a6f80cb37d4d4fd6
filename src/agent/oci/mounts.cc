#include "agent/oci/mounts.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "agent/file.h"
#include "agent/system_error.h"
#include "base/checked.h"

namespace tallyman::agent::oci {
namespace {

constexpr size_t kMountInfoBytesMax = 16 << 20;

// Undoes the kernel's \ooo for space, tab, newline and backslash.
std::string Unescape(const std::string& text) {
  auto octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && octal(text[i + 1]) && octal(text[i + 2]) &&
        octal(text[i + 3])) {
      out += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                               (text[i + 3] - '0'));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

std::vector<MountPoint> ParseMountInfo(std::string_view text) {
  // 36 35 98:0 /root /path rw,noatime master:1 - ext3 /dev/root rw,errors=continue  (proc(5))
  std::vector<MountPoint> mounts;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string skipped;
    MountPoint mount;
    words >> skipped >> skipped >> skipped >> mount.root >> mount.path >> skipped;
    while (words >> skipped && skipped != "-") {
    }
    words >> mount.type >> mount.source >> mount.options;
    if (mount.type.empty()) continue;
    mount.root = Unescape(mount.root);
    mount.path = Unescape(mount.path);
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

std::filesystem::path Below(const MountPoint& mount, std::string_view path) {
  if (mount.root != "/" && path.starts_with(mount.root)) path.remove_prefix(mount.root.size());
  while (path.starts_with('/')) path.remove_prefix(1);
  return path.empty() ? std::filesystem::path(mount.path)
                      : std::filesystem::path(mount.path) / path;
}

Result<std::vector<MountPoint>> ListMounts() {
  ASSIGN_OR_RETURN(std::string text, ReadFile("/proc/self/mountinfo", kMountInfoBytesMax));
  return ParseMountInfo(text);
}

Result<bool> IsMounted(const std::filesystem::path& path) {
  ASSIGN_OR_RETURN(std::vector<MountPoint> mounts, ListMounts());
  return std::ranges::any_of(mounts, [&](const MountPoint& mount) { return mount.path == path; });
}

Status Mount(const std::string& source, const std::filesystem::path& target,
             const std::string& type, unsigned long flags, const std::string& options) {
  if (::mount(source.c_str(), target.c_str(), type.c_str(), flags, options.c_str()) == 0) return {};
  if (errno == EPERM || errno == EACCES) {
    return Fail(Error(Code::kPermissionDenied, "NOT_PRIVILEGED",
                      fmt::format("mounting {} is not allowed to this process: run the agent as "
                                  "root, or with --runtime simulated",
                                  target.string())));
  }
  if (errno == EBUSY) {
    return Fail(Error(Code::kUnavailable, "DEVICE_BUSY",
                      fmt::format("{} cannot be mounted on {} while another process uses it "
                                  "exclusively: find it with \"fuser -v {}\"",
                                  source, target.string(), source)));
  }
  return Fail(SystemError("MOUNT_FAILED",
                          fmt::format("mounting {} on {} as {}", source, target.string(), type)));
}

Job<void> WhileBusy(std::function<Status()> attempt, std::string reason,
                    std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    Status tried = attempt();
    const bool busy = !tried && tried.error().reason == reason;
    if (!busy || std::chrono::steady_clock::now() >= deadline) co_return tried;
    co_await Pause(std::chrono::milliseconds(20));
  }
}

Job<void> MountJob(std::string source, std::filesystem::path target, std::string type,
                   unsigned long flags, std::string options, std::chrono::milliseconds patience) {
  return WhileBusy([=] { return Mount(source, target, type, flags, options); }, "DEVICE_BUSY",
                   patience);
}

Status Unmount(const std::filesystem::path& path) {
  while (true) {
    ASSIGN_OR_RETURN(bool mounted, IsMounted(path));
    if (!mounted) return {};
    if (::umount2(path.c_str(), UMOUNT_NOFOLLOW) == 0) continue;
    if (errno != EBUSY) return Fail(SystemError("UNMOUNT_FAILED", "unmounting " + path.string()));
    return Fail(Error(
        Code::kUnavailable, "MOUNT_BUSY",
        fmt::format(
            "{} cannot be unmounted while it is in use: find what holds it with \"fuser -vm {}\"",
            path.string(), path.string())));
  }
}

Job<void> UnmountJob(std::filesystem::path path, std::chrono::milliseconds patience) {
  return WhileBusy([=] { return Unmount(path); }, "MOUNT_BUSY", patience);
}

std::vector<OtherMount> FindOtherMounts(const std::string& source) {
  std::error_code error;
  std::set<std::string> seen = {std::filesystem::read_symlink("/proc/self/ns/mnt", error).string()};
  std::vector<OtherMount> found;
  for (std::filesystem::directory_iterator entry("/proc", error), end; entry != end;
       entry.increment(error)) {
    const std::filesystem::path process = entry->path();
    auto pid = ParseInt64(process.filename().string());
    if (!pid) continue;
    const std::string names = std::filesystem::read_symlink(process / "ns" / "mnt", error).string();
    if (error || !seen.insert(names).second) continue;
    OtherMount other{.pid = static_cast<pid_t>(*pid)};
    auto text = ReadFile(process / "mountinfo", kMountInfoBytesMax);
    for (MountPoint& mount : ParseMountInfo(text.value_or(""))) {
      // An overlay holds the file systems of its layers.
      const bool rests_on_it = std::ranges::any_of(other.paths, [&](const std::string& path) {
        return mount.options.find("=" + path + "/") != std::string::npos;
      });
      if (mount.source == source || rests_on_it) other.paths.push_back(std::move(mount.path));
    }
    if (other.paths.empty()) continue;
    const std::string name = ReadFile(process / "comm").value_or("?\n");
    other.process_name = name.substr(0, name.find('\n'));
    found.push_back(std::move(other));
  }
  return found;
}

std::string DescribeOtherMounts(const std::vector<OtherMount>& others) {
  std::string text;
  for (const OtherMount& other : others)
    text +=
        fmt::format("{}process {} ({})", text.empty() ? "" : ", ", other.pid, other.process_name);
  return text;
}

bool UnmountThere(const OtherMount& other) {
  const FileDescriptor there(
      ::open(fmt::format("/proc/{}/ns/mnt", other.pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!there.is_open()) return false;
  // Only a single-threaded process may enter it. Between fork and _exit only system calls are
  // allowed.
  const pid_t child = ::fork();
  if (child == 0) {
    bool all = ::setns(there.get(), CLONE_NEWNS) == 0;
    // The last one mounted first.
    for (auto path = other.paths.rbegin(); all && path != other.paths.rend(); ++path)
      all = ::umount2(path->c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0;
    ::_exit(all ? 0 : 1);
  }
  int status = 1;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return child > 0 && status == 0;
}

}  // namespace tallyman::agent::oci
