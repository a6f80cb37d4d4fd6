// Updates of nodes and hosts, retries, and what they leave behind.
#include "clauses/around.h"

namespace tallyman {
namespace {

class Updates : public Around {};

TEST_F(Updates, OnlyAFailedUpgradeIsRetriedAndOnlyAtTheVersionThatWasSeen) {
  v1::RetryUpgradeRequest retry;
  retry.set_node("a");
  EXPECT_REFUSED(room.Send<v1::RetryUpgradeResponse>("NodeService/RetryUpgrade", retry),
                 Code::kFailedPrecondition, "NODE_NOT_FAILED");
  room.Sql("UPDATE nodes SET node_state = 'failed' WHERE name = 'a'");
  retry.set_expected_version(7);
  EXPECT_REFUSED(room.Send<v1::RetryUpgradeResponse>("NodeService/RetryUpgrade", retry),
                 Code::kAborted, "VERSION_MISMATCH");
  retry.set_expected_version(1);
  ASSERT_OK(room.Send<v1::RetryUpgradeResponse>("NodeService/RetryUpgrade", retry));
  EXPECT_EQ(room.Node("a").version(), 2);
  EXPECT_EQ(room.Commands("node=a kind=node_upgrade state=open").size(), 1u);
  room.ExpectBalanced();
}

TEST_F(Updates, AnUpdateChangesFirewallRulesAndAutoUpgradeBesideValues) {
  v1::CreateImagesRequest images;
  auto* spec = images.add_images();
  spec->set_protocol("chain");
  spec->set_variant("full");
  spec->set_semantic_version("8.0.0");
  spec->set_image_uri("docker://rules");
  spec->mutable_minimum()->set_cpu_cores(1);
  spec->mutable_minimum()->set_memory_bytes(1);
  spec->mutable_minimum()->set_disk_bytes(1);
  auto* rule = spec->add_firewall_rules();
  rule->set_key("p2p");
  rule->set_direction(v1::FIREWALL_DIRECTION_IN);
  rule->set_action(v1::FIREWALL_ACTION_ALLOW);
  rule->add_ports(30'303);
  auto* property = spec->add_properties();
  property->set_key("network");
  property->set_default_value("main");
  ASSERT_OK(room.Send<v1::CreateImagesResponse>("CatalogService/CreateImages", images));
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@8.0.0"));

  v1::UpdateNodeRequest edit;
  edit.set_node("a");
  (*edit.mutable_set_values())["network"] = "test";
  edit.set_auto_upgrade(true);
  *edit.add_set_firewall_rules() = *rule;
  edit.mutable_set_firewall_rules(0)->set_ports(0, 1);
  ASSERT_OK(room.Send<v1::UpdateNodeResponse>("NodeService/UpdateNode", edit));
  v1::Node node = room.Node("a");
  EXPECT_TRUE(node.auto_upgrade());
  ASSERT_EQ(node.config().firewall_rules_size(), 1);
  EXPECT_EQ(node.config().firewall_rules(0).ports(0), 1u);

  edit.Clear();
  edit.set_node("a");
  edit.add_reset_firewall_rules("p2p");
  ASSERT_OK(room.Send<v1::UpdateNodeResponse>("NodeService/UpdateNode", edit));
  node = room.Node("a");
  ASSERT_EQ(node.config().firewall_rules_size(), 1) << "back to the image's rule, not away";
  EXPECT_EQ(node.config().firewall_rules(0).ports(0), 30'303u);
  EXPECT_TRUE(node.auto_upgrade());
  room.ExpectBalanced();
}

TEST_F(Updates, UpdateHostWantsTheVersionThatWasSeenAndLeavesATrace) {
  v1::UpdateHostRequest update;
  update.set_host("host-1");
  update.set_capacity_policy(v1::CAPACITY_POLICY_ENFORCE);
  int64_t version = room.Host("host-1").version();
  update.set_expected_version(version + 1);
  EXPECT_REFUSED(room.Send<v1::UpdateHostResponse>("HostService/UpdateHost", update),
                 Code::kAborted, "VERSION_MISMATCH");
  update.set_expected_version(version);
  ASSERT_OK(room.Send<v1::UpdateHostResponse>("HostService/UpdateHost", update));
  EXPECT_EQ(room.Host("host-1").version(), version + 1);
  auto events = room.Events("kind=host_updated");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].host(), "host-1");
  EXPECT_EQ(events[0].cause().actor(), "tester");
  update.Clear();
  update.set_host("host-1");
  update.mutable_capacity()->set_cpu_cores(0);
  update.mutable_capacity()->set_memory_bytes(1);
  update.mutable_capacity()->set_disk_bytes(1);
  EXPECT_REFUSED(room.Send<v1::UpdateHostResponse>("HostService/UpdateHost", update),
                 Code::kInvalidArgument, "INVALID_CAPACITY");
}

TEST_F(Updates, GoingOverTheCapacityIsLogged) {
  room.AddImage("9.0.0", Needs(80, 8, 200));
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@9.0.0"));
  int logged = 0;
  for (const LogLine& line : room.log.lines()) {
    if (line.event != "OVER_CAPACITY") continue;
    EXPECT_EQ(line.level, LogLevel::kWarning);
    EXPECT_NE(line.message.find("host-1"), std::string::npos) << line.message;
    ++logged;
  }
  EXPECT_EQ(logged, 1);
}

TEST_F(Updates, DeleteGivesBackTheHoldOfWhatItWithdraws) {
  room.AddImage("5.0.0", Needs(2, 4, 100), {{"archive", "", "off", Needs(3, 0, 0)}});
  room.AddImage("6.0.0", Needs(1, 2, 50), {{"archive", "", "off", {}}});
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@5.0.0"));
  room.Obey("a");
  ASSERT_OK(room.Set("a", "archive", "on"));
  ASSERT_OK(room.Upgrade({"a"}, "chain/full@6.0.0"));
  EXPECT_EQ(FromMessage(room.Host("host-1").held()), Needs(4, 2, 50)) << "the update is still open";
  ASSERT_OK(room.Delete("a"));
  EXPECT_EQ(FromMessage(room.Host("host-1").held()), Needs(1, 2, 50)) << "what runs, no more";
  EXPECT_EQ(FromMessage(room.Node("a").held()), Needs(1, 2, 50));
  room.ExpectBalanced();
}

TEST_F(Updates, ANodeThatDoesNotRunStaysChargedUntilItIsDeleted) {
  room.Obey("a");
  room.Report("a", "");
  EXPECT_EQ(FromMessage(room.Host("host-1").books()), (Books{1, Needs(2, 4, 100)}));
  EXPECT_EQ(room.Node("a").name(), "a");
  room.ExpectBalanced();
}

}  // namespace
}  // namespace tallyman
