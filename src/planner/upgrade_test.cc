#include "planner/upgrade.h"

#include <gtest/gtest.h>

#include "planner/test_fleet.h"

namespace tallyman::planner {
namespace {

const Image kOld = MakeImage(1, {8, 80, 800});
const Image kLarger = MakeImage(2, {12, 120, 1200});
const Image kSmaller = MakeImage(3, {4, 40, 400});
const Image kEqual = MakeImage(4, {8, 80, 800});

Transition TransitionOf(int id, CommandKind kind, CommandState state, const Resources& to) {
  Transition transition;
  transition.id = IdOf<CommandId>(id);
  transition.kind = kind;
  transition.state = state;
  transition.to = to;
  return transition;
}

// One host with one node on kOld.
struct OneNode {
  TestFleet fleet;
  HostSnapshot& host = fleet.AddHost();
  NodeSnapshot& node = fleet.AddNode(host, kOld);

  Error Refusal(const Image& image) {
    auto plan = PlanAll(fleet, image);
    EXPECT_FALSE(plan.has_value());
    return plan ? Error{} : plan.error();
  }
};

// Contract 5, requirement 4.4.
TEST(PlanUpgrade, RefusesTheImageItAlreadyRuns) {
  OneNode one;
  Error error = one.Refusal(kOld);
  EXPECT_EQ(error.code, Code::kAlreadyExists);
  EXPECT_EQ(error.reason, "UPGRADE_SAME_IMAGE");
  EXPECT_EQ(error.resource, "node node-1");
  EXPECT_EQ(error.Fact("node_id"), one.node.node.id.ToString());
  EXPECT_EQ(error.Fact("host_id"), one.host.host.id.ToString());
}

// Contract 5.
TEST(PlanUpgrade, RefusesANodeThatIsBeingDeletedOrGone) {
  auto refuse = [](auto change) {
    OneNode one;
    change(one.node.node);
    Error error = one.Refusal(kLarger);
    EXPECT_EQ(error.code, Code::kFailedPrecondition);
    EXPECT_EQ(error.reason, "NODE_BEING_DELETED");
    EXPECT_EQ(error.Fact("node_id"), one.node.node.id.ToString());
  };
  refuse([](Node& node) { node.next_state = NextState::kDeleting; });
  refuse([](Node& node) { node.node_state = NodeState::kDeleting; });
  refuse([](Node& node) { node.released_at = Time{}; });
  refuse([](Node& node) { node.deleted_at = Time{}; });
}

TEST(PlanReturn, GivesTheConfigThatTheNodeHadAsItWas) {
  OneNode one;
  NodeConfig before;
  before.id = IdOf<ConfigId>(77);
  before.image_id = kLarger.id;
  before.values = {{"archive", "on"}};
  before.secrets = {{"token", "sealed"}};
  before.firewall_rules = {{.key = "rpc"}};
  before.resources = {13, 130, 1300};
  const Policies no_limits;
  const auto config = PlanReturn(one.node, before, kLarger, no_limits);
  ASSERT_TRUE(config.has_value());
  EXPECT_TRUE(config->id.is_nil());
  EXPECT_EQ(config->image_id, kLarger.id);
  EXPECT_EQ(config->values, before.values);
  EXPECT_EQ(config->secrets, before.secrets);
  EXPECT_EQ(config->firewall_rules, before.firewall_rules);
  EXPECT_EQ(config->resources, before.resources);

  const auto refusal = [&](const NodeConfig& to, const Image& image) {
    const auto refused = PlanReturn(one.node, to, image, no_limits);
    return refused ? "" : refused.error().reason;
  };
  NodeConfig forgotten = before;
  forgotten.forgotten = true;
  EXPECT_EQ(refusal(forgotten, kLarger), "CONFIG_FORGOTTEN");
  Image hidden = kLarger;
  hidden.org_id = IdOf<OrgId>(9);
  EXPECT_EQ(refusal(before, hidden), "IMAGE_NOT_FOUND");
  one.node.node.next_state = NextState::kDeleting;
  EXPECT_EQ(refusal(before, kLarger), "NODE_BEING_DELETED");
}

// Contract 5, requirement 4.4: no refusals but those.
TEST(PlanUpgrade, AcceptsEveryOtherStateAndAnyProtocol) {
  for (NodeState state : {NodeState::kStarting, NodeState::kRunning, NodeState::kStopped,
                          NodeState::kUpgrading, NodeState::kFailed}) {
    for (std::optional<NextState> next :
         {std::optional<NextState>(), std::optional(NextState::kStarting),
          std::optional(NextState::kStopping), std::optional(NextState::kRestarting),
          std::optional(NextState::kUpgrading)}) {
      OneNode one;
      one.node.node.node_state = state;
      one.node.node.next_state = next;
      EXPECT_TRUE(PlanAll(one.fleet, kLarger).has_value()) << ToText(state);
    }
  }
  OneNode one;
  Image other = kLarger;
  other.protocol.key = "bitcoin";
  other.protocol.id = IdOf<ProtocolId>(9);
  EXPECT_TRUE(PlanAll(one.fleet, other).has_value());
}

// Contract 2, fault 15.
TEST(PlanUpgrade, DoesNotFindAPrivateImageOfAnotherOrg) {
  OneNode one;
  Image of_image = kLarger, of_version = kLarger, of_protocol = kLarger;
  of_image.org_id = of_version.version.org_id = of_protocol.protocol.org_id = IdOf<OrgId>(2);
  for (const Image& image : {of_image, of_version, of_protocol}) {
    Error error = one.Refusal(image);
    EXPECT_EQ(error.code, Code::kNotFound);
    EXPECT_EQ(error.reason, "IMAGE_NOT_FOUND");
    EXPECT_EQ(error.Fact("node_id"), one.node.node.id.ToString());
  }
  Image own = kLarger;
  own.org_id = one.node.node.org_id;
  EXPECT_TRUE(PlanAll(one.fleet, own).has_value());
}

// Fault 15: one node of the batch is enough.
TEST(PlanUpgrade, DoesNotPutAPrivateImageOntoOneNodeOfAnotherOrgInABatch) {
  OneNode one;
  one.fleet.AddNode(one.host, kOld).node.org_id = IdOf<OrgId>(2);
  Image image = kLarger;
  image.org_id = IdOf<OrgId>(1);
  EXPECT_EQ(one.Refusal(image).reason, "IMAGE_NOT_FOUND");
}

// Contract 4, requirement 5.3.
TEST(PlanUpgrade, AbortsWhenTheOldConfigCannotBeReadNamingConfigAndNode) {
  OneNode one;
  one.node.config =
      Fail(DataLoss("OLD_CONFIG_UNREADABLE", "config c-1 is missing").With("config_id", "c-1"));
  Error error = one.Refusal(kLarger);
  EXPECT_EQ(error.code, Code::kDataLoss);
  EXPECT_EQ(error.reason, "OLD_CONFIG_UNREADABLE");
  EXPECT_EQ(error.Fact("config_id"), "c-1");
  EXPECT_EQ(error.Fact("node_id"), one.node.node.id.ToString());
  EXPECT_NE(error.message.find("node-1"), std::string::npos);
  EXPECT_NE(error.message.find("config c-1"), std::string::npos);
}

// Contract 7, requirement 5.4: the error says which node and which host.
TEST(PlanUpgrade, AbortsOnAnInvalidImageNamingTheNode) {
  OneNode one;
  Error error = one.Refusal(MakeImage(9, {0, 1, 1}));
  EXPECT_EQ(error.reason, "INVALID_IMAGE_CONFIG");
  EXPECT_EQ(error.Fact("node_id"), one.node.node.id.ToString());
  EXPECT_EQ(error.Fact("host_id"), one.host.host.id.ToString());
  EXPECT_NE(error.message.find("node-1"), std::string::npos);
}

// Contract 8, requirements 1.2, 1.3, 2.1, 2.2, 2.3.
TEST(PlanUpgrade, SubtractsTheOldValuesAndAddsTheNew) {
  for (const Image& image : {kLarger, kSmaller}) {
    OneNode one;
    one.fleet.AddNode(one.host, kOld);
    const NodeSnapshot* nodes[] = {&one.node};
    auto plan = PlanUpgrade(nodes, one.fleet.hosts(), image, {}, kTestCause);
    ASSERT_TRUE(plan.has_value());
    EXPECT_EQ(plan->nodes.at(0).charged_before, kOld.minimum);
    EXPECT_EQ(plan->nodes.at(0).config.resources, image.minimum);
    const HostChange& host = plan->books.hosts().at(one.host.host.id);
    EXPECT_EQ(host.after.books, (Books{2, Add(kOld.minimum, image.minimum).value()}));
    ASSERT_EQ(plan->books.ledger().size(), 1u);
    const LedgerEntry& entry = plan->books.ledger()[0];
    EXPECT_EQ(entry.delta, (Books{0, Subtract(image.minimum, kOld.minimum).value()}));
    EXPECT_EQ(entry.balance, host.after.books);
    EXPECT_EQ(entry.kind, LedgerKind::kUpgrade);
    EXPECT_EQ(entry.node_id, one.node.node.id);
    EXPECT_EQ(entry.seq, one.host.host.ledger_seq + 1);
    EXPECT_EQ(entry.request_id, "request-1");
    EXPECT_EQ(entry.actor_id, "ada");
    EXPECT_EQ(host.after.ledger_seq, entry.seq);
    EXPECT_EQ(host.after.version, host.stored.version + 1);
  }
}

// Contract 10 and 11, requirements 4.5 and 5.1.
TEST(PlanUpgrade, WritesTheSameResourcesAgainWithALedgerEntryOfZero) {
  OneNode one;
  auto plan = PlanAll(one.fleet, kEqual);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->nodes.at(0).config.image_id, kEqual.id);
  EXPECT_EQ(plan->nodes.at(0).config.resources, kOld.minimum);
  ASSERT_EQ(plan->books.ledger().size(), 1u);
  EXPECT_EQ(plan->books.ledger()[0].delta, Books{});
  const HostChange& host = plan->books.hosts().at(one.host.host.id);
  EXPECT_EQ(host.after.books, host.stored.books);
  EXPECT_EQ(host.after.version, host.stored.version + 1);
  EXPECT_EQ(host.after.ledger_seq, host.stored.ledger_seq + 1);
}

// Fault 8: a batch over one host goes on from its own earlier nodes.
TEST(PlanUpgrade, LetsABatchOverOneHostSeeItsOwnEarlierNodes) {
  TestFleet fleet;
  HostSnapshot& host = fleet.AddHost({33, 10'000, 100'000});
  host.host.capacity_policy = CapacityPolicy::kEnforce;
  for (int i = 0; i < 3; ++i) fleet.AddNode(host, kOld);
  // Each alone would fit the 9 cores that are free; all three do not.
  auto refused = PlanAll(fleet, kLarger);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().Fact("need"), "12");
  EXPECT_EQ(refused.error().Fact("free"), "9");

  host.host.capacity_policy = CapacityPolicy::kWarn;
  auto plan = PlanAll(fleet, kLarger);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->books.hosts().at(host.host.id).after.books.allocated.cpu_cores, 36);
  ASSERT_EQ(plan->books.ledger().size(), 3u);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(plan->books.ledger()[i].balance.allocated.cpu_cores, 24 + 4 * (i + 1));
}

TEST(PlanUpgrade, WritesEachOfSeveralHostsOnce) {
  TestFleet fleet;
  HostSnapshot &one = fleet.AddHost(), &two = fleet.AddHost();
  fleet.AddNode(one, kOld), fleet.AddNode(two, kOld), fleet.AddNode(one, kOld);
  auto plan = PlanAll(fleet, kLarger);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->books.hosts().at(one.host.id).after.books, (Books{2, {24, 240, 2400}}));
  EXPECT_EQ(plan->books.hosts().at(one.host.id).after.version, one.host.version + 1);
  EXPECT_EQ(plan->books.hosts().at(two.host.id).after.books, (Books{1, {12, 120, 1200}}));
}

// Contract, "Capacity": accepted by default, with a warning.
TEST(PlanUpgrade, WarnsWhenAHostIsTakenOverItsCapacity) {
  OneNode one;
  one.host.host.capacity = {11, 120, 1000};
  auto plan = PlanAll(one.fleet, kLarger);
  ASSERT_TRUE(plan.has_value());
  ASSERT_EQ(plan->books.warnings().size(), 2u);
  EXPECT_EQ(plan->books.warnings()[0].reason, "OVER_CAPACITY");
  EXPECT_EQ(plan->books.warnings()[0].host_name, "host-1");
  EXPECT_EQ(plan->books.warnings()[0].dimension, "cpu_cores");
  EXPECT_EQ(plan->books.warnings()[1].dimension, "disk_bytes");
}

// Contract, "Capacity": enforce refuses, naming dimension, need and free.
TEST(PlanUpgrade, RefusesOverCapacityWhenEnforced) {
  OneNode one;
  one.host.host.capacity = {11, 1000, 10'000};
  Policies enforce;
  enforce.capacity = CapacityPolicy::kEnforce;
  auto plan = PlanAll(one.fleet, kLarger, enforce);
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().code, Code::kResourceExhausted);
  EXPECT_EQ(plan.error().reason, "HOST_CAPACITY_EXCEEDED");
  EXPECT_EQ(plan.error().resource, "host host-1");
  EXPECT_EQ(plan.error().Fact("dimension"), "cpu_cores");
  EXPECT_EQ(plan.error().Fact("need"), "4");
  EXPECT_EQ(plan.error().Fact("free"), "3");
}

TEST(PlanUpgrade, LetsAHostOverrideTheServersCapacityPolicy) {
  OneNode one;
  one.host.host.capacity = {11, 1000, 10'000};
  Policies enforce;
  enforce.capacity = CapacityPolicy::kEnforce;
  one.host.host.capacity_policy = CapacityPolicy::kWarn;
  EXPECT_TRUE(PlanAll(one.fleet, kLarger, enforce).has_value());
  one.host.host.capacity_policy = CapacityPolicy::kEnforce;
  EXPECT_FALSE(PlanAll(one.fleet, kLarger).has_value());
}

TEST(PlanUpgrade, AcceptsAnExactFitWithoutAWarning) {
  OneNode one;
  one.host.host.capacity = kLarger.minimum;
  one.host.host.capacity_policy = CapacityPolicy::kEnforce;
  auto plan = PlanAll(one.fleet, kLarger);
  ASSERT_TRUE(plan.has_value());
  EXPECT_TRUE(plan->books.warnings().empty());
}

// Contract, "Capacity": only dimensions that grow, also on a host that is over its capacity
// already.
TEST(PlanUpgrade, DoesNotEnforceDimensionsThatDoNotGrow) {
  OneNode one;
  one.host.host.capacity = {1, 1, 1};
  one.host.host.capacity_policy = CapacityPolicy::kEnforce;
  EXPECT_TRUE(PlanAll(one.fleet, kEqual).has_value());
  EXPECT_TRUE(PlanAll(one.fleet, kSmaller).has_value());
  auto plan = PlanAll(one.fleet, MakeImage(9, {1, 1, 801}));
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().Fact("dimension"), "disk_bytes");
}

// Contract, "Capacity": the net effect of the request decides, not its order.
TEST(PlanUpgrade, EnforcesTheNetEffectOfTheRequest) {
  TestFleet fleet;
  HostSnapshot& host = fleet.AddHost({20, 1000, 10'000});
  host.host.capacity_policy = CapacityPolicy::kEnforce;
  fleet.AddNode(host, kSmaller).running.reset();
  fleet.AddNode(host, MakeImage(8, {16, 80, 800})).running.reset();
  // 4 -> 10 grows past 20 first, 16 -> 10 makes room again.
  EXPECT_TRUE(PlanAll(fleet, MakeImage(9, {10, 80, 800})).has_value());
}

// Holds are resources: what still runs is not free for others.
TEST(PlanUpgrade, CountsHoldsTowardsTheCapacity) {
  OneNode one;
  one.host.host.capacity = {20, 1000, 10'000};
  one.host.host.capacity_policy = CapacityPolicy::kEnforce;
  NodeSnapshot& holding = one.fleet.AddNode(one.host, kSmaller);
  holding.running = Resources{10, 40, 400};
  holding.node.held = {6, 0, 0};
  one.host.host.held = {6, 0, 0};
  const NodeSnapshot* nodes[] = {&one.node};
  auto plan = PlanUpgrade(nodes, one.fleet.hosts(), kLarger, {}, kTestCause);
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().Fact("free"), "2");
  // And a smaller target frees nothing while the larger node runs: the sum stays.
  EXPECT_TRUE(PlanUpgrade(nodes, one.fleet.hosts(), kSmaller, {}, kTestCause).has_value());
}

// Contract, "Hold": what runs stays kept until the host says that it does not run any more.
TEST(PlanUpgrade, HoldsTheDifferenceToWhatRuns) {
  OneNode one;
  auto plan = PlanAll(one.fleet, kSmaller);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->nodes[0].held_after, (Resources{4, 40, 400}));
  EXPECT_EQ(plan->books.hosts().at(one.host.host.id).after.held, (Resources{4, 40, 400}));
  // Holds never enter the counters.
  EXPECT_EQ(plan->books.hosts().at(one.host.host.id).after.books.allocated, kSmaller.minimum);
  EXPECT_EQ(PlanAll(one.fleet, kLarger).value().nodes[0].held_after, Resources{});
}

TEST(PlanUpgrade, GivesAHoldBackWhenTheNodeGrowsIntoIt) {
  OneNode one;
  one.fleet.Write(PlanAll(one.fleet, kSmaller).value(), kSmaller, /*settled=*/false);
  auto plan = PlanAll(one.fleet, kEqual);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->nodes[0].held_after, Resources{});
  EXPECT_EQ(plan->books.hosts().at(one.host.host.id).after.held, Resources{});
}

// Contract 12: an open upgrade is superseded; one that a host has taken is not, nor an open update.
TEST(PlanUpgrade, SupersedesOnlyAnUpgradeThatNoHostHasTaken) {
  OneNode one;
  one.node.transitions = {
      TransitionOf(1, CommandKind::kUpgrade, CommandState::kTaken, {9, 90, 900}),
      TransitionOf(2, CommandKind::kUpgrade, CommandState::kUnknown, {10, 0, 0}),
      TransitionOf(3, CommandKind::kUpdate, CommandState::kOpen, {11, 0, 0}),
      TransitionOf(4, CommandKind::kUpgrade, CommandState::kFailed, {0, 91, 0}),
      TransitionOf(5, CommandKind::kUpgrade, CommandState::kOpen, {100, 1000, 10'000}),
  };
  auto plan = PlanAll(one.fleet, kSmaller);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->nodes[0].superseded, std::vector{IdOf<CommandId>(5)});
  // The targets of those that stay are held, the superseded one's is not.
  EXPECT_EQ(plan->nodes[0].held_after, (Resources{11 - 4, 91 - 40, 900 - 400}));
}

// Contract, "Other operations": changing values is a transition of kind update.
TEST(PlanConfigChange, MovesTheBooksAndSupersedesOnlyItsOwnKind) {
  OneNode one;
  one.node.transitions = {TransitionOf(1, CommandKind::kUpgrade, CommandState::kOpen, kOld.minimum),
                          TransitionOf(2, CommandKind::kUpdate, CommandState::kOpen, kOld.minimum)};
  NodeConfig config = one.node.config.value();
  config.resources = {10, 80, 900};
  auto plan = PlanConfigChange(one.node, one.host, config, CommandKind::kUpdate, {}, kTestCause);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->nodes[0].superseded, std::vector{IdOf<CommandId>(2)});
  EXPECT_EQ(plan->books.hosts().at(one.host.host.id).after.books, (Books{1, {10, 80, 900}}));
  ASSERT_EQ(plan->books.ledger().size(), 1u);
  EXPECT_EQ(plan->books.ledger()[0].kind, LedgerKind::kUpdate);
  EXPECT_EQ(plan->books.ledger()[0].delta, (Books{0, {2, 0, 100}}));
}

TEST(PlanConfigChange, IsRefusedWhileTheNodeIsBeingDeleted) {
  OneNode one;
  one.node.node.next_state = NextState::kDeleting;
  auto plan = PlanConfigChange(one.node, one.host, one.node.config.value(), CommandKind::kUpdate,
                               {}, kTestCause);
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().reason, "NODE_BEING_DELETED");
}

// Contract 8, requirement 5.5, fault 13.
TEST(PlanUpgrade, ReportsAnOverflowOfTheHostsCounterOnceTheSumsAreKnown) {
  OneNode one;
  Policies no_limits;
  no_limits.node_max = {INT64_MAX, INT64_MAX, INT64_MAX};
  one.fleet.AddNode(one.host, MakeImage(8, {1, INT64_MAX - 100, 1}));
  const NodeSnapshot* nodes[] = {&one.node};
  one.fleet.ReadSums();
  auto plan = PlanUpgrade(nodes, one.fleet.hosts(), kLarger, no_limits, kTestCause);
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().code, Code::kOutOfRange);
  EXPECT_EQ(plan.error().reason, "RESOURCE_OVERFLOW");
  EXPECT_EQ(plan.error().resource, "host host-1");
  EXPECT_EQ(plan.error().Fact("dimension"), "memory_bytes");
  EXPECT_EQ(plan.error().Fact("left"), std::to_string(INT64_MAX - 100));
  EXPECT_EQ(plan.error().Fact("right"), "120");
  EXPECT_EQ(plan.error().Fact("node_id"), one.node.node.id.ToString());
}

// Requirement 3.2: nothing of a batch is planned when one node of it is refused.
TEST(PlanUpgrade, RefusesTheWholeBatchForOneNode) {
  OneNode one;
  one.fleet.AddNode(one.host, kLarger);
  EXPECT_EQ(one.Refusal(kLarger).reason, "UPGRADE_SAME_IMAGE");
}

}  // namespace
}  // namespace tallyman::planner
