// R 4: what an upgrade writes for others to read, pinned to the letter.
#include <regex>

#include "support/api_room.h"

namespace tallyman {
namespace {

// Ids and times differ from run to run only if the clock or the seed does; they are masked all the
// same.
std::string Masked(const std::string& text) {
  return std::regex_replace(
      text, std::regex("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "ID");
}

TEST(Golden, R4_3_TheUpgradeCommandCarriesTheFullNode) {
  ApiRoom room;
  room.AddFleet(1);
  room.AddImage("1.0.0", Needs(2, 4, 100), {{"network", "", "mainnet", {}}});
  room.AddImage("2.0.0", Needs(4, 8, 200), {{"network", "", "mainnet", {}}});
  ASSERT_OK(room.Create("a", "host-1", "1.0.0", {{"network", "testnet"}}));
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@2.0.0"));
  auto commands = room.Commands("node=a kind=node_upgrade");
  ASSERT_EQ(commands.size(), 1u);
  EXPECT_EQ(commands[0].state(), v1::COMMAND_STATE_OPEN);
  EXPECT_EQ(
      Masked(room.Payload(commands[0])),
      R"({"node_id":"ID","name":"a","org_id":"ID","host_id":"ID","host":"host-1","image_id":"ID",)"
      R"("image":"chain/full@2.0.0+1","image_uri":"docker://chain:2.0.0","config_id":"ID",)"
      R"("resources":{"cpu_cores":4,"memory_bytes":8000000000,"disk_bytes":200000000000},)"
      R"("config":{"values":{"network":"testnet"},"firewall_rules":[]}})");
}

TEST(Golden, R4_2_TheUpgradeLogEntry) {
  ApiRoom room;
  room.AddFleet(1);
  room.AddImage("1.0.0", Needs(2, 4, 100));
  room.AddImage("2.0.0", Needs(4, 8, 200));
  ASSERT_OK(room.Create("a", "host-1", "1.0.0"));
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@2.0.0", "change-1"));
  auto events = room.Events("kind=upgrade_started");
  ASSERT_EQ(events.size(), 1u);
  const v1::Event& event = events[0];
  EXPECT_EQ(event.node(), "a");
  EXPECT_EQ(event.host(), "host-1");
  EXPECT_EQ(event.org(), "acme");
  EXPECT_EQ(event.facts_size(), 2);
  EXPECT_EQ(event.facts().at("old_image"), "chain/full@1.0.0+1");
  EXPECT_EQ(event.facts().at("new_image"), "chain/full@2.0.0+1");
}

}  // namespace
}  // namespace tallyman
