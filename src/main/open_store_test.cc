#include "main/open_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/support/temp_dir.h"

namespace tallyman::app {
namespace {

struct OpenStoreTest : ::testing::Test {
  std::string PathOf(const std::string& suffix = "") {
    return (dir.path() / "fleet.db").string() + suffix;
  }
  mode_t ModeOf(const std::string& suffix) {
    struct stat info{};
    return ::stat(PathOf(suffix).c_str(), &info) == 0 ? info.st_mode & ALLPERMS : 0;
  }
  void SetModes(mode_t mode) {
    for (const char* suffix : {"", "-wal", "-shm"})
      ASSERT_EQ(::chmod(PathOf(suffix).c_str(), mode), 0) << suffix;
  }
  Result<OpenedStore> Open(bool may_create = true) {
    return OpenStore(*ParseDsn("sqlite:" + PathOf()), {.may_create = may_create}, random, log);
  }
  int64_t Lines(const std::string& event) {
    int64_t lines = 0;
    for (const LogLine& line : log.lines()) lines += line.event == event ? 1 : 0;
    return lines;
  }

  TempDir dir;
  SeededRandom random{1};
  MemoryLog log;
};

TEST_F(OpenStoreTest, ClosesFilesOfBeforeToOthers) {
  ASSERT_TRUE(Open());
  EXPECT_EQ(Lines("database_file_closed"), 0) << "a new one is its owner's";
  // As the releases of before left them; the log stays.
  auto opened = Open();
  SetModes(0644);
  ASSERT_TRUE(Open());
  for (const char* suffix : {"", "-wal", "-shm"}) EXPECT_EQ(ModeOf(suffix), 0600U) << suffix;
  EXPECT_EQ(Lines("database_file_closed"), 3);
  ASSERT_TRUE(Open());
  EXPECT_EQ(Lines("database_file_closed"), 3) << "said once";
}

TEST_F(OpenStoreTest, LeavesAGroupThatWasLetIn) {
  ASSERT_TRUE(Open());
  auto opened = Open();
  SetModes(0660);
  ASSERT_TRUE(Open());
  EXPECT_EQ(ModeOf(""), 0660U);
  EXPECT_EQ(ModeOf("-wal"), 0660U);
  EXPECT_EQ(Lines("database_file_closed"), 0);
}

// A command that only reads does nothing about it.
TEST_F(OpenStoreTest, LeavesModesToWhoMayCreateTheFile) {
  ASSERT_TRUE(Open());
  auto opened = Open();
  SetModes(0644);
  ASSERT_TRUE(Open(false));
  EXPECT_EQ(ModeOf(""), 0644U);
}

TEST_F(OpenStoreTest, SaysSoWhenTheFileIsAnothers) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be somebody else";
  ASSERT_TRUE(Open());
  auto opened = Open();
  SetModes(0666);
  ASSERT_EQ(::chmod(dir.path().c_str(), 0777), 0);
  ASSERT_EQ(::seteuid(65534), 0);
  const auto as_another = Open();
  ASSERT_EQ(::seteuid(0), 0);
  ASSERT_TRUE(as_another) << as_another.error().message;
  EXPECT_EQ(ModeOf(""), 0666U);
  EXPECT_EQ(Lines("database_file_open"), 3);
}

}  // namespace
}  // namespace tallyman::app
