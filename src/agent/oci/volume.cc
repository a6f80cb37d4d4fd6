#include "agent/oci/volume.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "agent/file.h"
#include "agent/oci/ext4.h"
#include "agent/oci/loop_device.h"
#include "agent/oci/process.h"
#include "agent/runtime.h"
#include "agent/system_error.h"
#include "base/checked.h"

namespace tallyman::agent::oci {
namespace {

constexpr int64_t kBlockBytes = 4096;
// A starting container drops the host's mounts within this time.
constexpr std::chrono::seconds kCopiesPatience(3);
constexpr std::chrono::seconds kBusyPatience(20);
constexpr std::chrono::milliseconds kLookAgain(20);
constexpr std::chrono::seconds kMountPatience(5);
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
             kDiskDataDoesNotFit,
             fmt::format("the node's data need {} bytes and do not fit a disk of {}: "
                         "make room in the node, or keep the larger disk",
                         needed, bytes))
      .With("disk_bytes", std::to_string(bytes))
      .With("needed_bytes", std::to_string(needed));
}

Error Busy(const std::filesystem::path& file, const std::string& device, const char* step) {
  const std::string others = DescribeOtherMounts(FindOtherMounts(device));
  return Error(Code::kUnavailable, kDiskBusy,
               fmt::format("{} {}: {} is still mounted in the mount namespace of {}: end it, or "
                           "wait until it lets go",
                           step, file.string(), device,
                           others.empty() ? "a process that is not visible from here" : others))
      .With("device", device)
      .With("held_by", others);
}

bool IsUnused(const std::string& device) {
  return FileDescriptor(::open(device.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC)).is_open();
}

Status CheckUnused(const std::string& device) {
  if (IsUnused(device)) return {};
  return Fail(Error(Code::kUnavailable, "DEVICE_BUSY", device + " is in use"));
}

// The kernel zeroes what it need not write by punching holes into the file, which would give back
// what was allocated. Best effort: holes are filled before the next mount.
void KeepAllocated(const std::string& device) {
  const std::string name = device.substr(device.rfind('/') + 1);
  std::ofstream("/sys/fs/ext4/" + name + "/extent_max_zeroout_kb") << "0";
  std::ofstream("/sys/block/" + name + "/queue/write_zeroes_unmap_max_bytes") << "0";
}

int64_t ErrorsOf(const std::string& device) {
  const std::string name = device.substr(device.rfind('/') + 1);
  auto text = ReadFile("/sys/fs/ext4/" + name + "/errors_count");
  return text ? ParseInt64(text->substr(0, text->find('\n'))).value_or(0) : 0;
}

}  // namespace

std::optional<int64_t> Volume::Bytes() const {
  struct stat info{};
  if (::stat(file_.c_str(), &info) != 0) return std::nullopt;
  return info.st_size;
}

std::optional<VolumeState> Volume::Look(const std::vector<MountPoint>& mounts) const {
  // Of several mounts on one point, the last is visible.
  auto mount = std::find_if(mounts.rbegin(), mounts.rend(),
                            [&](const MountPoint& each) { return each.path == mount_point_; });
  struct statvfs info{};
  if (mount == mounts.rend() || ::statvfs(mount_point_.c_str(), &info) != 0) return std::nullopt;
  const auto block = static_cast<int64_t>(info.f_frsize);
  // Mounted with minixdf, the file system reports its full size: all blocks, including metadata.
  VolumeState state{.bytes = static_cast<int64_t>(info.f_blocks) * block,
                    .used_bytes = static_cast<int64_t>(info.f_blocks - info.f_bfree) * block};
  if (auto file = Bytes(); file && *file / kBlockBytes * kBlockBytes == state.bytes)
    state.bytes = *file;
  // Kernels since 6.14 use another word after an error.
  const std::string options = "," + mount->options + ",";
  if (options.starts_with(",ro,") || options.find(",emergency_ro,") != std::string::npos) {
    state.problem =
        "its disk became read-only after an error: see the kernel's log; stop and start the node, "
        "which checks the disk";
  } else if (int64_t errors = ErrorsOf(mount->source); errors > 0) {
    state.problem = fmt::format(
        "its disk has had {} errors: see the kernel's log; stop and start the node, which checks "
        "the disk",
        errors);
  }
  return state;
}

std::optional<int64_t> Volume::BytesInForce() const {
  auto mounts = ListMounts();
  auto state = mounts ? Look(*mounts) : std::nullopt;
  return state ? std::optional(state->bytes) : std::nullopt;
}

Status Volume::CheckFits(int64_t bytes) const {
  RETURN_IF_ERROR(CheckBytes(bytes));
  ASSIGN_OR_RETURN(auto mounts, ListMounts());
  auto state = Look(mounts);
  if (state && state->used_bytes > bytes) return Fail(DoesNotFit(bytes, state->used_bytes));
  const int64_t needed = bytes - Bytes().value_or(0);
  return needed <= 0 ? Status() : CheckRoom(file_, needed);
}

Job<void> Volume::SetBytes(int64_t bytes) {
  CO_RETURN_IF_ERROR(CheckBytes(bytes));
  auto now = Bytes();
  if (!now) co_return co_await Create(bytes);
  if (bytes < *now) co_return co_await Shrink(bytes);
  co_return co_await Grow(bytes);
}

Job<void> Volume::Sync(std::filesystem::path path) {
  std::vector<std::string> arguments = {"sync", path.string()};
  ProcessOptions options{.timeout = kSyncTimeout, .inherited = lock_};
  CO_RETURN_IF_ERROR(co_await RunToolJob(arguments, options));
  co_return Status();
}

Job<void> Volume::Create(int64_t bytes) {
  // It gets its final name only when it is complete.
  const std::filesystem::path beside = file_.string() + ".new";
  std::error_code ignored;
  std::filesystem::remove(beside, ignored);
  Status reserved = co_await Reserve(beside, bytes);
  if (!reserved) {
    std::filesystem::remove(beside, ignored);
    co_return reserved;
  }
  // 4 KiB blocks for all sizes, so that sizes are exact; no blocks reserved for root; tables are
  // written when first used; allocated space is kept.
  ProcessOptions options{.timeout = std::chrono::minutes(30), .inherited = lock_};
  std::vector<std::string> arguments = {
      "mkfs.ext4",
      "-q",
      "-F",
      "-b",
      "4096",
      "-m",
      "0",
      "-i",
      "16384",
      "-E",
      "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0",
      beside.string()};
  CO_RETURN_IF_ERROR(co_await RunToolJob(arguments, options));
  CO_RETURN_IF_ERROR(co_await Sync(beside));
  if (::rename(beside.c_str(), file_.c_str()) != 0)
    co_return Fail(SystemError("FILE_NOT_WRITTEN", file_.string()));
  co_return co_await Sync(file_.parent_path());
}

Job<void> Volume::Grow(int64_t bytes) {
  const int64_t before = *Bytes();
  CO_RETURN_IF_ERROR(co_await FillHoles());
  Status grown;
  if (before != bytes) grown = co_await Reserve(file_, bytes);
  if (grown) grown = co_await Resize(bytes);
  if (!grown) GiveBack(before);
  co_return grown;
}

Job<void> Volume::Resize(int64_t bytes) {
  CO_RETURN_IF_ERROR(co_await Mount());
  if (BytesInForce() == bytes) co_return Status();
  {
    CO_ASSIGN_OR_RETURN(LoopDevice loop, AttachLoop(file_));
    CO_RETURN_IF_ERROR(RefreshLoopSize(loop));
    std::vector<std::string> arguments = {"resize2fs", loop.path};
    auto online = co_await RunUnbroken(arguments);
    if (online && online->exit_status == 0) co_return Status();
  }
  // A kernel that lets this process mount may still not let it resize what is mounted: that needs
  // CAP_SYS_RESOURCE.
  CO_RETURN_IF_ERROR(co_await SyncAndUnmount());
  CO_ASSIGN_OR_RETURN(LoopDevice loop, AttachLoop(file_));
  CO_RETURN_IF_ERROR(co_await CheckFileSystem(loop.path, true));
  std::vector<std::string> arguments = {"resize2fs", loop.path};
  CO_ASSIGN_OR_RETURN(ProcessResult offline, co_await RunUnbroken(arguments));
  if (offline.exit_status != 0) co_return Fail(ToolFailed(arguments, offline));
  co_return co_await Mount();
}

Job<void> Volume::Shrink(int64_t bytes) {
  CO_RETURN_IF_ERROR(co_await SyncAndUnmount());
  CO_ASSIGN_OR_RETURN(LoopDevice loop, AttachLoop(file_));
  CO_RETURN_IF_ERROR(co_await CheckFileSystem(loop.path, true));
  CO_ASSIGN_OR_RETURN(int64_t needed, co_await MinimumBytes(loop.path));
  if (needed > bytes) co_return Fail(DoesNotFit(bytes, needed));
  std::vector<std::string> arguments = {"resize2fs", loop.path,
                                        std::to_string(bytes / kBlockBytes)};
  CO_ASSIGN_OR_RETURN(ProcessResult resized, co_await RunUnbroken(arguments));
  if (resized.exit_status != 0) co_return Fail(ToolFailed(arguments, resized));
  loop.device = FileDescriptor();  // the last user: the kernel detaches it
  if (::truncate(file_.c_str(), bytes) != 0)
    co_return Fail(SystemError("FILE_NOT_WRITTEN", file_.string()));
  CO_RETURN_IF_ERROR(co_await Sync(file_));
  co_return co_await FillHoles();
}

// Runs a tool that must not be interrupted, because it rewrites the file system's own structures.
Job<ProcessResult> Volume::RunUnbroken(std::vector<std::string> arguments) {
  ProcessOptions options{.timeout = kResizeTimeout, .inherited = lock_};
  options.left_running = true;
  const std::shared_ptr<bool> unbroken = options_.unbroken;
  if (unbroken) *unbroken = true;
  auto result = co_await RunProcessJob(std::move(arguments), options);
  if (unbroken) *unbroken = false;
  co_return result;
}

// The smallest size to which the file system could shrink.
Job<int64_t> Volume::MinimumBytes(std::string device) {
  std::vector<std::string> arguments = {"resize2fs", "-P", device};
  ProcessOptions options{.timeout = kResizeTimeout, .inherited = lock_};
  CO_ASSIGN_OR_RETURN(std::string said, co_await RunToolJob(arguments, options));
  size_t colon = said.rfind(": ");
  size_t end = said.find('\n', colon);
  auto blocks = colon == std::string::npos ? std::nullopt
                                           : ParseInt64(said.substr(colon + 2, end - colon - 2));
  if (!blocks) co_return Fail(Internal(kToolFailed, "resize2fs -P did not name a size"));
  co_return *blocks* kBlockBytes;
}

// Repairs what can be repaired automatically; `all`: checks even if there is no sign of damage.
Job<void> Volume::CheckFileSystem(std::string device, bool all) {
  // Although unmounted here, it may still be mounted in the copy of all mounts that a starting
  // container has until it drops them. Any process that keeps such a copy for longer does not need
  // a node's disk: unmount it there.
  const auto begun = std::chrono::steady_clock::now();
  bool taken_out = false;
  while (!IsUnused(device)) {
    const auto waited = std::chrono::steady_clock::now() - begun;
    if (waited >= kBusyPatience) co_return Fail(Busy(file_, device, "checking the file system of"));
    if (waited >= kCopiesPatience && !std::exchange(taken_out, true)) {
      for (const OtherMount& other : FindOtherMounts(device)) (void)UnmountThere(other);
    }
    co_await Pause(kLookAgain);
  }
  std::vector<std::string> arguments = {"e2fsck", "-p", device};
  if (all) arguments.insert(arguments.begin() + 1, "-f");
  CO_ASSIGN_OR_RETURN(ProcessResult result, co_await RunUnbroken(arguments));
  // 1 is "errors were corrected", 2 also "start the machine anew", which is for its root.
  if (result.exit_status < 4) co_return Status();
  Error failed = ToolFailed(arguments, result);
  CO_ASSIGN_OR_RETURN(auto state, ReadExt4State(file_));
  if ((result.exit_status & 4) == 0 && state) co_return Fail(failed);
  Error damaged = DataLoss(
      kDiskDamaged,
      fmt::format(
          "the file system in {} has damage that e2fsck does not repair automatically: inspect it "
          "with \"e2fsck -f {}\" while the node is stopped, or delete the node ({})",
          file_.string(), file_.string(), failed.message));
  damaged.facts = failed.facts;
  co_return Fail(damaged);
}

Job<void> Volume::Mount() {
  CO_ASSIGN_OR_RETURN(bool mounted, IsMounted(mount_point_));
  if (mounted) co_return Status();
  CO_RETURN_IF_ERROR(co_await FillHoles());
  CO_ASSIGN_OR_RETURN(LoopDevice loop, AttachLoop(file_));
  CO_RETURN_IF_ERROR(RefreshLoopSize(loop));
  CO_ASSIGN_OR_RETURN(auto state, ReadExt4State(file_));
  if (!state || !state->clean) {
    // One that stays in use is mounted elsewhere and must not be touched: it says that it was not
    // unmounted.
    Job<void> unused =
        WhileBusy([&] { return CheckUnused(loop.path); }, "DEVICE_BUSY", kMountPatience);
    if (co_await std::move(unused)) CO_RETURN_IF_ERROR(co_await CheckFileSystem(loop.path, false));
  }
  std::string options = "minixdf,noinit_itable,errors=remount-ro";
  CO_RETURN_IF_ERROR(co_await MountJob(loop.path, mount_point_, "ext4", MS_NOSUID | MS_NODEV,
                                       std::move(options), kMountPatience));
  KeepAllocated(loop.path);
  co_return Status();
}

Status Volume::Unmount() { return oci::Unmount(mount_point_); }

Job<void> Volume::SyncAndUnmount() {
  CO_ASSIGN_OR_RETURN(bool mounted, IsMounted(mount_point_));
  if (!mounted) co_return Status();
  std::vector<std::string> arguments = {"sync", "--file-system", mount_point_.string()};
  ProcessOptions options{.timeout = kSyncTimeout, .inherited = lock_};
  // It only reports whether everything was written, which fails on a broken disk.
  auto synced = co_await RunProcessJob(arguments, options);
  if (!synced) co_return Fail(synced.error());
  co_return co_await UnmountJob(mount_point_, kBusyPatience);
}

}  // namespace tallyman::agent::oci
