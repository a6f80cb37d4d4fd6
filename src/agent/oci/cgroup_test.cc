#include "agent/oci/cgroup.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/file.h"

namespace tallyman::agent::oci {
namespace {

constexpr std::string_view kVersion1Mounts =
    "30 24 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755\n"
    "31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:1 - cgroup cgroup rw,cpu,cpuacct\n"
    "32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
constexpr std::string_view kVersion2Mounts =
    "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

TEST(FindCgroup, ReadsVersion1AlsoBesideAnEmptyVersion2) {
  auto mounts = ParseMountInfo(kVersion1Mounts);
  std::string_view groups = "5:memory:/tallyman/a\n4:cpu,cpuacct:/tallyman/a\n0::/tallyman/a\n";
  EXPECT_EQ(FindCgroup("memory", groups, mounts),
            (CgroupDirectory{"/sys/fs/cgroup/memory/tallyman/a", 1}));
  EXPECT_EQ(FindCgroup("cpu", groups, mounts),
            (CgroupDirectory{"/sys/fs/cgroup/cpu,cpuacct/tallyman/a", 1}));
}

TEST(FindCgroup, ReadsVersion2) {
  auto mounts = ParseMountInfo(kVersion2Mounts);
  EXPECT_EQ(FindCgroup("memory", "0::/tallyman/a\n", mounts),
            (CgroupDirectory{"/sys/fs/cgroup/tallyman/a", 2}));
}

TEST(FindCgroup, KnowsThatAMountMayShowAPartOfTheHierarchyOnly) {
  auto mounts =
      ParseMountInfo("32 30 0:28 /docker/77 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
  EXPECT_EQ(FindCgroup("memory", "5:memory:/docker/77/tallyman/a\n", mounts),
            (CgroupDirectory{"/sys/fs/cgroup/memory/tallyman/a", 1}));
}

TEST(FindCgroup, SaysWhenAControllerIsNowhere) {
  EXPECT_EQ(FindCgroup("memory", "0::/a\n", {}), std::nullopt);
  EXPECT_EQ(FindCgroup("memory", "", ParseMountInfo(kVersion2Mounts)), std::nullopt);
  EXPECT_EQ(FindCgroup("memory", "garbage\n:\n::\n", {}), std::nullopt);
}

TEST(ParseMountInfo, UndoesTheKernelsEscapesAndSkipsWhatItCannotRead) {
  auto mounts = ParseMountInfo(
      "36 35 98:0 / /mnt/a\\040b rw,noatime master:1 shared:2 - ext4 /dev/root rw\nrubbish\n\n");
  ASSERT_EQ(mounts.size(), 1u);
  EXPECT_EQ(mounts[0].path, "/mnt/a b");
  EXPECT_EQ(mounts[0].type, "ext4");
}

TEST(ReadCgroupLimits, SaysWhenThereIsNoSuchProcess) {
  auto limits = ReadCgroupLimits(0x7ffffff0);
  ASSERT_FALSE(limits.has_value());
  EXPECT_EQ(limits.error().reason, "FILE_MISSING");
}

// A hierarchy of version 2 that is plain files: a group that is made in it has none.
class CheckCgroupsTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::path(testing::TempDir()) /
            ("cgroups-" + std::to_string(::getpid()) + "-" +
             testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& file, const std::string& text) const {
    std::ofstream(root_ / file) << text;
  }
  std::vector<MountPoint> Mounts() const {
    return ParseMountInfo("30 24 0:26 / " + root_.string() + " rw - cgroup2 cgroup2 rw\n");
  }

  std::filesystem::path root_;
};

TEST_F(CheckCgroupsTest, NamesTheControllerThatTheKernelDoesNotHave) {
  Write("cgroup.controllers", "cpu pids\n");
  Write("cgroup.subtree_control", "cpu pids\n");
  std::filesystem::create_directories(root_ / "tallyman" / ("probe-" + std::to_string(::getpid())));
  Write("tallyman/cgroup.subtree_control", "cpu\n");
  Write("tallyman/probe-" + std::to_string(::getpid()) + "/cpu.max", "max");
  const Status checked = CheckCgroups("/tallyman", Mounts());
  ASSERT_FALSE(checked.has_value());
  EXPECT_EQ(checked.error().reason, "CGROUPS_UNAVAILABLE");
  EXPECT_THAT(checked.error().message, testing::HasSubstr("\"memory\""));
  EXPECT_THAT(checked.error().message, testing::HasSubstr("cgroup_disable="));
}

// What a service manager has given to the agent's own group says nothing about those of nodes.
TEST_F(CheckCgroupsTest, LooksWhereNodesAreAndNotWhereTheAgentIs) {
  Write("cgroup.controllers", "cpu memory pids\n");
  Write("cgroup.subtree_control", "memory pids\n");
  const Status checked = CheckCgroups("/tallyman", Mounts());
  // cpu was enabled on the way; in the group that was made, this hierarchy has nothing.
  EXPECT_EQ(ReadFile(root_ / "cgroup.subtree_control").value(), "+cpury pids\n");
  ASSERT_FALSE(checked.has_value());
  EXPECT_THAT(checked.error().message,
              testing::HasSubstr((root_ / "tallyman/cgroup.controllers").string()));
}

TEST_F(CheckCgroupsTest, SaysWhenALimitCannotBeSet) {
  const std::string mounts =
      "31 30 0:27 / " + root_.string() + " rw shared:1 - cgroup cgroup rw,cpu,memory,pids\n";
  const Status checked = CheckCgroups("/tallyman", ParseMountInfo(mounts));
  ASSERT_FALSE(checked.has_value());
  EXPECT_THAT(checked.error().message,
              testing::HasSubstr("cpu.cfs_quota_us: a limit cannot be set"));
  EXPECT_TRUE(std::filesystem::is_empty(root_ / "tallyman"));  // the probe is gone
}

TEST_F(CheckCgroupsTest, SaysWhenNoneAreMounted) {
  const Status checked = CheckCgroups("/tallyman", {});
  ASSERT_FALSE(checked.has_value());
  EXPECT_THAT(checked.error().message, testing::HasSubstr("no control groups are mounted"));
}

TEST_F(CheckCgroupsTest, MakesTheGroupOfAllNodesOnARealKernel) {
  if (::geteuid() != 0) GTEST_SKIP() << "control groups need root";
  const std::string parent = "/tallyman-check-" + std::to_string(::getpid());
  const Status checked = CheckCgroups(parent + "/inner");
  EXPECT_TRUE(checked.has_value()) << checked.error().message;
  size_t found = 0;
  const std::vector<MountPoint> mounts = ListMounts().value();
  for (const MountPoint& mount : mounts) {
    if (!mount.type.starts_with("cgroup")) continue;
    std::error_code error;
    const auto inner = std::filesystem::path(mount.path + parent) / "inner";
    if (!std::filesystem::exists(inner, error)) continue;
    ++found;
    for (const auto& entry : std::filesystem::directory_iterator(inner))
      EXPECT_FALSE(entry.is_directory()) << entry.path();
    ::rmdir(inner.c_str());
    ::rmdir(inner.parent_path().c_str());
  }
  EXPECT_GE(found, 1u);
}

}  // namespace
}  // namespace tallyman::agent::oci
