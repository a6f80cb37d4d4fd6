#include "main/token_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/temp_dir.h"

namespace tallyman::app {
namespace {

class TokenFileTest : public testing::Test {
 protected:
  std::string Text() const {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  TempDir dir;
  std::string path = (dir.path() / "admin-token").string();
};

TEST_F(TokenFileTest, IsReadByItsOwnerOnlyWhateverTheMask) {
  for (const mode_t mask : {0777, 0000}) {
    const mode_t before = ::umask(mask);
    TokenFile file(path);
    const Status kept = file.Keep("tallyman_x");
    ::umask(before);
    ASSERT_TRUE(kept) << kept.error().message;
    EXPECT_EQ(Text(), "tallyman_x\n");
    struct stat status{};
    ASSERT_EQ(::stat(path.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0600u);
    file.Forget();
    EXPECT_FALSE(std::filesystem::exists(path));
  }
}

TEST_F(TokenFileTest, TakesNoOtherFilesPlace) {
  std::ofstream(path) << "precious";
  TokenFile file(path);
  EXPECT_EQ(file.Keep("tallyman_x").error().reason, "TOKEN_FILE_EXISTS");
  file.Forget();
  EXPECT_EQ(Text(), "precious");
}

TEST_F(TokenFileTest, FollowsNoLink) {
  const std::string target = (dir.path() / "elsewhere").string();
  std::filesystem::create_symlink(target, path);
  TokenFile file(path);
  EXPECT_EQ(file.Keep("tallyman_x").error().reason, "TOKEN_FILE_EXISTS");
  EXPECT_FALSE(std::filesystem::exists(target));
}

TEST_F(TokenFileTest, SaysWhenThereIsNoPlaceForIt) {
  TokenFile file((dir.path() / "missing" / "token").string());
  EXPECT_EQ(file.Keep("tallyman_x").error().reason, "TOKEN_FILE_NOT_WRITTEN");
}

}  // namespace
}  // namespace tallyman::app
