// Disks on the real machine: loop devices and ext4. Needs root.
#include "agent/oci/volume.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <fstream>

#include "agent/oci/ext4.h"
#include "agent/oci/loop_device.h"
#include "agent/oci/testing_oci.h"

namespace tallyman::agent::oci {
namespace {

using testing::HasSubstr;

class VolumeTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::string why = WhyNoContainers(); !why.empty()) GTEST_SKIP() << why;
    std::filesystem::create_directories(dir_.path() / "disk");
  }
  void TearDown() override {
    EXPECT_DONE(volume_.Unmount());
    for (const auto& host : hosts_) EXPECT_DONE(UnmountJob(host, std::chrono::seconds(20)));
  }

  // The file system of a small host, with its mount point.
  std::filesystem::path Host(int64_t bytes) {
    const auto file = dir_.path() / ("host" + std::to_string(hosts_.size()) + ".img");
    const auto point = file.string() + ".d";
    std::filesystem::create_directories(point);
    std::ofstream(file).close();
    std::filesystem::resize_file(file, static_cast<uintmax_t>(bytes));
    std::vector<std::string> words = {"mkfs.ext4", "-q", "-F", "-m", "0", file.string()};
    EXPECT_DONE(Done(RunProcess(words)));
    words = {"mount", "-o", "loop", file.string(), point};
    EXPECT_DONE(Done(RunProcess(words)));
    hosts_.push_back(point);
    return point;
  }
  Volume At(const std::filesystem::path& directory, VolumeOptions options = {}) const {
    std::filesystem::create_directories(directory / "mounted");
    return {directory / "disk.img", directory / "mounted", -1, std::move(options)};
  }
  static int64_t Allocated(const std::filesystem::path& file) {
    struct stat info{};
    return ::stat(file.c_str(), &info) == 0 ? info.st_blocks * 512 : 0;
  }
  std::filesystem::path file() const { return dir_.path() / "disk.img"; }
  std::filesystem::path point() const { return dir_.path() / "disk"; }

  TempDir dir_;
  std::vector<std::filesystem::path> hosts_;
  Volume volume_{dir_.path() / "disk.img", dir_.path() / "disk", -1};
};

TEST_F(VolumeTest, WhatIsBookedIsAllocated) {
  ASSERT_DONE(volume_.SetBytes(64 * kMebi));
  EXPECT_GE(Allocated(file()), 64 * kMebi);
  ASSERT_DONE(volume_.SetBytes(96 * kMebi));
  EXPECT_GE(Allocated(file()), 96 * kMebi);
  EXPECT_EQ(volume_.BytesInForce(), 96 * kMebi);
  ASSERT_DONE(volume_.SetBytes(48 * kMebi));
  EXPECT_EQ(volume_.Bytes(), 48 * kMebi);
  EXPECT_GE(Allocated(file()), 48 * kMebi);
}

TEST_F(VolumeTest, AThinDiskTakesItsRoomWhenItIsWritten) {
  Volume thin(file(), point(), -1, {.thin = true});
  ASSERT_DONE(thin.SetBytes(256 * kMebi));
  EXPECT_LT(Allocated(file()), 64 * kMebi);
}

TEST_F(VolumeTest, HolesOfTheLastReleaseAreFilledWhenItIsMounted) {
  Volume thin(file(), point(), -1, {.thin = true});
  ASSERT_DONE(thin.SetBytes(128 * kMebi));
  ASSERT_LT(Allocated(file()), 64 * kMebi);
  ASSERT_DONE(volume_.Mount());
  EXPECT_GE(Allocated(file()), 128 * kMebi);
  EXPECT_DONE(volume_.SyncAndUnmount());
}

TEST_F(VolumeTest, AnInodeForEvery16KiB) {
  ASSERT_DONE(volume_.SetBytes(64 * kMebi));
  ASSERT_DONE(volume_.Mount());
  struct statvfs info{};
  ASSERT_EQ(::statvfs(point().c_str(), &info), 0);
  EXPECT_GE(info.f_files, 4096u);
}

TEST_F(VolumeTest, AHostWithoutRoomIsSaidAndLeavesAllAsItWas) {
  const auto host = Host(128 * kMebi);
  Volume volume = At(host);
  const Status made = Finish([&] { return volume.SetBytes(256 * kMebi); });
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().reason, "HOST_DISK_FULL");
  EXPECT_EQ(made.error().code, Code::kResourceExhausted);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(host), {}),
            2);  // lost+found, mounted

  ASSERT_DONE(volume.SetBytes(64 * kMebi));
  ASSERT_DONE(volume.Mount());
  std::ofstream(host / "mounted" / "data") << "kept";
  ASSERT_DONE(volume.SyncAndUnmount());
  const Status grown = Finish([&] { return volume.SetBytes(200 * kMebi); });
  ASSERT_FALSE(grown.has_value());
  EXPECT_EQ(grown.error().reason, "HOST_DISK_FULL");
  EXPECT_EQ(volume.Bytes(), 64 * kMebi);
  ASSERT_DONE(volume.Mount());
  EXPECT_EQ(volume.BytesInForce(), 64 * kMebi);
  EXPECT_TRUE(std::filesystem::exists(host / "mounted" / "data"));
  EXPECT_DONE(volume.SyncAndUnmount());
}

TEST_F(VolumeTest, TheFloorOfFreeSpaceIsLeftAlone) {
  const auto host = Host(256 * kMebi);
  for (bool thin : {false, true}) {
    Volume volume = At(host, {.thin = thin, .floor_bytes = 300 * kMebi});
    const Status made = Finish([&] { return volume.SetBytes(16 * kMebi); });
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error().reason, "HOST_DISK_FULL");
  }
}

TEST_F(VolumeTest, AHostFilledToTheLastByteLosesNothingThatWasSynced) {
  const auto host = Host(160 * kMebi);
  Volume volume = At(host);
  ASSERT_DONE(volume.SetBytes(96 * kMebi));
  ASSERT_DONE(volume.Mount());
  // Somebody else fills the host.
  std::vector<std::string> fill = {"dd", "if=/dev/zero", "of=" + (host / "fill").string(), "bs=1M"};
  ASSERT_TRUE(RunProcess(fill).has_value());
  struct statvfs info{};
  ASSERT_EQ(::statvfs(host.c_str(), &info), 0);
  ASSERT_LT(info.f_bavail * info.f_frsize, 1u << 20);
  // The node writes all that it was given.
  const auto data = host / "mounted" / "data";
  fill = {"dd", "if=/dev/urandom", "of=" + data.string(), "bs=1M", "conv=fsync"};
  auto filled = RunProcess(fill);
  ASSERT_TRUE(filled.has_value());
  EXPECT_THAT(filled->err, HasSubstr("No space left"));
  std::vector<std::string> sum = {"cksum", data.string()};
  const std::string before = RunTool(sum).value();
  EXPECT_EQ(volume.Look(*ListMounts())->problem, "");
  ASSERT_DONE(volume.SyncAndUnmount());
  std::ofstream("/proc/sys/vm/drop_caches") << "1";
  ASSERT_DONE(volume.Mount());
  EXPECT_EQ(RunTool(sum).value(), before);
  EXPECT_GT(std::filesystem::file_size(data), 80u * kMebi);
  EXPECT_DONE(volume.SyncAndUnmount());
}

TEST_F(VolumeTest, ADiskThatWasNotUnmountedIsCheckedBeforeItIsMounted) {
  ASSERT_DONE(volume_.SetBytes(32 * kMebi));
  ASSERT_DONE(volume_.Mount());
  std::ofstream(point() / "synced") << "data";
  ::sync();
  // As a power cut leaves it.
  std::filesystem::copy_file(file(), dir_.path() / "cut.img");
  EXPECT_FALSE((*ReadExt4State(dir_.path() / "cut.img"))->clean);
  ASSERT_DONE(volume_.SyncAndUnmount());
  EXPECT_TRUE((*ReadExt4State(file()))->clean);
  std::filesystem::rename(dir_.path() / "cut.img", file());
  ASSERT_DONE(volume_.Mount());
  EXPECT_TRUE(std::filesystem::exists(point() / "synced"));
}

TEST_F(VolumeTest, DamageThatIsNotRepairedNamesTheWayOut) {
  ASSERT_DONE(volume_.SetBytes(32 * kMebi));
  std::fstream(file(), std::ios::in | std::ios::out | std::ios::binary).seekp(1024)
      << std::string(1024, '\xff');
  const Status mounted = Finish([&] { return volume_.Mount(); });
  ASSERT_FALSE(mounted.has_value());
  EXPECT_EQ(mounted.error().reason, "DISK_DAMAGED");
  EXPECT_THAT(mounted.error().message, HasSubstr("e2fsck -f"));
}

TEST_F(VolumeTest, ErrorsOfADiskAreSeen) {
  ASSERT_DONE(volume_.SetBytes(32 * kMebi));
  ASSERT_DONE(volume_.Mount());
  EXPECT_EQ(volume_.Look(*ListMounts())->problem, "");
  auto loop = FindLoop(file());
  ASSERT_TRUE(loop && *loop);
  const std::string name = (*loop)->path.substr(5);
  std::ofstream("/sys/fs/ext4/" + name + "/trigger_fs_error") << "a test";
  EXPECT_THAT(volume_.Look(*ListMounts())->problem, HasSubstr("became read-only"));
  // The next start repairs it.
  ASSERT_DONE(volume_.SyncAndUnmount());
  **loop = LoopDevice();
  ASSERT_DONE(volume_.Mount());
  EXPECT_EQ(volume_.Look(*ListMounts())->problem, "");
}

TEST_F(VolumeTest, ADeviceThatIsTakenForAMomentIsCheckedAllTheSame) {
  ASSERT_DONE(volume_.SetBytes(32 * kMebi));
  ASSERT_DONE(volume_.Mount());
  auto loop = FindLoop(file());
  ASSERT_TRUE(loop && *loop);
  const std::string device = (*loop)->path;
  std::ofstream("/sys/fs/ext4/" + device.substr(5) + "/trigger_fs_error") << "a test";
  ASSERT_DONE(volume_.SyncAndUnmount());
  auto holder =
      std::make_unique<FileDescriptor>(::open(device.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC));
  ASSERT_TRUE(holder->is_open());
  Job<void> mount = volume_.Mount();
  EXPECT_FALSE(mount.Poll().has_value());
  holder.reset();
  std::optional<Status> mounted;
  ASSERT_TRUE(WaitUntil([&] { return (mounted = mount.Poll()).has_value(); }));
  EXPECT_TRUE(mounted->has_value()) << mounted->error().message;
  EXPECT_EQ(volume_.Look(*ListMounts())->problem, "");
}

TEST_F(VolumeTest, WhoHoldsABusyDiskIsNamed) {
  ASSERT_DONE(volume_.SetBytes(32 * kMebi));
  ASSERT_DONE(volume_.Mount());
  auto loop = FindLoop(file());
  ASSERT_TRUE(loop && *loop);
  OtherMounts other;
  EXPECT_THAT(DescribeOtherMounts(FindOtherMounts((*loop)->path)),
              HasSubstr("process " + std::to_string(other.pid()) + " ("));
}

}  // namespace
}  // namespace tallyman::agent::oci
