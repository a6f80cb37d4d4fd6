// The room that a volume takes of the host's file system: allocated ahead, given back.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "agent/file.h"
#include "agent/oci/ext4.h"
#include "agent/oci/loop_device.h"
#include "agent/oci/volume.h"
#include "agent/system_error.h"

namespace tallyman::agent::oci {
namespace {

// What is allocated at once, between two looks at anything else.
constexpr int64_t kReserveStepBytes = int64_t{8} << 30;

Error HostDiskFull(const std::filesystem::path& file, int64_t needed, int64_t room) {
  return Error(Code::kResourceExhausted, "HOST_DISK_FULL",
               fmt::format("{} needs {} more bytes, and the host's file system has {} left: make "
                           "room on the host, or delete nodes there",
                           file.string(), needed, room))
      .With("needed_bytes", std::to_string(needed))
      .With("free_bytes", std::to_string(room));
}

Error NotAllocated(const std::filesystem::path& file, int64_t bytes, int error) {
  if (error == EOPNOTSUPP) {
    return FailedPrecondition(
        "DISK_NOT_RESERVABLE",
        fmt::format("the file system of {} cannot preallocate a node's disk: put the data "
                    "directory on ext4 or XFS, or run the agent with --disks thin",
                    file.string()));
  }
  if (error == EFBIG) {
    return Error(Code::kResourceExhausted, "DISK_TOO_LARGE",
                 fmt::format("the file system of {} cannot hold a file of {} bytes: put the "
                             "data directory on one that can, such as XFS",
                             file.string(), bytes))
        .With("disk_bytes", std::to_string(bytes));
  }
  return SystemError(error == ENOSPC ? "HOST_DISK_FULL" : "FILE_NOT_WRITTEN",
                     fmt::format("giving {} a size of {} bytes", file.string(), bytes), error);
}

// What a file in `directory` can be given without going below the floor.
int64_t RoomOf(std::filesystem::path directory, int64_t floor_bytes) {
  // The directory of a node that is to be made is not there yet.
  struct statvfs host{};
  while (::statvfs(directory.c_str(), &host) != 0) {
    if (errno != ENOENT || !directory.has_relative_path()) return INT64_MAX;
    directory = directory.parent_path();
  }
  return static_cast<int64_t>(host.f_bavail) * static_cast<int64_t>(host.f_frsize) - floor_bytes;
}

}  // namespace

Status Volume::CheckRoom(const std::filesystem::path& file, int64_t needed) const {
  const int64_t room = RoomOf(file_.parent_path(), options_.floor_bytes);
  if ((options_.thin ? 0 : needed) > room) return Fail(HostDiskFull(file, needed, room));
  return {};
}

// Gives `file` its size, and all the room that it needs for it. Leaves what it has allocated.
Job<void> Volume::Reserve(std::filesystem::path file, int64_t bytes) {
  FileDescriptor opened(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  struct stat info{};
  if (!opened.is_open() || ::fstat(opened.get(), &info) != 0)
    co_return Fail(SystemError("FILE_NOT_WRITTEN", file.string()));
  const int64_t from = info.st_size;
  CO_RETURN_IF_ERROR(CheckRoom(file, bytes - from));
  for (int64_t at = from; !options_.thin && at < bytes; at += kReserveStepBytes) {
    const int64_t step = std::min(bytes - at, kReserveStepBytes);
    if (::fallocate(opened.get(), FALLOC_FL_KEEP_SIZE, at, step) != 0)
      co_return Fail(NotAllocated(file, bytes, errno));
    if (at + step < bytes) co_await Pause(std::chrono::milliseconds(1));
  }
  if (::ftruncate(opened.get(), bytes) != 0) co_return Fail(NotAllocated(file, bytes, errno));
  co_return co_await Sync(file);
}

Job<void> Volume::FillHoles() {
  FileDescriptor opened(::open(file_.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  struct stat info{};
  if (options_.thin || !opened.is_open() || ::fstat(opened.get(), &info) != 0) co_return Status();
  const int64_t missing = info.st_size - AllocatedBytes(info);
  if (missing <= 0 || missing > RoomOf(file_.parent_path(), options_.floor_bytes))
    co_return Status();
  for (int64_t at = 0; at < info.st_size; at += kReserveStepBytes) {
    const int64_t step = std::min<int64_t>(info.st_size - at, kReserveStepBytes);
    if (::fallocate(opened.get(), FALLOC_FL_KEEP_SIZE, at, step) != 0) break;
    if (at + step < info.st_size) co_await Pause(std::chrono::milliseconds(1));
  }
  co_return Status();
}

// Makes the file no larger than the file system in it needs, and than `bytes`.
void Volume::GiveBack(int64_t bytes) const {
  auto state = ReadExt4State(file_);
  int64_t inside = state && *state ? (*state)->bytes : 0;
  if (auto mounted = BytesInForce()) inside = *mounted;
  if (::truncate(file_.c_str(), std::max(bytes, inside)) != 0) return;
  auto loop = FindLoop(file_);
  if (loop && *loop) (void)RefreshLoopSize(**loop);
}

}  // namespace tallyman::agent::oci
