#include "agent/oci/mapped_mounts.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <thread>

#include "agent/file.h"
#include "agent/oci/mounts.h"
#include "agent/system_error.h"

namespace tallyman::agent::oci {
namespace {

std::string Because(const std::string& what, int error = errno) {
  return SystemError("", what, error).message;
}

bool WriteMap(pid_t pid, const char* kind, UserRange users) {
  const std::string text = fmt::format("0 {} {}\n", users.first, kUserRangeIds);
  const FileDescriptor file(
      ::open(fmt::format("/proc/{}/{}_map", pid, kind).c_str(), O_WRONLY | O_CLOEXEC));
  return file.is_open() &&
         ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// A user namespace with nothing in it, which says to a mount what becomes of user ids.
Result<FileDescriptor> MakeUserNamespace(UserRange users) {
  // Between clone and _exit nothing but system calls. It ends with this process, too.
  std::array<int, 2> hold{};
  if (::pipe2(hold.data(), O_CLOEXEC) != 0)
    return Fail(SystemError("MOUNT_FAILED", "making a pipe"));
  const FileDescriptor read_end(hold[0]);
  FileDescriptor write_end(hold[1]);
  const auto child = static_cast<pid_t>(
      ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
  if (child == 0) {
    // Not the locks of other nodes, which this process may give back meanwhile.
    const auto kept = static_cast<unsigned>(hold[0]);
    if (kept > 0) ::close_range(0, kept - 1, 0);
    ::close_range(kept + 1, ~0U, 0);
    char byte = 0;
    ::_exit(::read(hold[0], &byte, 1) == 0 ? 0 : 1);
  }
  if (child < 0) {
    return Fail(UserNamespacesUnavailable(
        Because("the kernel makes no user namespace (see user.max_user_namespaces)")));
  }
  const bool mapped = WriteMap(child, "gid", users) && WriteMap(child, "uid", users);
  const std::string why = Because("a user namespace gets no ids");
  FileDescriptor made(
      mapped ? ::open(fmt::format("/proc/{}/ns/user", child).c_str(), O_RDONLY | O_CLOEXEC) : -1);
  write_end = FileDescriptor();
  ::kill(child, SIGKILL);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!made.is_open()) return Fail(UserNamespacesUnavailable(why));
  return made;
}

// Mounts what is at `source`, without what is mounted below it, at `target` with other attributes.
Status MountCopy(const std::filesystem::path& source, const std::filesystem::path& target,
                 mount_attr attributes) {
  RETURN_IF_ERROR(MakeDirectories(target));
  const FileDescriptor copy(
      ::open_tree(AT_FDCWD, source.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!copy.is_open()) return Fail(SystemError("MOUNT_FAILED", "cloning " + source.string()));
  if (::mount_setattr(copy.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0) {
    const Error failed = SystemError("MOUNT_FAILED", "mounting a copy of " + source.string());
    if ((attributes.attr_set & MOUNT_ATTR_IDMAP) == 0) return Fail(failed);
    return Fail(
        UserNamespacesUnavailable(Because("the kernel or the file system of " + source.string() +
                                          " cannot map user ids, as ext4 "
                                          "can since Linux 5.12")));
  }
  if (::move_mount(copy.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) == 0)
    return {};
  return Fail(SystemError("MOUNT_FAILED",
                          fmt::format("mounting {} at {}", source.string(), target.string())));
}

// What this thread makes in file systems is that user's, with the rights of root all the same.
bool MakeFilesAs(UserRange users) {
  ::setfsgid(users.first);
  ::setfsuid(users.first);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return false;
  // Those for files went with the user id.
  for (auto& set : sets) set.effective = set.permitted;
  return ::syscall(SYS_capset, &header, sets.data()) == 0;
}

// Mounted by root, whom the layers do not know, it could make nothing in them.
Status MountOverlayAs(UserRange users, const std::filesystem::path& target,
                      const std::string& options) {
  Status mounted;
  std::thread([&] {
    mounted = MakeFilesAs(users) ? Mount("overlay", target, "overlay", 0, options)
                                 : Fail(SystemError("MOUNT_FAILED", "becoming another user"));
  }).join();
  if (!mounted && mounted.error().code == Code::kInternal) {
    return Fail(
        UserNamespacesUnavailable("an overlay of mounts with mapped user ids, as Linux has "
                                  "since 5.19: " +
                                  mounted.error().message));
  }
  RETURN_IF_ERROR(mounted);
  // An overlay that cannot make its work directory is mounted without.
  struct statvfs info{};
  if (::statvfs(target.c_str(), &info) == 0 && (info.f_flag & ST_RDONLY) == 0) return {};
  return Fail(UserNamespacesUnavailable("the overlay at " + target.string() + " is read-only"));
}

}  // namespace

Status MountMappedRoot(const NodePlaces& places, UserRange users,
                       const std::filesystem::path& image_root,
                       const std::filesystem::path& layer) {
  RETURN_IF_ERROR(MakeDirectories(places.mapped_root()));
  // Nobody else passes: images have setuid programs, and what is in volumes is the node's own.
  if (::chown(places.mapped.c_str(), users.first, users.first) != 0 ||
      ::chmod(places.mapped.c_str(), 0700) != 0)
    return Fail(SystemError("FILE_NOT_WRITTEN", places.mapped.string()));
  ASSIGN_OR_RETURN(const FileDescriptor user_namespace, MakeUserNamespace(users));
  const mount_attr mapped{.attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
                          .attr_clr = 0,
                          .propagation = MS_PRIVATE,
                          .userns_fd = static_cast<uint64_t>(user_namespace.get())};
  RETURN_IF_ERROR(MountCopy(image_root, places.mapped_image(), mapped));
  RETURN_IF_ERROR(MountCopy(places.disk, places.mapped_disk(), mapped));
  const mount_attr for_reading{
      .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
      .attr_clr = 0,
      .propagation = MS_PRIVATE,
      .userns_fd = 0};
  RETURN_IF_ERROR(MountCopy("/sys", places.mapped_sys(), for_reading));
  const std::filesystem::path above = places.mapped_disk() / layer.lexically_relative(places.disk);
  return MountOverlayAs(
      users, places.mapped_root(),
      fmt::format("lowerdir={},upperdir={},workdir={}", places.mapped_image().string(),
                  (above / "upper").string(), (above / "work").string()));
}

Job<void> UnmountRoot(NodePlaces places, std::chrono::milliseconds patience) {
  CO_RETURN_IF_ERROR(co_await UnmountJob(places.root, patience));
  if (::access(places.mapped.c_str(), F_OK) != 0) co_return {};
  const std::array<std::filesystem::path, 4> mounts = {places.mapped_root(), places.mapped_sys(),
                                                       places.mapped_disk(), places.mapped_image()};
  for (size_t i = 0; i < mounts.size(); ++i)
    CO_RETURN_IF_ERROR(co_await UnmountJob(mounts[i], patience));
  // Not what may be below them, should one be mounted after all.
  for (size_t i = 0; i < mounts.size(); ++i) ::rmdir(mounts[i].c_str());
  ::rmdir(places.mapped.c_str());
  co_return {};
}

Error UserNamespacesUnavailable(std::string missing) {
  return FailedPrecondition(
             kUserNamespacesUnavailable,
             fmt::format("nodes cannot have user namespaces on this host: {}; mend that, or start "
                         "the agent without --user-namespaces",
                         missing))
      .With("missing", missing);
}

}  // namespace tallyman::agent::oci
