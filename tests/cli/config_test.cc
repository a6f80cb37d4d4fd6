// The file with contexts, where it is wrong.
#include <gmock/gmock.h>

#include "tests/cli/program.h"

namespace tallyman {
namespace {

using testing::HasSubstr;

class ConfigTest : public ProgramTest {
 protected:
  Ran WithConfig(const std::string& text, const std::vector<std::string>& arguments) const {
    return RunProgram(TALLYMAN_PROGRAM, arguments,
                      {"TALLYMAN_CONFIG=" + Write("config.yaml", text), "PATH=/usr/bin:/bin"});
  }
};

TEST_F(ConfigTest, IsRefusedWithThePlaceWhereItIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"contexts: 5\n", "config.yaml:1:1"},
      {"current: nope\n", "none of the contexts"},
      {"contexts:\n  a: {}\n", "config.yaml:2:6"},
      {"contexts:\n  a: {server: x, db: y}\n", "either server or db"},
      {"contexts:\n  a: {sevrer: x}\n", "config.yaml:2:7"},
      {"contexts:\n  a: {server: [x]}\n", "config.yaml:2:15"},
      {"contexts:\n  \"a b\": {server: x}\n", "no name for a context"},
      {"current: [\n", "INVALID_YAML"},
  };
  for (const auto& [text, what] : cases) {
    const Ran ran = WithConfig(text, {"org", "list"});
    EXPECT_EQ(ran.status, 2) << text;
    EXPECT_THAT(ran.err, HasSubstr(what)) << text;
  }
}

TEST_F(ConfigTest, KeepsTheOtherContextsWhenOneIsChanged) {
  const std::string before =
      "current: a\ncontexts:\n  a: {server: \"http://localhost:1\", token: t}\n  b: {db: "
      "\"sqlite:b.db\"}\n";
  ASSERT_EQ(WithConfig(before, {"context", "list"}).status, 0);
  const std::string environment = "TALLYMAN_CONFIG=" + PathOf("config.yaml");
  const auto run = [&](const std::vector<std::string>& arguments) {
    return RunProgram(TALLYMAN_PROGRAM, arguments, {environment, "PATH=/usr/bin:/bin"});
  };
  ASSERT_EQ(run({"context", "set", "a", "--ca", "/x.pem"}).status, 0);
  ASSERT_EQ(run({"context", "set", "a", "--token-file", "/t"}).status, 0);
  const Ran list = run({"context", "list", "-o", "json"});
  EXPECT_THAT(list.out, HasSubstr("\"server\": \"http://localhost:1\""));
  EXPECT_THAT(list.out, HasSubstr("\"ca\": \"/x.pem\""));
  EXPECT_THAT(list.out, HasSubstr("\"token_file\": \"/t\""));
  EXPECT_THAT(list.out, HasSubstr("\"db\": \"sqlite:b.db\""));
  EXPECT_THAT(run({"context", "list"}).out, testing::Not(HasSubstr("in this file")));
  EXPECT_EQ(run({"context", "set", "c"}).status, 2);
}

TEST_F(ConfigTest, PathsMeanTheSameFromEverywhere) {
  const std::string environment = "TALLYMAN_CONFIG=" + PathOf("config.yaml");
  const std::string program = TALLYMAN_PROGRAM;
  const Ran set = RunProgram(
      "/bin/bash",
      {"-c", "cd " + PathOf("") + " && " + program +
                 " context set a --server http://localhost:1 --token-file t --ca sub/../c.pem && " +
                 program + " context set b --db sqlite:fleet.db && " + program +
                 " context set c --db postgres://db/fleet"},
      {environment, "PATH=/usr/bin:/bin"});
  ASSERT_EQ(set.status, 0) << set.err;
  const Ran list = RunProgram(TALLYMAN_PROGRAM, {"context", "list", "-o", "json"},
                              {environment, "PATH=/usr/bin:/bin"});
  for (const std::string& text :
       {"\"token_file\": \"" + PathOf("t") + "\"", "\"ca\": \"" + PathOf("c.pem") + "\"",
        "\"db\": \"sqlite:" + PathOf("fleet.db") + "\"",
        std::string("\"db\": \"postgres://db/fleet\"")}) {
    EXPECT_THAT(list.out, HasSubstr(text));
  }
}

TEST_F(ConfigTest, PathsInTheFileAreBesideIt) {
  CreateSmallFleet();
  Write("t", "");
  WithConfig(
      "current: here\ncontexts:\n  here: {db: \"sqlite:fleet.db\"}\n"
      "  there: {server: \"http://localhost:1\", token-file: t}\n",
      {"context", "list"});
  const auto elsewhere = [&](const std::string& words) {
    return RunProgram("/bin/bash", {"-c", "cd / && " TALLYMAN_PROGRAM " " + words},
                      {"TALLYMAN_CONFIG=" + PathOf("config.yaml"), "PATH=/usr/bin:/bin"});
  };
  const Ran list = elsewhere("-q node list");
  EXPECT_EQ(list.out, "n-1\n") << list.err;
  EXPECT_THAT(elsewhere("--context there node list").err, HasSubstr(PathOf("t") + "\" is empty"));
}

TEST_F(ConfigTest, ALinkStaysOne) {
  std::filesystem::create_directory(PathOf("kept"));
  std::filesystem::create_symlink("kept/tallyman.yaml", PathOf("config.yaml"));
  const std::string environment = "TALLYMAN_CONFIG=" + PathOf("config.yaml");
  for (const char* name : {"a", "b"}) {
    const Ran set =
        RunProgram(TALLYMAN_PROGRAM, {"context", "set", name, "--server", "http://localhost:1"},
                   {environment, "PATH=/usr/bin:/bin"});
    ASSERT_EQ(set.status, 0) << set.err;
  }
  EXPECT_TRUE(std::filesystem::is_symlink(PathOf("config.yaml")));
  const Ran list =
      RunProgram(TALLYMAN_PROGRAM, {"-q", "context", "list"},
                 {"TALLYMAN_CONFIG=" + PathOf("kept/tallyman.yaml"), "PATH=/usr/bin:/bin"});
  EXPECT_EQ(list.out, "a\nb\n");
}

TEST_F(ConfigTest, WhereNoFileCanBeItSaysWhy) {
  Write("file", "");
  const Ran set =
      RunProgram(TALLYMAN_PROGRAM, {"context", "set", "a", "--server", "http://localhost:1"},
                 {"HOME=" + PathOf("file"), "PATH=/usr/bin:/bin"});
  EXPECT_EQ(set.status, 8);
  EXPECT_THAT(set.err,
              testing::AllOf(HasSubstr("CONFIG_NOT_WRITTEN"), HasSubstr("/.config/tallyman"),
                             HasSubstr("Not a directory")));
}

TEST_F(ConfigTest, AContextCanBeDeleted) {
  const std::string text =
      "current: a\ncontexts:\n  a: {server: \"http://localhost:1\"}\n  b: {db: \"sqlite:b.db\"}\n";
  EXPECT_THAT(WithConfig(text, {"context", "delete", "a"}).out,
              HasSubstr("Deleted context a; choose another"));
  const auto run = [&](const std::vector<std::string>& arguments) {
    return RunProgram(TALLYMAN_PROGRAM, arguments,
                      {"TALLYMAN_CONFIG=" + PathOf("config.yaml"), "PATH=/usr/bin:/bin"});
  };
  EXPECT_EQ(run({"-q", "context", "list"}).out, "b\n");
  EXPECT_THAT(run({"org", "list"}).err, HasSubstr("NO_DATABASE"));
  EXPECT_EQ(run({"context", "delete", "a"}).status, 4);
}

}  // namespace
}  // namespace tallyman
