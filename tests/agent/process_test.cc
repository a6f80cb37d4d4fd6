// `tallyman agent` at work, by a control plane that only hands out what it is told to: joining,
// being woken, polling, being killed, being without anybody to talk to.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "agent/file.h"
#include "base/id_source.h"
#include "base/system.h"
#include "model/command.h"
#include "tests/agent/control_server.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

namespace tallyman {
namespace {

using testing::HasSubstr;

class AgentProcessTest : public testing::Test {
 protected:
  void StartAgent(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {TALLYMAN_PROGRAM, "agent", "--server",  server_.url(),
                                      "--data",         data(),  "--runtime", "simulated"};
    words.insert(words.end(), more.begin(), more.end());
    agent_.Start(words, {"TALLYMAN_JOIN_TOKEN=" + join_token_});
  }
  std::filesystem::path data() const { return dir_.path() / "data"; }

  v1::HandedCommand Command(v1::CommandKind kind) {
    tallyman::Node node;
    node.id = node_;
    node.name = "node-1";
    NodeConfig config;
    config.id = ids_.New<ConfigId>();
    config.resources = {1, 64 << 20, 32 << 20};
    Image image;
    image.id = ids_.New<ImageId>();
    image.uri = "oci:/images:1";
    v1::HandedCommand command;
    command.set_command_id(ids_.New<CommandId>().ToString());
    command.set_attempt(1);
    command.set_kind(kind);
    command.set_node_id(node_.ToString());
    command.set_seq(++seq_);
    command.set_config_id(config.id.ToString());
    command.set_payload(RenderPayload(node, config, image, "host-1"));
    return command;
  }
  void ExpectDone(size_t count) {
    ASSERT_TRUE(server_.AwaitOutcomes(count)) << agent_.Log();
    EXPECT_EQ(server_.Outcomes().back().result(), v1::OUTCOME_RESULT_OK);
  }

  TempDir dir_;
  SystemClock clock_;
  SeededRandom random_{SystemSeed()};
  IdSource ids_{clock_, random_};
  NodeId node_ = ids_.New<NodeId>();
  int64_t seq_ = 0;
  std::string join_token_ = "join-me";
  ControlServer server_;
  ChildProcess agent_{dir_.path() / "agent.log"};
};

TEST_F(AgentProcessTest, JoinsOnceAndIsWokenByTheStream) {
  StartAgent({"--poll-seconds", "3600"});
  ASSERT_TRUE(WaitUntil([&] { return !server_.Cursors().empty(); })) << agent_.Log();
  struct stat info{};
  ASSERT_EQ(::stat((data() / "host-token").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  server_.HandOut(Command(v1::COMMAND_KIND_CREATE));
  server_.Wake();
  ExpectDone(1);
  EXPECT_EQ(agent_.Stop(), 0);

  // It is known from now on.
  join_token_.clear();
  StartAgent({"--poll-seconds", "3600"});
  server_.HandOut(Command(v1::COMMAND_KIND_UPGRADE));
  ExpectDone(2);
  EXPECT_EQ(server_.joins(), 1);
}

TEST_F(AgentProcessTest, PollsWhereThereIsNoStream) {
  server_.RefuseStreams();
  StartAgent({"--poll-seconds", "1"});
  ASSERT_TRUE(agent_.AwaitLog("[working]")) << agent_.Log();
  server_.HandOut(Command(v1::COMMAND_KIND_CREATE));
  ExpectDone(1);
}

TEST_F(AgentProcessTest, AServerThatWentAwayIsFoundAgainAndTheStreamTakenUp) {
  StartAgent({"--poll-seconds", "3600"});
  ASSERT_TRUE(WaitUntil([&] { return server_.Cursors().size() == 1; })) << agent_.Log();
  server_.Wake();
  // The first command is taken, and told of when there is somebody to hear it.
  server_.HandOut(Command(v1::COMMAND_KIND_CREATE));
  server_.Wake();
  ASSERT_TRUE(WaitUntil([&] {
    return server_.control().Locked([&] { return server_.control().accepted.size(); }) == 1;
  }));
  server_.Stop();
  ASSERT_TRUE(agent_.AwaitLog("command_done")) << agent_.Log();
  ASSERT_TRUE(server_.Start());
  ExpectDone(1);
  ASSERT_TRUE(WaitUntil([&] { return server_.Cursors().size() >= 2; })) << agent_.Log();
  EXPECT_THAT(server_.Cursors()[1], HasSubstr("at-"));
}

TEST_F(AgentProcessTest, AnAgentThatIsKilledGoesOnWhereItWas) {
  StartAgent();
  server_.HandOut(Command(v1::COMMAND_KIND_CREATE));
  ASSERT_TRUE(WaitUntil([&] {
    return server_.control().Locked([&] { return server_.control().accepted.size(); }) == 1;
  }));
  agent_.Kill();
  EXPECT_TRUE(server_.Outcomes().empty());
  StartAgent();
  ExpectDone(1);
  EXPECT_EQ(server_.joins(), 1);
}

TEST_F(AgentProcessTest, ARefusedTokenIsSaidAndCuredByJoiningAnew) {
  StartAgent();
  ASSERT_TRUE(agent_.AwaitLog("[working]")) << agent_.Log();
  server_.SetHostToken("another");
  server_.HandOut(Command(v1::COMMAND_KIND_CREATE));
  server_.Wake();
  ASSERT_TRUE(agent_.AwaitLog("host_token_refused")) << agent_.Log();
  EXPECT_TRUE(agent_.AwaitLog("--rejoin"));
  EXPECT_EQ(agent_.Stop(), 0);
  StartAgent({"--rejoin"});
  ExpectDone(1);
  EXPECT_EQ(server_.joins(), 2);
}

TEST_F(AgentProcessTest, ABadJoinTokenEndsItWithAdvice) {
  join_token_ = "mistyped";
  StartAgent();
  EXPECT_NE(agent_.Wait(), 0);
  EXPECT_THAT(agent_.Log(), HasSubstr("the join token was rejected: not a token of this server"));
  EXPECT_THAT(agent_.Log(), HasSubstr("tallyman token create NAME --role join"));
}

}  // namespace
}  // namespace tallyman
