#include "cli/fleet_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "cli/context.h"

namespace tallyman::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kFleet = R"(orgs: [acme]
regions: [eu]
hosts: [{name: h1, region: eu, cpu: 32, memory: 256GiB, disk: 8TB}]
protocols: [ethereum]
images:
- {image: ethereum/reth@0.0.9, uri: "reth:0.0.9", cpu: 8, memory: 16GB, disk: 1TB}
nodes:
- {name: a, image: ethereum/reth@0.0.9, host: h1, values: {archive: "on"}}
- {name_prefix: b, count: 3, image: ethereum/reth@0.0.9, region: eu}
)";

// What is there once kFleet was applied.
FleetState Applied() {
  FleetState state;
  state.orgs = {"acme"};
  state.regions = {"eu"};
  const Fleet fleet = *ReadFleet("f", kFleet);
  v1::Host& host = state.hosts["h1"];
  host.set_name("h1");
  host.set_region("eu");
  *host.mutable_capacity() = fleet.hosts[0].spec.capacity();
  host.set_capacity_policy(v1::CAPACITY_POLICY_DEFAULT);
  state.protocols["ethereum"].set_key("ethereum");
  const v1::ImageSpec& spec = fleet.images[0].spec;
  v1::Image& image = state.images.emplace_back();
  image.set_id("image-1");
  image.set_reference("ethereum/reth@0.0.9+1");
  image.set_protocol(spec.protocol());
  image.set_variant(spec.variant());
  image.set_semantic_version(spec.semantic_version());
  image.set_image_uri(spec.image_uri());
  *image.mutable_minimum() = spec.minimum();
  for (const char* name : {"a", "b-1", "b-2", "b-3"}) {
    v1::Node& node = state.nodes[name];
    node.set_name(name);
    node.set_org("acme");
    node.set_host("h1");
    node.set_region("eu");
    node.set_image(image.reference());
    node.set_image_id(image.id());
    (*node.mutable_config()->mutable_values())["archive"] = "on";
  }
  return state;
}

Result<FleetPlan> Plan(const std::string& text, const FleetState& state,
                       const std::string& org = "acme") {
  const auto fleet = ReadFleet("f", text);
  if (!fleet) return Fail(fleet.error());
  return PlanFleet("f", *fleet, state, org);
}

const google::protobuf::Message& RequestOf(const FleetStep& step) {
  const auto& reflection = *step.request.GetReflection();
  return reflection.GetMessage(step.request,
                               reflection.GetOneofFieldDescriptor(
                                   step.request, step.request.GetDescriptor()->oneof_decl(0)));
}

std::vector<std::string> Methods(const FleetPlan& plan) {
  std::vector<std::string> methods;
  for (const FleetStep& step : plan.steps) methods.push_back(MethodOf(RequestOf(step)).name());
  return methods;
}

std::vector<FleetChange> Changes(const FleetPlan& plan) {
  std::vector<FleetChange> changes;
  for (const FleetStep& step : plan.steps)
    changes.insert(changes.end(), step.changes.begin(), step.changes.end());
  return changes;
}

// kFleet with one piece replaced.
std::string With(const std::string& from, const std::string& to) {
  std::string text = kFleet;
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(PlanFleet, BuildsAnEmptyFleetInTheOrderOfItsNeeds) {
  const auto plan = Plan(kFleet, {});
  ASSERT_TRUE(plan);
  EXPECT_THAT(Methods(*plan),
              ElementsAre("CreateOrg", "CreateRegion", "CreateProtocol", "CreateImages",
                          "CreateHosts", "CreateNodes", "CreateNodes"));
  EXPECT_EQ(Changes(*plan).size(), 9U);
}

TEST(PlanFleet, DoesNothingWhenAllIsThere) {
  const auto plan = Plan(kFleet, Applied());
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_THAT(Methods(*plan), IsEmpty());
  EXPECT_THAT(Changes(*plan), IsEmpty());
  EXPECT_EQ(plan->unchanged_count, 9);
}

TEST(PlanFleet, NoRequestIsAboutMoreNodesThanAPartHas) {
  FleetState state = Applied();
  const auto create = Plan(With("count: 3", "count: 4500"), state);
  ASSERT_TRUE(create) << create.error().message;
  EXPECT_THAT(Methods(*create), ElementsAre("CreateNodes", "CreateNodes", "CreateNodes"));
  std::set<std::string> names;
  for (const FleetStep& step : create->steps) {
    EXPECT_LE(step.changes.size(), 2000U);
    for (const FleetChange& change : step.changes) names.insert(change.name);
  }
  EXPECT_EQ(names.size(), 4497U);

  for (int i = 4; i <= 2002; ++i) {
    const std::string name = "b-" + std::to_string(i);
    state.nodes[name] = state.nodes["b-1"];
    state.nodes[name].set_name(name);
  }
  for (auto& [name, node] : state.nodes) node.set_image_id("another");
  const auto upgrade = Plan(With("count: 3", "count: 2002"), state);
  ASSERT_TRUE(upgrade) << upgrade.error().message;
  EXPECT_THAT(Methods(*upgrade), ElementsAre("UpgradeNodes", "UpgradeNodes"));
  EXPECT_EQ(upgrade->steps[0].changes.size(), 2000U);
  EXPECT_EQ(upgrade->steps[1].changes.size(), 3U);
}

TEST(PlanFleet, NeverDeletes) {
  const auto plan = Plan("orgs: [acme]\n", Applied());
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->steps, IsEmpty());
}

TEST(PlanFleet, ANewImageOfNodesIsOneUpgrade) {
  const auto plan =
      Plan(With("count: 3, image: ethereum/reth@0.0.9", "count: 3, image: ethereum/reth@0.0.10"),
           Applied());
  ASSERT_TRUE(plan);
  EXPECT_THAT(Methods(*plan), ElementsAre("UpgradeNodes"));
  const auto& request = plan->steps[0].request.upgrade_nodes();
  EXPECT_THAT(request.nodes(), ElementsAre("b-1", "b-2", "b-3"));
  EXPECT_EQ(request.image(), "ethereum/reth@0.0.10");
}

TEST(PlanFleet, ReferencesWithBuildsAreCompared) {
  const auto same = Plan(With("h1, values", "h1, org: acme, values"), Applied());
  EXPECT_THAT(same->steps, IsEmpty());
  const auto build =
      Plan(With("name: a, image: ethereum/reth@0.0.9", "name: a, image: ethereum/reth@0.0.9+1"),
           Applied());
  EXPECT_THAT(build->steps, IsEmpty());
  const auto other =
      Plan(With("name: a, image: ethereum/reth@0.0.9", "name: a, image: ethereum/reth@0.0.9+2"),
           Applied());
  EXPECT_THAT(Methods(*other), ElementsAre("UpgradeNodes"));
}

TEST(PlanFleet, ChangedValuesAreAnUpdateAndChangedCapacityToo) {
  auto plan = Plan(With("archive: \"on\"", "archive: \"off\""), Applied());
  EXPECT_THAT(Methods(*plan), ElementsAre("UpdateNode"));
  EXPECT_EQ(Changes(*plan).at(0).text, "archive \"on\" -> \"off\"");
  plan = Plan(With("cpu: 32", "cpu: 48"), Applied());
  EXPECT_THAT(Methods(*plan), ElementsAre("UpdateHost"));
  EXPECT_THAT(Changes(*plan).at(0).text, HasSubstr("32 cores"));
  EXPECT_THAT(Changes(*plan).at(0).text, HasSubstr("-> 48 cores"));
}

TEST(PlanFleet, OnlyTheMissingNodesOfAPrefixAreCreated) {
  FleetState state = Applied();
  state.nodes.erase("b-2");
  const auto plan = Plan(With("count: 3", "count: 5"), state);
  ASSERT_TRUE(plan);
  const auto& request = plan->steps.at(0).request.create_nodes();
  EXPECT_THAT(request.names(), ElementsAre("b-2", "b-4", "b-5"));
  EXPECT_EQ(Changes(*plan).size(), 3U);
}

// A node beside them that is called alike changes nothing.
TEST(PlanFleet, AMissingNodeIsAskedForByItsName) {
  FleetState state = Applied();
  state.nodes.erase("b-2");
  state.nodes["b-7"] = state.nodes["b-1"];
  const auto plan = Plan(kFleet, state);
  ASSERT_TRUE(plan);
  ASSERT_THAT(Methods(*plan), ElementsAre("CreateNodes"));
  const auto& request = plan->steps[0].request.create_nodes();
  EXPECT_THAT(request.names(), ElementsAre("b-2"));
  EXPECT_EQ(Changes(*plan).at(0).name, "b-2");
}

TEST(PlanFleet, TheOrderOfPortsAndAddressesIsNoDifference) {
  const char* rule =
      "firewall: [{key: p2p, direction: in, action: allow, transport: tcp, ports: [30, 20], ips: "
      "[10.0.0.0/8, 1.2.3.4/32]}]";
  FleetState state = Applied();
  v1::FirewallRule there;
  there.set_key("p2p");
  there.set_direction(v1::FIREWALL_DIRECTION_IN);
  there.set_action(v1::FIREWALL_ACTION_ALLOW);
  there.set_transport(v1::FIREWALL_TRANSPORT_TCP);
  for (const uint32_t port : {20, 30}) there.add_ports(port);
  for (const char* address : {"1.2.3.4/32", "10.0.0.0/8"}) there.add_ips(address);
  *state.nodes["a"].mutable_config()->add_firewall_rules() = there;
  *state.images[0].add_firewall_rules() = there;
  std::string text = With("disk: 1TB}", std::string("disk: 1TB, ") + rule + "}");
  text.insert(text.find(", values"), std::string(", ") + rule);
  const auto plan = Plan(text, state);
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_THAT(Methods(*plan), IsEmpty());
  there.set_ports(0, 21);
  *state.nodes["a"].mutable_config()->mutable_firewall_rules(0) = there;
  EXPECT_THAT(Methods(*Plan(text, state)), ElementsAre("UpdateNode"));
}

TEST(PlanFleet, ADeclaredOrgMovesTheNode) {
  FleetState state = Applied();
  state.orgs.insert("other");
  const auto plan = Plan(With("host: h1, values", "host: h1, org: other, values"), state);
  EXPECT_THAT(Methods(*plan), ElementsAre("MoveNodes"));
}

TEST(PlanFleet, RefusesWhatCannotBeChangedAndNamesThePlace) {
  FleetState state = Applied();
  state.regions.insert("us");
  const std::tuple<std::string, const char*, const char*> cases[] = {
      {With("name: h1, region: eu", "name: h1, region: us"), "FLEET_CONFLICT",
       "f:3:9: host h1 stands in region eu"},
      {With("cpu: 8", "cpu: 9"), "FLEET_CONFLICT",
       "f:6:3: image ethereum/reth@0.0.9 is published with other minimum"},
      {With("reth:0.0.9\"", "reth:0.0.9b\""), "FLEET_CONFLICT", "other uri"},
      {With("region: eu}\n", "region: us}\n"), "FLEET_CONFLICT", "f:9:3: node b-1 is on host h1"},
      {With("host: h1, values", "host: h9, values"), "INVALID_FLEET",
       "f:8:3: there is no host \"h9\""},
      {With("name: h1, region: eu", "name: h1, region: xx"), "INVALID_FLEET",
       "there is no region \"xx\""},
      {With("host: h1, values", "host: h1, org: xx, values"), "INVALID_FLEET",
       "there is no org \"xx\""},
  };
  for (const auto& [text, reason, message] : cases) {
    const auto plan = Plan(text, state);
    ASSERT_FALSE(plan) << message;
    EXPECT_EQ(plan.error().reason, reason) << plan.error().message;
    EXPECT_THAT(plan.error().message, HasSubstr(message));
  }
}

TEST(PlanFleet, ANewNodeNeedsAnOwner) {
  const auto plan = Plan(kFleet, {}, "");
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().message, HasSubstr("nobody owns this node"));
}

// However many they are, and wherever they go: names and hosts go together.
TEST(PlanFleet, NewNodesOfOneShapeAreOneStep) {
  const std::string hosts =
      With("hosts: [", "hosts: [{name: h2, region: eu, cpu: 1, memory: 1GB, disk: 1GB}, ");
  const auto plan = Plan(hosts +
                             "- {name: c, image: ethereum/reth@0.0.9, host: h1}\n"
                             "- {name: d, image: ethereum/reth@0.0.9, host: h2}\n"
                             "- {name: e, image: ethereum/reth@0.0.9, host: h1}\n"
                             "- {name: f, image: ethereum/reth@0.0.9, host: h1, values: {k: v}}\n",
                         Applied());
  ASSERT_TRUE(plan) << plan.error().message;
  ASSERT_THAT(Methods(*plan), ElementsAre("CreateHosts", "CreateNodes", "CreateNodes"));
  const FleetStep& step = plan->steps[1];
  const v1::CreateNodesRequest& request = step.request.create_nodes();
  EXPECT_THAT(request.names(), ElementsAre("c", "e", "d"));
  ASSERT_EQ(request.by_hosts().hosts_size(), 2);
  EXPECT_EQ(request.by_hosts().hosts(0).host(), "h1");
  EXPECT_EQ(request.by_hosts().hosts(0).count(), 2);
  EXPECT_EQ(step.positions.at(1).line, 12);
  EXPECT_EQ(step.positions.at(2).line, 11);
  EXPECT_THAT(plan->steps[2].request.create_nodes().names(), ElementsAre("f"));
}

// What an upgrade takes along with a default is not what the file asks for.
TEST(PlanFleet, ValuesAreComparedWithWhatAnUpgradeLeaves) {
  FleetState state = Applied();
  for (const char* value : {"off", "on"}) {
    v1::Image& image = value == std::string("off") ? state.images[0] : state.images.emplace_back();
    if (image.id().empty()) {
      image = state.images[0];
      image.clear_properties();
      image.set_id("image-2");
      image.set_reference("ethereum/reth@0.0.10+1");
      image.set_semantic_version("0.0.10");
    }
    v1::Property& property = *image.add_properties();
    property.set_key("archive");
    property.set_default_value(value);
  }
  const auto declared = [&](const char* value) {
    return std::string(
               "nodes:\n- {name: a, image: ethereum/reth@0.0.10, host: h1, values: {archive: \"") +
           value + "\"}}\n";
  };
  auto& values = *state.nodes["a"].mutable_config()->mutable_values();
  values["archive"] = "off";
  EXPECT_THAT(Methods(*Plan(declared("on"), state)), ElementsAre("UpgradeNodes"));
  const auto kept = Plan(declared("off"), state);
  ASSERT_TRUE(kept);
  ASSERT_THAT(Methods(*kept), ElementsAre("UpgradeNodes", "UpdateNode"));
  EXPECT_EQ(Changes(*kept).at(1).text, "archive \"on\" -> \"off\"");
  values["archive"] = "on";  // changed, so it stays
  EXPECT_THAT(Methods(*Plan(declared("on"), state)), ElementsAre("UpgradeNodes"));
}

TEST(PlanFleet, ASecretThatIsOnlyNamedHasToBeSet) {
  const std::string fleet = With("values: {archive: \"on\"}", "secrets: [token]");
  FleetState state = Applied();
  (*state.nodes["a"].mutable_config()->mutable_secrets())["token"] = true;
  EXPECT_THAT(Methods(*Plan(fleet, state)), IsEmpty());
  (*state.nodes["a"].mutable_config()->mutable_secrets())["token"] = false;
  const auto unset = Plan(fleet, state);
  ASSERT_FALSE(unset);
  EXPECT_THAT(unset.error().message,
              HasSubstr("f:8:3: secret \"token\" of node a is not set: add its value"));
  state.nodes.erase("a");
  const auto missing = Plan(fleet, state);
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().message, HasSubstr("as the node is new"));
}

}  // namespace
}  // namespace tallyman::cli
