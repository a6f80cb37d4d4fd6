// What is forgotten of nodes whose hosts take commands, and that nothing else needs it.
#include <gmock/gmock.h>

#include "control/lots/prune_records.h"
#include "lifecycle/host.h"

namespace tallyman {
namespace {

using namespace std::chrono_literals;

using control::RecordPruner;
using testing::HasSubstr;
using testing::Not;

class History : public Lifecycle {
 protected:
  void SetUp() override {
    Lifecycle::SetUp();
    room.AddImage("4.0.0", Needs(1, 1, 10),
                  {{.key = "motd", .default_value = ""}, {.key = "token", .secret = true}});
  }
  // As if a server had done it every hour for so long, whose option names this many days.
  int64_t ForgetFor(int64_t hours, int64_t days = 30) {
    RecordPruner pruner(*room.store, room.clock, {.history = days * 24h});
    int64_t commands = 0;
    for (int64_t hour = 0; hour < hours; ++hour) {
      room.clock.Advance(1h);
      const auto report = pruner.Run();
      EXPECT_TRUE(report.has_value()) << report.error().message;
      commands += report->commands;
    }
    return commands;
  }
  void Days(int64_t days) { room.clock.Advance(days * 24h); }
  v1::Command Show(const std::string& id) {
    v1::GetCommandRequest request;
    request.set_command_id(id);
    auto answer = room.Send<v1::GetCommandResponse>("CommandService/GetCommand", request);
    EXPECT_TRUE(answer.has_value()) << (answer ? "" : answer.error().message);
    return answer ? answer->command() : v1::Command();
  }
};

TEST_F(History, ForgottenPayloadsAndConfigsAreSaidToBeSo) {
  Upgrade("2.0.0");
  host->Obey("n");
  const std::vector<v1::Command> before = room.Commands("node=n");
  ASSERT_EQ(before.size(), 2u);
  EXPECT_FALSE(Show(before[0].id()).payload_forgotten());
  Days(31);
  EXPECT_EQ(ForgetFor(200), 1) << "the config that the node has stays";
  const v1::Command create = Show(before[0].id());
  EXPECT_TRUE(create.payload_forgotten());
  EXPECT_EQ(create.payload(), "");
  EXPECT_EQ(create.to_config_id(), first);
  EXPECT_EQ(create.to_image(), "chain/full@1.0.0+1");
  EXPECT_EQ(create.state(), v1::COMMAND_STATE_SETTLED);
  const v1::Command upgrade = Show(before[1].id());
  EXPECT_FALSE(upgrade.payload_forgotten());
  EXPECT_EQ(upgrade.from_image(), "chain/full@1.0.0+1");
  const std::vector<v1::Command> after = room.Commands("node=n");
  ASSERT_EQ(after.size(), 2u);
  EXPECT_TRUE(after[0].payload_forgotten());
  EXPECT_FALSE(after[1].payload_forgotten());
  EXPECT_FALSE(N().config().forgotten());
  EXPECT_EQ(room.Ledger("host-1").entries_size(), 2) << "the books stay explained";
  Upgrade("3.0.0");
  host->Obey("n");
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
}

TEST_F(History, ADeletedNodeIsShownWithoutWhatWasInItsConfig) {
  ASSERT_OK(room.Create("m", "host-1", "4.0.0", {{"motd", "hello"}}));
  host->Obey("m");
  const std::string id = room.Node("m").id();
  Days(100);
  ASSERT_OK(room.Delete("m"));
  host->Obey("m");
  EXPECT_EQ(ForgetFor(24 * 29), 0) << "gone for less than 30 days";
  EXPECT_EQ(room.Node(id).config().values().at("motd"), "hello");
  EXPECT_EQ(ForgetFor(200), 2);
  const v1::Node node = room.Node(id);
  EXPECT_TRUE(node.config().forgotten());
  EXPECT_EQ(node.config().values_size(), 0);
  EXPECT_EQ(node.config().resources().cpu_cores(), 1);
  EXPECT_EQ(node.image(), "chain/full@4.0.0+1");
  EXPECT_THAT(room.Dump(), Not(HasSubstr("hello")));
}

TEST_F(History, AForgottenConfigIsNoneThatAHostMayBringBack) {
  Upgrade("2.0.0");
  host->Obey("n");
  Upgrade("3.0.0");
  host->Obey("n");
  const std::string third = N().config_id();
  Days(31);
  EXPECT_EQ(ForgetFor(400), 2);
  const v1::ReportResponse answer = host->Status(Id(), first);
  ASSERT_EQ(answer.warnings_size(), 1);
  EXPECT_EQ(answer.warnings(0).reason(), "UNKNOWN_CONFIG");
  EXPECT_EQ(N().config_id(), third);
  EXPECT_EQ(N().running_config_id(), third);
  Upgrade("1.0.0");
  host->Obey("n");
  EXPECT_EQ(N().node_state(), v1::NODE_STATE_RUNNING);
}

TEST_F(History, IsExportedWithItsPayloadsButNotWithItsSecrets) {
  room.Restart({.sealer = *Sealer::Parse(std::string(2 * kSealKeyBytes, 'a') + "\n")});
  ASSERT_OK(room.Create("s", "host-2", "4.0.0", {{"token", "hunter2"}, {"motd", "hello"}}));
  v1::ListCommandsRequest request;
  request.set_filter("node=s");
  request.set_with_payloads(true);
  const auto list = room.Send<v1::ListCommandsResponse>("CommandService/ListCommands", request);
  ASSERT_OK(list);
  ASSERT_EQ(list->commands_size(), 1);
  EXPECT_EQ(list->commands(0).payload(), room.Payload(list->commands(0)));
  EXPECT_THAT(list->commands(0).payload(), HasSubstr(R"("motd":"hello")"));
  EXPECT_THAT(list->commands(0).payload(), HasSubstr(R"("secrets":{"token":"set"})"));
}

TEST_F(History, ANodeIsDeletedWithItsSecretsAfterItsHistoryIsForgotten) {
  room.Restart({.sealer = *Sealer::Parse(std::string(2 * kSealKeyBytes, 'a') + "\n")});
  ASSERT_THAT(room.Dump(), Not(HasSubstr("v1:")));
  ASSERT_OK(room.Create("s", "host-2", "4.0.0", {{"token", "hunter2"}}));
  TestHost other(room, "host-2");
  other.Obey("s");
  for (const std::string text : {"a", "b", "c"}) {
    ASSERT_OK(room.Set("s", "motd", text));
    other.Obey("s");
  }
  Days(31);
  EXPECT_EQ(ForgetFor(600), 3);
  ASSERT_THAT(room.Dump(), HasSubstr("v1:"));
  ASSERT_OK(room.Delete("s"));
  other.Obey("s");
  EXPECT_THAT(room.Dump(), Not(HasSubstr("v1:"))) << "sealed secrets go with their node";
}

}  // namespace
}  // namespace tallyman
