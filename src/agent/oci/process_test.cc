#include "agent/oci/process.h"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "agent/file.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait.h"

namespace tallyman::agent::oci {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

TEST(RunProcess, GivesOutputsAndStatus) {
  auto result = RunProcess({"/bin/sh", "-c", "echo out; echo err >&2; exit 7"});
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(result->out, "out\n");
  EXPECT_EQ(result->err, "err\n");
  EXPECT_EQ(result->exit_status, 7);
}

TEST(RunProcess, PassesArgumentsAsTheyAre) {
  auto said = RunTool({"printf", "%s", "$(id); `id` \"'"});
  ASSERT_TRUE(said.has_value());
  EXPECT_EQ(*said, "$(id); `id` \"'");
}

TEST(RunProcess, KillsWhatDoesNotEndAndWhatThatStarted) {
  TempDir dir;
  std::string pid_file = (dir.path() / "pid").string();
  auto begun = steady_clock::now();
  auto result = RunProcess({"/bin/sh", "-c", "sleep 100 & echo $! >" + pid_file + "; wait"},
                           {.timeout = milliseconds(300)});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().reason, "TOOL_TIMED_OUT");
  EXPECT_LT(steady_clock::now() - begun, std::chrono::seconds(20));
  pid_t child = std::stoi(ReadFile(pid_file).value());
  // It ends a moment after it was killed.
  auto deadline = steady_clock::now() + std::chrono::seconds(10);
  auto is_gone = [&] {
    auto stat = ReadFile("/proc/" + std::to_string(child) + "/stat");
    return !stat || stat->find(") Z ") != std::string::npos;
  };
  while (!is_gone() && steady_clock::now() < deadline) ::usleep(1000);
  EXPECT_TRUE(is_gone());
}

TEST(RunProcess, IsEndedByAStopAndSaysSo) {
  std::stop_source source;
  std::jthread stopper([&] { source.request_stop(); });
  auto begun = steady_clock::now();
  auto result = RunProcess({"sleep", "100"}, {.stop = source.get_token()});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Code::kCanceled);
  EXPECT_LT(steady_clock::now() - begun, std::chrono::seconds(20));
}

TEST(RunProcess, AToolThatBelongsToItsCallerDiesWithIt) {
  TempDir dir;
  const std::string pid_file = (dir.path() / "pid").string();
  const pid_t caller = ::fork();
  if (caller == 0) {
    const auto ended = RunProcess(
        {"/bin/sh", "-c",
         "echo $$ >" + pid_file + ".new; mv " + pid_file + ".new " + pid_file + "; exec sleep 100"},
        {.dies_with_caller = true});
    ::_exit(ended ? 0 : 1);
  }
  ASSERT_TRUE(WaitUntil([&] { return ReadFile(pid_file).has_value(); }));
  const std::string stat = "/proc/" + std::to_string(std::stoi(*ReadFile(pid_file))) + "/stat";
  EXPECT_TRUE(ReadFile(stat).has_value());
  ::kill(caller, SIGKILL);
  ::waitpid(caller, nullptr, 0);
  EXPECT_TRUE(WaitUntil([&] {
    auto text = ReadFile(stat);
    return !text || text->find(") Z ") != std::string::npos;
  }));
}

TEST(RunProcess, ReadsNoMoreThanItKeepsButLetsTheToolFinish) {
  auto result = RunProcess({"/bin/sh", "-c", "head -c 3000000 /dev/zero; exit 3"});
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->out.size(), 64u << 10);
  EXPECT_EQ(result->exit_status, 3);
}

TEST(RunProcess, ComesBackWhenTheToolEndsThoughAChildKeepsThePipes) {
  auto begun = steady_clock::now();
  auto result = RunProcess({"/bin/sh", "-c", "sleep 60 & echo $!"});
  ASSERT_TRUE(result.has_value());
  EXPECT_LT(steady_clock::now() - begun, std::chrono::seconds(30));
  ::kill(std::stoi(result->out), SIGKILL);
}

TEST(RunProcess, GivesTheToolNoInputAndAPlainEnvironment) {
  EXPECT_EQ(RunTool({"cat"}).value(), "");
  std::string said = RunTool({"env"}).value();
  EXPECT_NE(said.find("LC_ALL=C\n"), std::string::npos);
  EXPECT_EQ(said.find("USER="), std::string::npos);
}

TEST(RunProcess, SaysWhichToolIsMissing) {
  auto result = RunProcess({"tallyman-no-such-tool"});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().reason, "TOOL_MISSING");
  EXPECT_EQ(result.error().Fact("tool"), "tallyman-no-such-tool");
}

TEST(RunTool, SaysWhatTheToolSaidInPrintableLetters) {
  auto result = RunTool({"/bin/sh", "-c", "printf 'bad \\033[2J thing\\n' >&2; exit 2"});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().reason, "TOOL_FAILED");
  EXPECT_EQ(result.error().message, "/bin/sh ended with status 2: bad  [2J thing");
}

TEST(RunTool, NamesTheCommandWithoutCuttingACharacter) {
  const std::string begins = "/bin/sh -c exit 2 # ";
  const std::string most(999 - begins.size(), 'x');
  auto result = RunTool({"/bin/sh", "-c", "exit 2 # " + most + "\xc3\xa9"});
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().Fact("command"), begins + most);
}

TEST(RunProcess, HandsAFileOnForLeftBehindProcessesToWriteTo) {
  TempDir dir;
  std::string log = (dir.path() / "log").string();
  for (const char* word : {"one", "two"})
    ASSERT_TRUE(RunProcess({"/bin/sh", "-c", std::string("echo ") + word}, {.output_file = log}));
  EXPECT_EQ(ReadFile(log).value(), "one\ntwo\n");
}

}  // namespace
}  // namespace tallyman::agent::oci
