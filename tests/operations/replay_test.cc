// Every mutation: sent twice under one request id it happens once.
#include <google/protobuf/descriptor.h>

#include <set>

#include "tallyman/v1/token.pb.h"
#include "tests/operations/api_room.h"
#include "tests/operations/rollout_rows.h"

namespace tallyman {
namespace {

struct Case {
  const char* method;
  const char* request;      // text format, without its id
  const char* other;        // another body
  const char* before = "";  // SQL that makes the request possible
};

constexpr Case kCases[] = {
    {"OrgService/CreateOrg", R"(name: "gamma")", R"(name: "delta")"},
    {"OrgService/SetQuota", R"(org: "acme" set { node_count: 50 })",
     R"(org: "acme" set { node_count: 51 })"},
    {"RegionService/CreateRegion", R"(name: "us")", R"(name: "asia")"},
    {"CatalogService/CreateProtocol", R"(key: "other")", R"(key: "other" name: "Other")"},
    {"CatalogService/CreateImages",
     R"(create_missing: true images { protocol: "chain" variant: "full" semantic_version: "3.0.0"
        image_uri: "docker://x" minimum { cpu_cores: 1 memory_bytes: 1 disk_bytes: 1 } })",
     R"(create_missing: true images { protocol: "chain" variant: "full" semantic_version: "3.0.1"
        image_uri: "docker://x" minimum { cpu_cores: 1 memory_bytes: 1 disk_bytes: 1 } })"},
    {"HostService/CreateHosts",
     R"(hosts { name: "h-new" region: "eu" capacity { cpu_cores: 1 memory_bytes: 1 disk_bytes: 1 } })",
     R"(hosts { name: "h-new" region: "eu" capacity { cpu_cores: 2 memory_bytes: 1 disk_bytes: 1 } })"},
    {"HostService/UpdateHost", R"(host: "host-1" capacity_policy: CAPACITY_POLICY_ENFORCE)",
     R"(host: "host-1" capacity_policy: CAPACITY_POLICY_WARN)"},
    {"HostService/CordonHost", R"(host: "host-1" reason: "why")", R"(host: "host-2")"},
    {"HostService/UncordonHost", R"(host: "host-1")", R"(host: "host-2")",
     "UPDATE hosts SET cordoned = (1 = 1); INSERT INTO host_claims SELECT id, 'tester', 'cordon', "
     "'', 'tester', 1 FROM hosts"},
    {"HostService/DrainHosts", R"(hosts: "host-1" reason: "why")", R"(hosts: "host-2")"},
    {"HostService/ResumeHosts", R"(hosts: "host-1")", R"(hosts: "host-2")",
     "UPDATE hosts SET cordoned = (1 = 1); INSERT INTO host_claims SELECT id, 'tester', 'drain', "
     "'', 'tester', 1 FROM hosts"},
    {"HostService/RetireHost", R"(host: "host-1" lost: true)", R"(host: "host-2" lost: true)"},
    {"NodeService/CreateNodes",
     R"(image: "chain/full@1.0.0" org: "acme" by_region { region: "eu" } count: 2)",
     R"(image: "chain/full@1.0.0" org: "acme" by_region { region: "eu" } count: 3)"},
    {"NodeService/UpdateNode", R"(node: "n-1" set_values { key: "archive" value: "on" })",
     R"(node: "n-1" set_values { key: "archive" value: "off" })"},
    {"NodeService/UpgradeNodes", R"(nodes: "n-1" nodes: "n-2" image: "chain/full@1.1.0")",
     R"(nodes: "n-1" image: "chain/full@1.1.0")"},
    {"NodeService/UpgradeNodes", R"(selector { protocol: "chain" } image: "chain/full@1.1.0")",
     R"(selector { protocol: "chain" } image: "chain/full@2.0.0+1")"},
    {"NodeService/RetryUpgrade", R"(node: "n-1")", R"(node: "n-1" expected_version: 7)",
     "UPDATE nodes SET node_state = 'failed' WHERE name = 'n-1'"},
    {"NodeService/MoveNodes", R"(nodes: "n-1" org: "beta")", R"(nodes: "n-1" org: "acme")",
     "UPDATE commands SET state = 'settled'"},
    {"NodeService/StartNodes", R"(nodes: "n-1")", R"(nodes: "n-2")"},
    {"NodeService/StopNodes", R"(nodes: "n-1")", R"(nodes: "n-2")"},
    {"NodeService/RestartNodes", R"(nodes: "n-1")", R"(nodes: "n-2")"},
    {"NodeService/DeleteNodes", R"(nodes: "n-1")", R"(nodes: "n-2")"},
    {"CommandService/CancelCommand", R"(command_id: "$COMMAND")",
     R"(command_id: "00000000-0000-7000-8000-000000000000")",
     "UPDATE commands SET kind = 'node_stop'"},
    {"FleetService/ApplyFleet",
     R"(steps { create_org { name: "gamma" } }
        steps { create_nodes { image: "chain/full@1.0.0" org: "gamma" names: "x" by_region { region: "eu" } } })",
     R"(steps { create_org { name: "gamma" } })"},
    {"RolloutService/CreateRollout", R"(name: "r" nodes: "n-1" image: "chain/full@1.1.0")",
     R"(name: "r" nodes: "n-2" image: "chain/full@1.1.0")"},
    {"RolloutService/PauseRollout", R"(rollout: "r")", R"(rollout: "s")",
     ROLLOUT_THAT_IS("running")},
    {"RolloutService/ResumeRollout", R"(rollout: "r")", R"(rollout: "s")",
     ROLLOUT_THAT_IS("paused")},
    {"RolloutService/AbortRollout", R"(rollout: "r")", R"(rollout: "s")",
     ROLLOUT_THAT_IS("paused")},
    {"RolloutService/RetryRollout", R"(rollout: "r" skipped: true)", R"(rollout: "r" failed: true)",
     ROLLOUT_WITH("skipped",
                  "'n-1'") "; UPDATE rollouts SET image_id = (SELECT id FROM images WHERE id NOT "
                           "IN (SELECT image_id FROM nodes) LIMIT 1)"},
    {"RolloutService/RevertRollout", R"(rollout: "r" name: "back")",
     R"(rollout: "r" name: "other")",
     ROLLOUT_WITH("healthy", "'n-1'") "; UPDATE commands SET state = 'settled', ended_at = 1"},
    {"UpgradePolicyService/SetUpgradePolicy",
     R"(name: "p" org: "acme" protocol: "chain" variant: "full")",
     R"(name: "p" org: "acme" protocol: "chain" variant: "full" pre_releases: true)"},
    {"UpgradePolicyService/DeleteUpgradePolicy", R"(policy: "p")", R"(policy: "q")",
     "INSERT INTO upgrade_policies SELECT o.id, 'p', o.id, p.id, 'full', 'patch', '', 1 = 0, 0, "
     "'{}', 1 = 1, 1, 'tester', 1 FROM orgs o, protocols p WHERE o.name = 'acme'"},
    {"TokenService/CreateToken", R"(name: "ci" role: ROLE_VIEWER)",
     R"(name: "ci" role: ROLE_ADMIN)"},
    {"TokenService/RevokeToken", R"(token: "old")", R"(token: "other")",
     "INSERT INTO tokens SELECT id, 'old', "
     "'0000000000000000000000000000000000000000000000000000000000000000', 'viewer', NULL, NULL, "
     "'tester', 1, NULL, NULL, NULL, NULL FROM orgs WHERE name = 'acme'"},
    {"AuditService/RepairDrift", R"(hosts: "host-1")", R"(hosts: "host-2")",
     "UPDATE hosts SET node_cpu_cores = node_cpu_cores + 5 WHERE name = 'host-1'"},
};

class Replay : public testing::TestWithParam<Case> {};

TEST_P(Replay, GivesTheFirstAnswerAgainAndChangesNothing) {
  const Case& c = GetParam();
  ApiRoom api;
  if (*c.before != '\0') api.Sql(c.before);
  const std::string text = std::string(c.request) + R"( request_id: "same")";
  MessageResult first = api.Call(c.method, text);
  ASSERT_TRUE(first) << TextOf(first);
  const std::string after_first = api.Dump();

  api.room.clock.Advance(std::chrono::hours(1));
  MessageResult second = api.Call(c.method, text);
  ASSERT_TRUE(second) << TextOf(second);
  // What is shown once is no part of what is kept.
  if (auto* made = dynamic_cast<v1::CreateTokenResponse*>(first->get())) made->clear_secret();
  EXPECT_EQ(api::Serialize(**first), api::Serialize(**second));
  EXPECT_EQ(api.Dump(), after_first);

  MessageResult other = api.Call(c.method, std::string(c.other) + R"( request_id: "same")");
  ASSERT_FALSE(other) << TextOf(other);
  EXPECT_EQ(other.error().code, Code::kInvalidArgument);
  EXPECT_EQ(other.error().reason, "REQUEST_ID_REUSED");
  EXPECT_EQ(api.Dump(), after_first);
  EXPECT_TRUE(api.IsBalanced());
}

TEST_P(Replay, TakesTheSameIdOfAnotherActorForAnotherRequest) {
  const Case& c = GetParam();
  ApiRoom api;
  if (*c.before != '\0') api.Sql(c.before);
  const std::string id = R"( request_id: "same")";
  ASSERT_TRUE(api.Call("RegionService/CreateRegion",
                       *api.Parse("RegionService/CreateRegion", R"(name: "elsewhere")" + id),
                       {.id = "somebody", .role = Role::kAdmin}));
  MessageResult mine = api.Call(c.method, c.request + id);
  EXPECT_TRUE(mine) << TextOf(mine);
}

bool HasDryRun(const Case& c) {
  auto request = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(
      "tallyman.v1." + std::string(c.method).substr(std::string_view(c.method).find('/') + 1) +
      "Request");
  return request->FindFieldByName("dry_run") != nullptr;
}

std::vector<Case> CasesWithDryRun() {
  std::vector<Case> cases(std::begin(kCases), std::end(kCases));
  std::erase_if(cases, [](const Case& c) { return !HasDryRun(c); });
  return cases;
}

class DryRun : public testing::TestWithParam<Case> {};

TEST_P(DryRun, WritesNothingAndUsesUpNoRequestId) {
  const Case& c = GetParam();
  ApiRoom api;
  if (*c.before != '\0') api.Sql(c.before);
  const std::string text = std::string(c.request) + R"( request_id: "same")";
  const std::string before = api.Dump();
  MessageResult plan = api.Call(c.method, text + " dry_run: true");
  ASSERT_TRUE(plan) << TextOf(plan);
  EXPECT_TRUE(api.Dump() == before);
  MessageResult done = api.Call(c.method, text);
  ASSERT_TRUE(done) << TextOf(done);
  EXPECT_FALSE(api.Dump() == before);
}

std::string NameOf(const testing::TestParamInfo<Case>& param) {
  std::string name = param.param.method;
  return std::to_string(param.index) + "_" + name.substr(name.find('/') + 1);
}

INSTANTIATE_TEST_SUITE_P(EveryMutation, Replay, testing::ValuesIn(kCases), NameOf);
INSTANTIATE_TEST_SUITE_P(EveryPlanner, DryRun, testing::ValuesIn(CasesWithDryRun()), NameOf);

TEST(Replay, HasACaseForEveryMutation) {
  ApiRoom api;
  std::set<std::string> tested;
  for (const Case& c : kCases) tested.insert(std::string("tallyman.v1.") + c.method);
  for (const auto& [name, method] : api.dispatcher.methods())
    EXPECT_EQ(tested.contains(name), method.mutates) << name;
}

}  // namespace
}  // namespace tallyman
