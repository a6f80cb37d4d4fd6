#include "agent/oci/node_lock.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/wait.h>

#include <csignal>
#include <set>

#include "agent/system_error.h"
#include "base/checked.h"

namespace tallyman::agent::oci {
namespace {

constexpr std::chrono::milliseconds kLookAgain(20);
constexpr std::chrono::seconds kSeizePatience(20);

Result<FileDescriptor> OpenLock(const std::filesystem::path& path) {
  FileDescriptor lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock.is_open()) return Fail(SystemError("FILE_NOT_WRITTEN", path.string()));
  return lock;
}

// Other processes that have the file open.
std::set<pid_t> HoldersOf(const std::filesystem::path& path) {
  std::set<pid_t> holders;
  std::error_code error;
  for (std::filesystem::directory_iterator process("/proc", error), end; process != end;
       process.increment(error)) {
    auto pid = ParseInt64(process->path().filename().string());
    if (!pid || *pid == ::getpid()) continue;
    std::error_code gone;
    for (std::filesystem::directory_iterator file(process->path() / "fd", gone); file != end;
         file.increment(gone)) {
      if (std::filesystem::read_symlink(file->path(), gone) == path)
        holders.insert(static_cast<pid_t>(*pid));
      if (gone) break;
    }
  }
  return holders;
}

}  // namespace

Job<FileDescriptor> LockNodeJob(std::filesystem::path path, std::chrono::milliseconds patience) {
  CO_ASSIGN_OR_RETURN(FileDescriptor lock, OpenLock(path));
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() > deadline) {
      co_return Fail(Error(Code::kUnavailable, "NODE_BUSY",
                           fmt::format("a tool that was started earlier still works on the node: "
                                       "see \"fuser -v {}\"; the agent tries again",
                                       path.string())));
    }
    co_await Pause(kLookAgain);
  }
  co_return std::move(lock);
}

Job<FileDescriptor> SeizeNodeJob(std::filesystem::path path) {
  CO_ASSIGN_OR_RETURN(FileDescriptor lock, OpenLock(path));
  const auto deadline = std::chrono::steady_clock::now() + kSeizePatience;
  std::set<pid_t> killed;
  while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    for (pid_t pid : HoldersOf(path)) {
      ::kill(pid, SIGKILL);
      killed.insert(pid);
    }
    if (std::chrono::steady_clock::now() > deadline) {
      co_return Fail(Error(Code::kUnavailable, "NODE_BUSY",
                           fmt::format("a tool that works on the node does not end: see \"fuser -v "
                                       "{}\"; the agent tries again",
                                       path.string())));
    }
    co_await Pause(kLookAgain);
  }
  // Processes that this process started and left running must be reaped here.
  for (pid_t pid : killed) ::waitpid(pid, nullptr, WNOHANG);
  co_return std::move(lock);
}

}  // namespace tallyman::agent::oci
