// Values that nobody but their node is to see.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "server/server_process.h"
#include "tests/cli/program.h"

namespace tallyman {
namespace {

using testing::HasSubstr;
using testing::Not;

class SecretsTest : public ProgramTest {
 protected:
  void CreateImages() const {
    CreateSmallFleet();
    Must({"image", "create", "p/v@4.0.0", "--uri", "i:4", "--cpu", "1", "--memory", "1GB", "--disk",
          "1GB", "--property", "network=main"});
  }
};

TEST_F(SecretsTest, ValuesComeFromFilesAndFromStandardInput) {
  CreateImages();
  const std::string file = Write("network", "two\nlines\n");
  Must({"node", "create", "--image", "p/v@4.0.0", "--host", "h1", "--name", "m-1", "--set-file",
        "network=" + file});
  EXPECT_THAT(Must({"node", "show", "m-1", "-o", "json"}).out,
              HasSubstr(R"("network": "two\nlines")"));
  const Ran set =
      Tallyman({"node", "update", "m-1", "--set-file", "network=-"}, "from standard input\n");
  EXPECT_EQ(set.status, 0) << set.err;
  EXPECT_THAT(Must({"node", "show", "m-1", "-o", "json"}).out,
              HasSubstr(R"("network": "from standard input")"));
  const Ran missing = Tallyman({"node", "update", "m-1", "--set-file", "network=/no/such/file"});
  EXPECT_EQ(missing.status, 4) << missing.err;
}

// Everything that a life with a secret leaves behind.
TEST_F(SecretsTest, ASecretIsNowhereInWhatALifeLeavesBehind) {
  constexpr const char* kSecret = "hunter2-of-m-1";
  std::string said;
  const auto run = [&](const std::vector<std::string>& words, int status,
                       const std::string& in = "") {
    const Ran ran = Tallyman(words, in);
    EXPECT_EQ(ran.status, status) << words[0] << " " << words[1] << ": " << ran.err;
    said += ran.out + ran.err;
  };
  CreateSmallFleet();
  for (const char* version : {"1.0.0", "1.1.0"}) {
    run({"image", "create", std::string("s/v@") + version, "--uri", "i:1", "--cpu", "1", "--memory",
         "1GB", "--disk", "1GB", "--secret", "token", "--property", "network=main"},
        0);
  }
  run({"image", "show", "s/v@1.0.0"}, 0);
  run({"org", "create", "beta"}, 0);
  run({"node", "create", "--image", "s/v@1.0.0", "--host", "h1", "--name", "m-1", "--org", "acme",
       "--set-file", "token=-"},
      0, kSecret);
  run({"node", "show", "m-1"}, 0);
  EXPECT_THAT(said, HasSubstr("token"));
  EXPECT_THAT(Must({"node", "show", "m-1", "-o", "json"}).out, HasSubstr(R"("token": true)"));
  run({"node", "update", "m-1", "--set-file", "token=-"}, 2, std::string(kSecret) + "\r\n");
  run({"node", "update", "m-1", "--set-file", "tokem=-"}, 2, kSecret);
  run({"node", "update", "m-1", "--set-file", "token=-", "--dry-run"}, 0, kSecret);
  run({"node", "upgrade", "m-1", "--image", "s/v@1.1.0"}, 0);
  run({"node", "move", "m-1", "--to", "beta"}, 8);
  run({"command", "list", "-o", "json"}, 0);
  run({"events", "-o", "json"}, 0);
  run({"audit", "trail", "-o", "json"}, 0);
  run({"db", "backup", PathOf("fleet.backup")}, 0);
  run({"node", "delete", "m-1", "--yes"}, 0);
  EXPECT_THAT(said, Not(HasSubstr(kSecret)));
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(PathOf(""))) {
    if (!entry.is_regular_file()) continue;
    ++files;
    std::ostringstream text;
    text << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    EXPECT_EQ(text.str().find(kSecret), std::string::npos) << entry.path();
    const std::string name = entry.path().filename();
    if (!name.starts_with("fleet.")) continue;
    EXPECT_EQ(entry.status().permissions() &
                  (std::filesystem::perms::group_all | std::filesystem::perms::others_all),
              std::filesystem::perms::none)
        << name;
  }
  EXPECT_GE(files, 3U);  // the database, its key, the backup
  EXPECT_THAT(kViaServer ? server().Log() : "", Not(HasSubstr(kSecret)));
}

TEST_F(SecretsTest, ApplySetsASecretOnceAndWhenItHasChanged) {
  CreateSmallFleet();
  Write("token", "hunter2\n");
  const std::string fleet =
      Write("secret-fleet.yaml",
            "images:\n"
            "- image: s/v@1.0.0\n"
            "  uri: \"i:1\"\n"
            "  cpu: 1\n"
            "  memory: 1GB\n"
            "  disk: 1GB\n"
            "  properties: [{key: token, secret: true}]\n"
            "nodes:\n"
            "- {name: m-1, image: s/v@1.0.0, host: h1, org: acme, value_files: {token: token}}\n");
  EXPECT_THAT(Must({"apply", "-f", fleet}).out, HasSubstr("2 new, 0 changed"));
  EXPECT_THAT(Must({"node", "show", "m-1", "-o", "json"}).out, HasSubstr(R"("token": true)"));
  EXPECT_THAT(Must({"apply", "-f", fleet}).out, HasSubstr("0 new, 0 changed, 2 unchanged"));
  Write("token", "hunter3\n");
  const std::string changed = Must({"apply", "-f", fleet}).out;
  EXPECT_THAT(changed, HasSubstr("~ node m-1: secret token"));
  EXPECT_THAT(changed, Not(HasSubstr("hunter")));
  EXPECT_THAT(Must({"apply", "-f", fleet}).out, HasSubstr("0 new, 0 changed, 2 unchanged"));
}

}  // namespace
}  // namespace tallyman
