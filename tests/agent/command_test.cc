// `tallyman agent`: what it says when it cannot begin, and how it ends.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <boost/json.hpp>
#include <sstream>

#include "tests/cli/program.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

namespace tallyman {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Nobody listens there.
constexpr const char* kNobody = "http://127.0.0.1:1";

class AgentCommandTest : public testing::Test {
 protected:
  std::string data() const { return (dir_.path() / "data").string(); }
  std::vector<std::string> Words(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"agent", "--server",  kNobody,    "--data",
                                      data(),  "--runtime", "simulated"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  static Ran Run(const std::vector<std::string>& words,
                 const std::vector<std::string>& environment = {}) {
    // One that begins to work where it should refuse to is ended.
    std::vector<std::string> bounded = {"20", TALLYMAN_PROGRAM};
    bounded.insert(bounded.end(), words.begin(), words.end());
    return RunProgram("/usr/bin/timeout", bounded, environment);
  }
  // An agent that has a token, and nobody to show it to.
  void StartWaiting(ChildProcess& agent, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = Words(more);
    words.insert(words.begin(), TALLYMAN_PROGRAM);
    agent.Start(words, {"TALLYMAN_JOIN_TOKEN=token"});
    ASSERT_TRUE(agent.AwaitLog("cannot join yet, retrying")) << agent.Log();
  }

  TempDir dir_;
};

TEST_F(AgentCommandTest, HelpSaysHowAMachineJoins) {
  const Ran ran = Run({"agent", "--help"});
  EXPECT_EQ(ran.status, 0);
  EXPECT_THAT(ran.out, AllOf(HasSubstr("tallyman -q token create"), HasSubstr("--join-token-file"),
                             HasSubstr("Containers outlive the agent")));
}

TEST_F(AgentCommandTest, StopsTheNodesOfAMachineThatGoesDown) {
  const Ran ran = Run({"agent", "--stop-nodes", "--data", data(), "--runtime", "simulated"});
  EXPECT_EQ(ran.status, 0) << ran.err;  // without a server, and without ever having joined
  EXPECT_THAT(ran.err, HasSubstr("all nodes of this machine are stopped"));
}

// It would start them again.
TEST_F(AgentCommandTest, StopsNoNodesWhileAnAgentRuns) {
  ChildProcess agent(dir_.path() / "agent.log");
  StartWaiting(agent);
  const Ran ran = Run({"agent", "--stop-nodes", "--data", data(), "--runtime", "simulated"});
  EXPECT_EQ(ran.status, 8) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("reason=AGENT_RUNS"));
}

TEST_F(AgentCommandTest, SaysWhatIsMissingAndWhatToDo) {
  struct Case {
    std::vector<std::string> words;
    std::string reason;
    std::string advice;
  };
  for (const Case& bad :
       {Case{{"agent"}, "NO_SERVER", "--server https://"},
        Case{{"agent", "--server", kNobody}, "NO_DATA_DIRECTORY", "--data /var/lib"},
        Case{{"agent", "--serve", kNobody}, "USAGE", "tallyman agent --help"},
        Case{Words({"--log", "xml"}), "USAGE", "text or json"},
        Case{Words(), "NOT_JOINED", "tallyman token create NAME --role join"},
        Case{Words({"--rejoin"}), "NOT_JOINED", "cannot rejoin without a join token"},
        Case{Words({"--join-token-file", "/nowhere"}), "FILE_MISSING", "/nowhere"}}) {
    const Ran ran = Run(bad.words);
    EXPECT_NE(ran.status, 0);
    EXPECT_THAT(ran.err, AllOf(HasSubstr("reason=" + bad.reason), HasSubstr(bad.advice)));
  }
  Ran plain =
      Run({"agent", "--server", "http://192.0.2.1", "--data", data(), "--runtime", "simulated"},
          {"TALLYMAN_JOIN_TOKEN=token"});
  EXPECT_THAT(plain.err, HasSubstr("reason=INSECURE_SERVER"));
}

TEST_F(AgentCommandTest, ContainersWantRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can try what another user may not";
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0777), 0);
  const Ran ran = RunProgram("/usr/bin/setpriv",
                             {"--reuid", "65534", "--clear-groups", TALLYMAN_PROGRAM, "agent",
                              "--server", kNobody, "--data", data()},
                             {});
  EXPECT_THAT(ran.err, AllOf(HasSubstr("reason=NOT_PRIVILEGED"), HasSubstr("--runtime simulated")));
}

TEST_F(AgentCommandTest, ASecondAgentOnTheSameDataIsRefused) {
  ChildProcess first(dir_.path() / "first.log");
  StartWaiting(first);
  const Ran second = Run(Words(), {"TALLYMAN_JOIN_TOKEN=token"});
  EXPECT_NE(second.status, 0);
  EXPECT_THAT(second.err, AllOf(HasSubstr("reason=AGENT_RUNS"), HasSubstr("fuser")));
  // Nothing is left of the first one, whatever its end.
  first.Kill();
  ChildProcess third(dir_.path() / "third.log");
  StartWaiting(third);
}

TEST_F(AgentCommandTest, EndsCleanlyWhenItIsToldTo) {
  for (int signal : {SIGTERM, SIGINT}) {
    ChildProcess agent(dir_.path() / "agent.log");
    StartWaiting(agent);
    agent.Signal(signal);
    EXPECT_EQ(agent.Wait(), 0) << agent.Log();
    EXPECT_THAT(agent.Log(), HasSubstr("[stopped]"));
  }
}

TEST_F(AgentCommandTest, LogsJsonWhenAskedAndKeepsItsDataToItself) {
  ChildProcess agent(dir_.path() / "agent.log");
  StartWaiting(agent, {"--log", "json"});
  EXPECT_EQ(agent.Stop(), 0);
  std::istringstream lines(agent.Log());
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const auto parsed = boost::json::parse(line);
    EXPECT_FALSE(parsed.at("event").as_string().empty()) << line;
  }
  EXPECT_GE(count, 3);
  struct stat info{};
  ASSERT_EQ(::stat(data().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
}

}  // namespace
}  // namespace tallyman
