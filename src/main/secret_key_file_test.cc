#include "main/secret_key_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "base/system.h"
#include "tests/support/temp_dir.h"

namespace tallyman::app {
namespace {

class SecretKeyFile : public testing::Test, public Log {
 public:
  void Write(const LogLine& line) override { events.push_back(line.event); }

 protected:
  std::string PathOf(const std::string& name) { return (directory.path() / name).string(); }
  Result<Sealer> Read(const std::string& given = {}) {
    return ReadSecretKeys({DatabaseKind::kSqlite, PathOf("fleet.db"), ""}, given, secrets, *this);
  }

  TempDir directory;
  SystemSecrets secrets;
  std::vector<std::string> events;
};

TEST_F(SecretKeyFile, IsMadeOnceForItsOwnerOnly) {
  const mode_t before = ::umask(0);
  const auto made = Read();
  ::umask(before);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(events, std::vector<std::string>{"secret_key_written"});
  struct stat info{};
  ASSERT_EQ(::stat(PathOf("fleet.db.secret-key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
  const auto again = Read();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again->Open(*made->Seal("hunter2", "c"), "c"), "hunter2");
  EXPECT_EQ(events.size(), 1U);
  // Nothing is left beside it.
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory.path()))
    ++files;
  EXPECT_EQ(files, 1U);
}

TEST_F(SecretKeyFile, IsNotReadWhereOthersMayReadIt) {
  ASSERT_TRUE(Read());
  for (const mode_t mode : {0640, 0604}) {
    ASSERT_EQ(::chmod(PathOf("fleet.db.secret-key").c_str(), mode), 0);
    EXPECT_EQ(Read().error().reason, "SECRET_KEY_FILE_EXPOSED");
  }
}

TEST_F(SecretKeyFile, AFileThatIsNamedMustBeThere) {
  const auto missing = Read(PathOf("keys"));
  EXPECT_EQ(missing.error().reason, "SECRET_KEY_FILE_MISSING");
  EXPECT_FALSE(std::filesystem::exists(PathOf("keys")));
}

TEST_F(SecretKeyFile, APostgresDatabaseHasNoneOfItsOwn) {
  const auto none =
      ReadSecretKeys({DatabaseKind::kPostgres, "postgres:///x", ""}, "", secrets, *this);
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->has_key());
}

}  // namespace
}  // namespace tallyman::app
