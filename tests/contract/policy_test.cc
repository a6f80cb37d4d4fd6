// Upgrade policies: what is written is read back, one of each kind is there, and a rollout of each.
#include <gmock/gmock.h>

#include "base/time.h"
#include "tests/contract/contract.h"

namespace tallyman {
namespace {

using namespace tallyman::store;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class PolicyContract : public StoreContract {
 protected:
  UpgradePolicy Policy(const std::string& name, const std::string& variant = "full") {
    return {.id = fleet_.ids.New<PolicyId>(),
            .name = name,
            .org_id = fleet_.org.id,
            .protocol_id = fleet_.protocol.id,
            .variant = variant,
            .level = UpgradeLevel::kMinor,
            .version_range = ">=1.0.0",
            .pre_releases = true,
            .delay = std::chrono::hours(3),
            .strategy = R"({"per_host":2})",
            .enabled = true,
            .version = 7,
            .created_by = "alice",
            .created_at = FromMicros(5)};
  }
  Status Add(const UpgradePolicy& policy) {
    ChangeSet changes;
    changes.new_policies = {policy};
    return Apply(store(), changes);
  }
  // Of the policy, to the big image.
  Rollout RolloutOf(const UpgradePolicy& policy, RolloutState state) {
    Rollout rollout;
    rollout.id = fleet_.ids.New<RolloutId>();
    rollout.name = "r-" + rollout.id.ToString();
    rollout.image_id = fleet_.big.id;
    rollout.waves = {{.size = 1}};
    rollout.state = state;
    if (HasEnded(state)) rollout.ended_at = FromMicros(9);
    rollout.policy_id = policy.id;
    return rollout;
  }
  Status Add(const Rollout& rollout) {
    ChangeSet changes;
    changes.new_rollouts = {rollout};
    return Apply(store(), changes);
  }
  std::optional<PolicyRow> Find(const std::string& name) {
    return Read([&](ReadTx& tx) { return tx.FindPolicy(name); });
  }
};

TEST_P(PolicyContract, IsReadBackReplacedAndEnded) {
  UpgradePolicy policy = Policy("p");
  ASSERT_OK(Add(policy));
  const auto row = Find("p");
  ASSERT_TRUE(row);
  EXPECT_EQ(row->policy, policy);
  EXPECT_EQ(row->org, fleet_.org.name);
  EXPECT_EQ(row->protocol, fleet_.protocol.key);
  EXPECT_EQ(row->rollout, "");
  EXPECT_EQ(Find(policy.id.ToString())->policy, policy);
  const PolicyScope scope = {policy.org_id, policy.protocol_id, policy.variant};
  EXPECT_EQ(Read([&](ReadTx& tx) { return tx.FindPolicyFor(scope); })->policy, policy);

  ChangeSet replace;
  replace.ended_policies = {{policy.id, 7}};
  policy.version = 8;
  policy.enabled = false;
  policy.version_range.clear();
  replace.new_policies = {policy};
  ASSERT_OK(Apply(store(), replace));
  EXPECT_EQ(Find("p")->policy, policy);

  const Status again = Apply(store(), replace);
  ASSERT_FALSE(again) << "it is at version 8";
  EXPECT_EQ(again.error().reason, "POLICY_CHANGED");
  EXPECT_EQ(again.error().code, Code::kAborted);
  ChangeSet end;
  end.ended_policies = {{policy.id, 8}};
  ASSERT_OK(Apply(store(), end));
  EXPECT_FALSE(Find("p"));
}

TEST_P(PolicyContract, OneHasANameAndOneIsForAnOrgProtocolAndVariant) {
  ASSERT_OK(Add(Policy("p")));
  Status taken = Add(Policy("p", "archive"));
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().reason, "POLICY_NAME_TAKEN");
  taken = Add(Policy("q"));
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().reason, "POLICY_EXISTS");
  ASSERT_OK(Add(Policy("q", "archive")));
}

TEST_P(PolicyContract, HasOneRolloutThatHasNotEnded) {
  const UpgradePolicy policy = Policy("p"), other = Policy("q", "archive");
  ASSERT_OK(Add(policy));
  ASSERT_OK(Add(other));
  const auto due = [&] { return Read([](ReadTx& tx) { return tx.DuePolicies(); }); };
  EXPECT_THAT(due(), UnorderedElementsAre(policy.id, other.id));
  ASSERT_OK(Add(RolloutOf(policy, RolloutState::kDone)));
  ASSERT_OK(Add(RolloutOf(policy, RolloutState::kAborted)));
  EXPECT_THAT(due(), UnorderedElementsAre(policy.id, other.id));
  const Rollout open = RolloutOf(policy, RolloutState::kPaused);
  ASSERT_OK(Add(open));
  EXPECT_EQ(Find("p")->rollout, open.name);
  EXPECT_EQ(Read([&](ReadTx& tx) { return tx.FindRollout(open.name); })->rollout.policy_id,
            policy.id);
  EXPECT_THAT(due(), ElementsAre(other.id));
  const Status second = Add(RolloutOf(policy, RolloutState::kRunning));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().reason, "POLICY_HAS_ROLLOUT");
  ASSERT_OK(Add(RolloutOf(other, RolloutState::kRunning)));
}

TEST_P(PolicyContract, KnowsItsNodesAndWhatHasFailed) {
  const HostId host = AddHost("rack-1");
  std::vector<Node> nodes;
  for (const char* name : {"a", "b", "c", "d"}) nodes.push_back(AddNode(name, host));
  const UpgradePolicy policy = Policy("p", fleet_.version.variant);
  ASSERT_OK(Add(policy));
  const PolicyScope scope = {policy.org_id, policy.protocol_id, policy.variant};
  const Rollout past = RolloutOf(policy, RolloutState::kDone);
  const Rollout open = RolloutOf(policy, RolloutState::kRunning);
  ChangeSet changes;
  changes.new_rollouts = {past, open};
  const auto add = [&](const Rollout& rollout, const Node& node, RolloutNodeState state,
                       const std::string& why) {
    changes.new_rollout_nodes.push_back({.rollout_id = rollout.id,
                                         .node_id = node.id,
                                         .host_id = host,
                                         .state = state,
                                         .why = why,
                                         .from_config_id = node.config_id});
  };
  add(past, nodes[0], RolloutNodeState::kHealthy, "");
  add(past, nodes[1], RolloutNodeState::kFailed, "ROLLED_BACK");
  add(past, nodes[2], RolloutNodeState::kSkipped, "NODE_CHANGED");
  add(past, nodes[3], RolloutNodeState::kSkipped, "INVALID_CONFIG");
  add(open, nodes[2], RolloutNodeState::kWaiting, "");
  ASSERT_OK(Apply(store(), changes));

  std::vector<NodeId> failed;
  for (const PastRolloutRow& row : Read([&](ReadTx& tx) { return tx.PastRolloutsOf(policy.id); })) {
    EXPECT_EQ(row.image_id, fleet_.big.id);
    EXPECT_EQ(row.state, RolloutState::kDone) << "the open one is none of them";
    if (row.failed) failed.push_back(*row.failed);
  }
  EXPECT_THAT(failed, UnorderedElementsAre(nodes[1].id, nodes[3].id));

  const auto seen = Read([&](ReadTx& tx) { return tx.PolicyNodes(scope); });
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen[0].name, "a");
  EXPECT_EQ(seen[0].id, nodes[0].id);
  EXPECT_EQ(seen[0].semantic_version, nodes[0].semantic_version);
  EXPECT_EQ(seen[0].auto_upgrade, nodes[0].auto_upgrade);
  EXPECT_FALSE(seen[0].host_silent);
  EXPECT_EQ(seen[0].rollout, "");
  EXPECT_EQ(seen[2].rollout, open.name);
  PolicyScope elsewhere = scope;
  elsewhere.variant = "another";
  EXPECT_THAT(Read([&](ReadTx& tx) { return tx.PolicyNodes(elsewhere); }), IsEmpty());
  EXPECT_THAT(
      Read([&](ReadTx& tx) { return tx.ImagesOf(scope.protocol_id, scope.variant); }).size(),
      testing::Ge(2u));
}

RUN_ON_ALL_BACKENDS(PolicyContract);

}  // namespace
}  // namespace tallyman
