// Real file systems over loop devices. Needs root.
#include "agent/oci/image_room.h"

#include <gtest/gtest.h>

#include <fstream>

#include "agent/oci/testing_oci.h"

namespace tallyman::agent::oci {
namespace {

constexpr int64_t kBytes = 32 * kMebi;

class ImageRoomTest : public testing::Test {
 protected:
  void SetUp() override {
    if (std::string why = WhyNoContainers(); !why.empty()) GTEST_SKIP() << why;
    std::filesystem::create_directories(data() / "locks");
  }
  void TearDown() override { Leave(); }

  std::filesystem::path data() const { return dir_.path() / "data"; }
  void Leave() const { EXPECT_TRUE(Unmount(data() / "image-store").has_value()); }

  // As a process does that knows nothing of those before it.
  std::string Open(int64_t bytes = kBytes) const {
    ImageRoom room(data(), bytes);
    Job<std::string> job = room.Open();
    std::optional<Result<std::string>> life;
    EXPECT_TRUE(WaitUntil([&] { return (life = job.Poll()).has_value(); }));
    EXPECT_TRUE(life && *life) << (*life ? "" : life->error().message);
    return life && *life ? **life : "";
  }

  ino_t InodeOfLife() const {
    struct stat info{};
    EXPECT_EQ(::stat((data() / "images.life").c_str(), &info), 0);
    return info.st_ino;
  }

  TempDir dir_;
};

TEST_F(ImageRoomTest, IsAllocatedAheadAndBoundsWhatIsPutThere) {
  Open();
  struct stat info{};
  ASSERT_EQ(::stat((data() / "images.img").c_str(), &info), 0);
  EXPECT_EQ(info.st_size, kBytes);
  EXPECT_GE(info.st_blocks * 512, kBytes);
  EXPECT_EQ(ImageRoom(data(), kBytes).BytesToCome(), 0);
  EXPECT_GT(ImageRoom(data(), 2 * kBytes).BytesToCome(), kBytes / 2);
  auto filled = RunProcess(
      {"dd", "if=/dev/zero", "bs=1M", "of=" + (data() / "image-store" / "fill").string()});
  ASSERT_TRUE(filled.has_value());
  EXPECT_NE(filled->err.find("No space left"), std::string::npos);
}

TEST_F(ImageRoomTest, AnEndWithoutAnUnmountBeginsAnotherLife) {
  const std::string first = Open();
  EXPECT_EQ(Open(), first) << "an agent that comes back to a room that is mounted";
  Leave();
  EXPECT_EQ(Open(), first) << "it was unmounted in order";
  const ino_t inode = InodeOfLife();
  std::filesystem::copy_file(data() / "images.img", dir_.path() / "as-cut");
  Leave();
  std::filesystem::rename(dir_.path() / "as-cut", data() / "images.img");
  const std::string second = Open();
  EXPECT_NE(second, first);
  EXPECT_EQ(InodeOfLife(), inode) << "a full disk has no room for another file";
  Leave();
  EXPECT_EQ(Open(), second);
}

TEST_F(ImageRoomTest, IsMadeAnewWhenItCannotBeRepaired) {
  const std::string first = Open();
  Leave();
  std::ofstream(data() / "images.img") << std::string(kBytes, 'x');
  EXPECT_NE(Open(), first);
  EXPECT_TRUE(std::filesystem::exists(data() / "image-store" / "lost+found"));
}

TEST_F(ImageRoomTest, GrowsAndNeverShrinks) {
  Open();
  Open(2 * kBytes);
  EXPECT_EQ(std::filesystem::file_size(data() / "images.img"), 2 * kBytes);
  Open(kBytes);
  EXPECT_EQ(std::filesystem::file_size(data() / "images.img"), 2 * kBytes);
}

TEST(ImageRoomDefault, IsAShareOfTheDiskWithBounds) {
  EXPECT_EQ(ImageRoom::DefaultBytes(800 * kGibi, 700 * kGibi), 100 * kGibi);
  EXPECT_EQ(ImageRoom::DefaultBytes(8000 * kGibi, 7000 * kGibi), 200 * kGibi);
  EXPECT_EQ(ImageRoom::DefaultBytes(100 * kGibi, 20 * kGibi), 5 * kGibi);
  EXPECT_EQ(ImageRoom::DefaultBytes(2 * kGibi, kGibi), 512 * kMebi);
}

}  // namespace
}  // namespace tallyman::agent::oci
