#include "agent/oci/volume.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <chrono>
#include <thread>

#include "agent/file.h"
#include "agent/oci/loop_device.h"
#include "agent/oci/mounts.h"
#include "agent/oci/process.h"
#include "agent/system_error.h"
#include "base/checked.h"

namespace tallyman {
namespace {

constexpr int64_t kBlockBytes = 4096;
constexpr std::chrono::seconds kUnmountPatience(20);
// Moving the data of a disk of many terabytes takes hours.
constexpr std::chrono::hours kResizeTimeout(12);

Status CheckBytes(int64_t bytes) {
  if (bytes >= Volume::kBytesMin) return {};
  return Fail(
      InvalidArgument("DISK_TOO_SMALL",
                      fmt::format("disk_bytes is {}: a node's file system needs at least {}", bytes,
                                  Volume::kBytesMin))
          .With("field", "disk_bytes")
          .With("value", std::to_string(bytes)));
}

Error DoesNotFit(int64_t bytes, int64_t needed) {
  return FailedPrecondition(
             "DISK_DATA_DOES_NOT_FIT",
             fmt::format("the node's data need {} bytes and do not fit a disk of {}: "
                         "make room in the node, or keep the larger disk",
                         needed, bytes))
      .With("disk_bytes", std::to_string(bytes))
      .With("needed_bytes", std::to_string(needed));
}

// Unmounted here, it may still be mounted in the copy of all mounts that a container has while it
// is being started, until it leaves them behind.
Status AwaitUnused(const std::string& device) {
  const auto deadline = std::chrono::steady_clock::now() + kUnmountPatience;
  while (!FileDescriptor(::open(device.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC)).is_open()) {
    if (errno != EBUSY || std::chrono::steady_clock::now() >= deadline)
      return Fail(SystemError("DISK_BUSY", device));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return {};
}

// Status 1 is "errors were corrected".
Status CheckFileSystem(const std::string& device, const ProcessOptions& options) {
  RETURN_IF_ERROR(AwaitUnused(device));
  std::vector<std::string> arguments = {"e2fsck", "-f", "-p", device};
  ASSIGN_OR_RETURN(ProcessResult result, RunProcess(arguments, options));
  if (result.exit_status > 1) return Fail(ToolFailed(arguments, result));
  return {};
}

// The smallest size that the file system could be given.
Result<int64_t> MinimumBytes(const std::string& device, const ProcessOptions& options) {
  ASSIGN_OR_RETURN(std::string said, RunTool({"resize2fs", "-P", device}, options));
  size_t colon = said.rfind(": ");
  size_t end = said.find('\n', colon);
  auto blocks = colon == std::string::npos ? std::nullopt
                                           : ParseInt64(said.substr(colon + 2, end - colon - 2));
  if (!blocks) return Fail(Internal("TOOL_FAILED", "resize2fs -P did not name a size"));
  return *blocks * kBlockBytes;
}

}  // namespace

std::optional<int64_t> Volume::Bytes() const {
  struct stat info{};
  if (::stat(file_.c_str(), &info) != 0) return std::nullopt;
  return info.st_size;
}

std::optional<int64_t> Volume::BytesInForce() const {
  auto mounted = IsMounted(mount_point_);
  struct statvfs info{};
  if (!mounted || !*mounted || ::statvfs(mount_point_.c_str(), &info) != 0) return std::nullopt;
  // Mounted with minixdf, the file system says its full size: all blocks, whatever they hold.
  int64_t bytes = static_cast<int64_t>(info.f_blocks) * static_cast<int64_t>(info.f_frsize);
  auto file = Bytes();
  bool whole = file && *file / kBlockBytes * kBlockBytes == bytes;
  return whole ? *file : bytes;
}

Status Volume::SetFileSize(const std::filesystem::path& file, int64_t bytes) const {
  FileDescriptor opened(::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!opened.is_open()) return Fail(SystemError("FILE_NOT_WRITTEN", file.string()));
  if (::ftruncate(opened.get(), bytes) == 0 && ::fsync(opened.get()) == 0) return {};
  if (errno != EFBIG) return Fail(SystemError("FILE_NOT_WRITTEN", file.string()));
  return Fail(Error(Code::kResourceExhausted, "DISK_TOO_LARGE",
                    fmt::format("the file system of {} cannot hold a file of {} bytes: put the "
                                "data directory on one that can, such as XFS",
                                file.string(), bytes))
                  .With("disk_bytes", std::to_string(bytes)));
}

Status Volume::SetBytes(int64_t bytes) {
  RETURN_IF_ERROR(CheckBytes(bytes));
  auto now = Bytes();
  if (!now) return Create(bytes);
  if (bytes < *now) return Shrink(bytes);
  return Grow(bytes);
}

Status Volume::Create(int64_t bytes) {
  // It gets its name only when it is whole.
  std::filesystem::path beside = file_.string() + ".new";
  std::error_code ignored;
  std::filesystem::remove(beside, ignored);
  RETURN_IF_ERROR(SetFileSize(beside, bytes));
  // 4 KiB blocks whatever the size, so that sizes are seen as they were asked for; an inode for
  // every 64 KiB; nothing reserved for root; tables written when they are first used.
  ProcessOptions options{.timeout = std::chrono::minutes(10), .inherited = lock_};
  std::vector<std::string> arguments = {
      "mkfs.ext4",
      "-q",
      "-F",
      "-b",
      "4096",
      "-m",
      "0",
      "-i",
      "65536",
      "-E",
      "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0",
      beside.string()};
  RETURN_IF_ERROR(RunTool(arguments, options));
  if (::rename(beside.c_str(), file_.c_str()) != 0)
    return Fail(SystemError("FILE_NOT_WRITTEN", file_.string()));
  return {};
}

Status Volume::Grow(int64_t bytes) {
  if (Bytes() != bytes) RETURN_IF_ERROR(SetFileSize(file_, bytes));
  RETURN_IF_ERROR(Mount());
  if (BytesInForce() == bytes) return {};
  ProcessOptions options{.timeout = kResizeTimeout, .inherited = lock_};
  {
    ASSIGN_OR_RETURN(LoopDevice loop, AttachLoop(file_));
    RETURN_IF_ERROR(RefreshLoopSize(loop));
    if (RunTool({"resize2fs", loop.path}, options)) return {};
  }
  // A kernel that lets this process mount may still not let it resize what is mounted: that wants
  // CAP_SYS_RESOURCE.
  RETURN_IF_ERROR(Unmount());
  ASSIGN_OR_RETURN(LoopDevice loop, AttachLoop(file_));
  RETURN_IF_ERROR(CheckFileSystem(loop.path, options));
  std::vector<std::string> arguments = {"resize2fs", loop.path};
  RETURN_IF_ERROR(RunTool(arguments, options));
  return Mount();
}

Status Volume::Shrink(int64_t bytes) {
  RETURN_IF_ERROR(Unmount());
  ASSIGN_OR_RETURN(LoopDevice loop, AttachLoop(file_));
  ProcessOptions options{.timeout = kResizeTimeout, .inherited = lock_};
  RETURN_IF_ERROR(CheckFileSystem(loop.path, options));
  ASSIGN_OR_RETURN(int64_t needed, MinimumBytes(loop.path, options));
  if (needed > bytes) return Fail(DoesNotFit(bytes, needed));
  std::vector<std::string> arguments = {"resize2fs", loop.path,
                                        std::to_string(bytes / kBlockBytes)};
  RETURN_IF_ERROR(RunTool(arguments, options));
  loop.device = FileDescriptor();  // the last user: the kernel detaches it
  return SetFileSize(file_, bytes);
}

Status Volume::CheckFits(int64_t bytes) const {
  RETURN_IF_ERROR(CheckBytes(bytes));
  struct statvfs info{};
  auto mounted = IsMounted(mount_point_);
  if (!mounted || !*mounted || ::statvfs(mount_point_.c_str(), &info) != 0) return {};
  int64_t used =
      static_cast<int64_t>(info.f_blocks - info.f_bfree) * static_cast<int64_t>(info.f_frsize);
  if (used > bytes) return Fail(DoesNotFit(bytes, used));
  return {};
}

Status Volume::Mount() {
  ASSIGN_OR_RETURN(bool mounted, IsMounted(mount_point_));
  if (mounted) return {};
  ASSIGN_OR_RETURN(LoopDevice loop, AttachLoop(file_));
  RETURN_IF_ERROR(RefreshLoopSize(loop));
  return tallyman::Mount(loop.path, mount_point_, "ext4", MS_NOSUID | MS_NODEV,
                         "minixdf,noinit_itable");
}

Status Volume::Unmount() { return tallyman::Unmount(mount_point_, kUnmountPatience); }

}  // namespace tallyman
