// Mounting on the real kernel. Needs root.
#include "agent/oci/mounts.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <fstream>

#include "agent/file.h"
#include "agent/oci/process.h"
#include "agent/oci/testing_oci.h"

namespace tallyman::agent::oci {
namespace {

TEST(MountJob, WaitsUntilTheDeviceIsFree) {
  if (std::string why = WhyNoContainers(); !why.empty()) GTEST_SKIP() << why;
  TempDir dir;
  const std::string file = (dir.path() / "disk.img").string();
  std::ofstream(file) << "";
  std::filesystem::resize_file(file, 8 << 20);
  ASSERT_TRUE(RunTool({"mkfs.ext4", "-q", file}));
  auto attached = RunTool({"losetup", "--find", "--show", file});
  ASSERT_TRUE(attached) << attached.error().message;
  const std::string device = attached->substr(0, attached->find('\n'));
  const std::filesystem::path target = dir.path() / "mounted";
  std::filesystem::create_directories(target);
  {
    FileDescriptor holder(::open(device.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
    ASSERT_TRUE(holder.is_open());
    Job<void> refused = MountJob(device, target, "ext4", 0, "", std::chrono::milliseconds(0));
    auto result = refused.Poll();
    ASSERT_TRUE(result.has_value());
    ASSERT_FALSE(*result);
    EXPECT_EQ(result->error().reason, "DEVICE_BUSY");
  }
  auto holder =
      std::make_unique<FileDescriptor>(::open(device.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
  Job<void> job = MountJob(device, target, "ext4", 0, "", std::chrono::minutes(1));
  EXPECT_FALSE(job.Poll().has_value());
  holder.reset();
  std::optional<Status> mounted;
  EXPECT_TRUE(WaitUntil([&] { return (mounted = job.Poll()).has_value(); }));
  EXPECT_TRUE(mounted && *mounted) << (mounted && !*mounted ? mounted->error().message : "");
  EXPECT_TRUE(Unmount(target));
  EXPECT_TRUE(RunTool({"losetup", "--detach", device}));
}

}  // namespace
}  // namespace tallyman::agent::oci
