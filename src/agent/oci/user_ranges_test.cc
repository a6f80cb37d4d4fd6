#include "agent/oci/user_ranges.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "agent/file.h"
#include "base/id_source.h"
#include "base/system.h"
#include "tests/support/temp_dir.h"

namespace tallyman::agent::oci {
namespace {

class UserRangesTest : public testing::Test {
 protected:
  NodeId NewNode() {
    const auto id = ids_.New<NodeId>();
    std::filesystem::create_directories(dir_.path() / id.ToString());
    return id;
  }
  UserRange Taken(const NodeId& id) {
    auto range = UserRanges(dir_.path()).Take(id);
    EXPECT_TRUE(range.has_value()) << range.error().message;
    return range.value_or(UserRange());
  }

  TempDir dir_{TempDir::Fast()};
  SystemClock clock_;
  SeededRandom random_{SystemSeed()};
  IdSource ids_{clock_, random_};
};

TEST_F(UserRangesTest, EachNodeHasTheLowestThatNoOtherHasAndKeepsIt) {
  const NodeId first = NewNode();
  const NodeId second = NewNode();
  const NodeId third = NewNode();
  EXPECT_EQ(Taken(first).first, 0x7000'0000u);
  EXPECT_EQ(Taken(second).first, 0x7001'0000u);
  EXPECT_EQ(Taken(third).first, 0x7002'0000u);
  EXPECT_EQ(Taken(first).first, 0x7000'0000u);
  std::filesystem::remove_all(dir_.path() / second.ToString());
  EXPECT_EQ(Taken(third).first, 0x7002'0000u);
  EXPECT_EQ(Taken(NewNode()).first, 0x7001'0000u);
}

TEST_F(UserRangesTest, ARangeThatWasDroppedIsFree) {
  const NodeId first = NewNode();
  Taken(first);
  UserRanges ranges(dir_.path());
  EXPECT_TRUE(ranges.Drop(first).has_value());
  EXPECT_EQ(ranges.Find(first), std::nullopt);
  EXPECT_EQ(Taken(NewNode()).first, 0x7000'0000u);
}

TEST_F(UserRangesTest, ThoseOfAHostComeToAnEnd) {
  const uint32_t count = (kTrialUserRange.first - kFirstUserRange.first) / kUserRangeIds;
  for (uint32_t i = 0; i < count; ++i) {
    std::ofstream(dir_.path() / NewNode().ToString() / "user-range")
        << kFirstUserRange.first + i * kUserRangeIds << "\n";
  }
  auto none = UserRanges(dir_.path()).Take(NewNode());
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().reason, "USER_RANGES_EXHAUSTED");
}

TEST_F(UserRangesTest, AFileThatIsNoRangeIsNone) {
  const NodeId id = NewNode();
  for (const char* text : {"", "0", "100000", "1879048193", "2147287040", "x"}) {
    std::ofstream(dir_.path() / id.ToString() / "user-range") << text;
    EXPECT_EQ(UserRanges(dir_.path()).Find(id), std::nullopt) << text;
  }
}

std::string ReasonOf(const Status& status) { return status ? "" : status.error().reason; }

TEST(CheckUserFits, TheUserAndItsGroupsAreInTheRange) {
  const auto check = [](const std::string& user) {
    return ReasonOf(CheckUserFits(R"({"process":{"user":)" + user + "}}", "image"));
  };
  EXPECT_EQ(check(R"({"uid":65535,"gid":65535,"additionalGids":[65535]})"), "");
  EXPECT_EQ(check("{}"), "");
  EXPECT_EQ(check(R"({"uid":65536,"gid":0})"), "USER_ID_BEYOND_RANGE");
  EXPECT_EQ(check(R"({"uid":0,"gid":65536})"), "USER_ID_BEYOND_RANGE");
  EXPECT_EQ(check(R"({"uid":0,"gid":0,"additionalGids":[5,65536]})"), "USER_ID_BEYOND_RANGE");
  EXPECT_EQ(ReasonOf(CheckUserFits("[", "image")), "IMAGE_CONFIG_INVALID");
}

TEST(CheckOwnersFit, NamesTheFileAndItsOwner) {
  if (::geteuid() != 0) GTEST_SKIP() << "giving files away needs root";
  const TempDir dir;
  std::filesystem::create_directories(dir.path() / "a" / "b");
  std::filesystem::create_symlink("/nowhere", dir.path() / "a" / "b" / "link");
  EXPECT_EQ(ReasonOf(CheckOwnersFit(dir.path(), "image", {})), "");
  EXPECT_EQ(ReasonOf(CheckOwnersFit(dir.path() / "none", "image", {})), "");
  ASSERT_EQ(::lchown((dir.path() / "a" / "b" / "link").c_str(), 65'535, 65'536), 0);
  Status beyond = CheckOwnersFit(dir.path(), "image \"x\"", {});
  ASSERT_EQ(ReasonOf(beyond), "USER_ID_BEYOND_RANGE");
  EXPECT_EQ(beyond.error().message.find(R"(image "x": "/a/b/link" belongs to group 65536)"), 0u)
      << beyond.error().message;
}

}  // namespace
}  // namespace tallyman::agent::oci
