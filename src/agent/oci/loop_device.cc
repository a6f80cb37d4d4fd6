#include "agent/oci/loop_device.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "agent/file.h"
#include "agent/system_error.h"

namespace tallyman::agent::oci {
namespace {

// Another process may take the free device between the two calls.
constexpr int kAttemptsMax = 64;

Error Unavailable(std::string_view what) {
  const int error = errno;
  return FailedPrecondition(
             "LOOP_UNAVAILABLE",
             fmt::format("{}: {}; a node's disk is limited by a loop device, so run the agent as "
                         "root on a kernel with the module loop, or with --runtime simulated",
                         what, std::generic_category().message(error)))
      .With("errno", std::to_string(error));
}

Result<std::optional<LoopDevice>> TryAttach(int control, int file) {
  int number = ::ioctl(control, LOOP_CTL_GET_FREE);
  if (number < 0) return Fail(Unavailable("asking for a free loop device"));
  LoopDevice loop{.path = fmt::format("/dev/loop{}", number)};
  loop.device = FileDescriptor(::open(loop.path.c_str(), O_RDWR | O_CLOEXEC));
  if (!loop.device.is_open()) return Fail(Unavailable("opening " + loop.path));
  loop_config config{};
  config.fd = static_cast<__u32>(file);
  config.info.lo_flags = LO_FLAGS_AUTOCLEAR;
  if (::ioctl(loop.device.get(), LOOP_CONFIGURE, &config) == 0) return loop;
  if (errno == EBUSY) return std::nullopt;
  return Fail(Unavailable("attaching " + loop.path));
}

}  // namespace

Result<std::optional<LoopDevice>> FindLoop(const std::filesystem::path& file) {
  struct stat wanted{};
  if (::stat(file.c_str(), &wanted) != 0) return std::nullopt;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/block", error)) {
    std::string name = entry.path().filename().string();
    // A device that is not attached has no such directory; opening it would be harmless but slow.
    if (!name.starts_with("loop") || !std::filesystem::exists(entry.path() / "loop", error))
      continue;
    LoopDevice loop{.path = "/dev/" + name};
    loop.device = FileDescriptor(::open(loop.path.c_str(), O_RDWR | O_CLOEXEC));
    loop_info64 info{};
    if (!loop.device.is_open() || ::ioctl(loop.device.get(), LOOP_GET_STATUS64, &info) != 0)
      continue;
    if (info.lo_device == wanted.st_dev && info.lo_inode == wanted.st_ino) return loop;
  }
  return std::nullopt;
}

Result<LoopDevice> AttachLoop(const std::filesystem::path& file) {
  ASSIGN_OR_RETURN(std::optional<LoopDevice> attached, FindLoop(file));
  if (attached) return std::move(*attached);
  FileDescriptor control(::open("/dev/loop-control", O_RDWR | O_CLOEXEC));
  if (!control.is_open()) return Fail(Unavailable("opening /dev/loop-control"));
  FileDescriptor backing(::open(file.c_str(), O_RDWR | O_CLOEXEC));
  if (!backing.is_open()) {
    if (errno == ENOENT)
      return Fail(NotFound(kFileMissing, fmt::format("there is no disk {}", file.string())));
    return Fail(SystemError("FILE_NOT_READ", file.string()));
  }
  for (int i = 0; i < kAttemptsMax; ++i) {
    ASSIGN_OR_RETURN(std::optional<LoopDevice> loop, TryAttach(control.get(), backing.get()));
    if (loop) return std::move(*loop);
  }
  errno = EBUSY;
  return Fail(Unavailable("attaching a loop device"));
}

Status RefreshLoopSize(const LoopDevice& device) {
  if (::ioctl(device.device.get(), LOOP_SET_CAPACITY, 0) == 0) return {};
  return Fail(SystemError("LOOP_NOT_RESIZED", device.path));
}

}  // namespace tallyman::agent::oci
