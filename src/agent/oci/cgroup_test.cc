#include "agent/oci/cgroup.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace tallyman {
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

}  // namespace
}  // namespace tallyman
