// Values that nobody but their node is to see.
#include <gmock/gmock.h>

#include "tests/cli/program.h"

namespace tallyman {
namespace {

using testing::HasSubstr;

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

}  // namespace
}  // namespace tallyman
