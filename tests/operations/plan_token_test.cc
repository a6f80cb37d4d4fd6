// Every method that makes plans: a plan is applied only if it would still be exactly that.
#include <set>

#include "tests/operations/api_room.h"
#include "tests/operations/rollout_rows.h"

namespace tallyman {
namespace {

// What makes the plan another one: a call, or SQL.
struct Case {
  const char* method;
  const char* request;
  const char* meddle_method;
  const char* meddle_request;
  const char* before = "";
};

constexpr const char* kSql = "SQL";
constexpr const char* kNoOpenCommands = "UPDATE commands SET state = 'settled'";

constexpr Case kCases[] = {
    {"HostService/UpdateHost",
     R"(host: "host-1" capacity { cpu_cores: 99 memory_bytes: 99 disk_bytes: 99 })",
     "NodeService/CreateNodes",
     R"(image: "chain/full@1.0.0" org: "acme" name: "late" by_hosts { hosts { host: "host-1" count: 1 } })"},
    {"FleetService/ApplyFleet",
     R"(steps { create_org { name: "gamma" } }
        steps { upgrade_nodes { nodes: "n-1" image: "chain/full@1.1.0" } }
        steps { update_node { node: "n-1" set_values { key: "archive" value: "on" } } }
        steps { update_host { host: "host-1" capacity_policy: CAPACITY_POLICY_WARN } }
        steps { create_nodes { image: "chain/full@1.0.0" org: "gamma" names: "x"
                by_hosts { hosts { host: "host-1" count: 1 } } } })",
     "NodeService/CreateNodes",
     R"(image: "chain/full@1.0.0" org: "acme" name: "late" by_hosts { hosts { host: "host-1" count: 1 } })"},
    {"FleetService/ApplyFleet",
     R"(steps { upgrade_nodes { nodes: "n-1" image: "chain/full@1.1.0" } })",
     "NodeService/UpdateNode", R"(node: "n-1" set_values { key: "archive" value: "on" })"},
    {"HostService/DrainHosts", R"(hosts: "host-1")", "NodeService/CreateNodes",
     R"(image: "chain/full@1.0.0" org: "acme" name: "late" by_hosts { hosts { host: "host-1" count: 1 } })"},
    {"HostService/ResumeHosts", R"(hosts: "host-1")", "HostService/CordonHost", R"(host: "host-1")",
     "UPDATE hosts SET cordoned = (1 = 1); INSERT INTO host_claims SELECT id, 'tester', 'drain', "
     "'', 'tester', 1 FROM hosts"},
    {"HostService/RetireHost", R"(host: "host-1" lost: true)", "NodeService/CreateNodes",
     R"(image: "chain/full@1.0.0" org: "acme" name: "late" by_hosts { hosts { host: "host-1" count: 1 } })"},
    {"NodeService/CreateNodes",
     R"(image: "chain/full@1.0.0" org: "acme" name: "x" by_hosts { hosts { host: "host-1" count: 1 } })",
     "NodeService/CreateNodes",
     R"(image: "chain/full@1.0.0" org: "acme" name: "late" by_hosts { hosts { host: "host-1" count: 1 } })"},
    {"NodeService/CreateNodes",
     R"(image: "chain/full@1.0.0" org: "acme" name_prefix: "n" by_region { region: "eu" })",
     "NodeService/CreateNodes",
     R"(image: "chain/full@1.0.0" org: "acme" name_prefix: "n" by_region { region: "eu" })"},
    {"NodeService/UpdateNode", R"(node: "n-1" set_values { key: "archive" value: "on" })",
     "NodeService/MoveNodes", R"(nodes: "n-1" org: "beta")", kNoOpenCommands},
    {"NodeService/UpgradeNodes", R"(nodes: "n-1" nodes: "n-2" image: "chain/full@1.1.0")",
     "NodeService/UpgradeNodes", R"(nodes: "n-2" image: "chain/full@2.0.0+1")"},
    {"NodeService/UpgradeNodes", R"(selector { protocol: "chain" } image: "chain/full@1.1.0")",
     "NodeService/CreateNodes",
     R"(image: "chain/full@1.0.0" org: "acme" name: "late" by_region { region: "eu" })"},
    {"NodeService/RetryUpgrade", R"(node: "n-1")", "NodeService/MoveNodes",
     R"(nodes: "n-1" org: "beta")",
     "UPDATE commands SET state = 'settled'; UPDATE nodes SET node_state = 'failed' WHERE name = "
     "'n-1'"},
    {"NodeService/MoveNodes", R"(nodes: "n-1" org: "beta")", "NodeService/MoveNodes",
     R"(nodes: "n-1" org: "beta")", kNoOpenCommands},
    {"NodeService/StartNodes", R"(nodes: "n-1")", "NodeService/MoveNodes",
     R"(nodes: "n-1" org: "beta")", kNoOpenCommands},
    {"NodeService/StopNodes", R"(nodes: "n-1")", "NodeService/MoveNodes",
     R"(nodes: "n-1" org: "beta")", kNoOpenCommands},
    {"NodeService/RestartNodes", R"(nodes: "n-1")", "NodeService/MoveNodes",
     R"(nodes: "n-1" org: "beta")", kNoOpenCommands},
    {"NodeService/DeleteNodes", R"(nodes: "n-1")", "NodeService/UpgradeNodes",
     R"(nodes: "n-1" image: "chain/full@1.1.0")"},
    {"CommandService/CancelCommand", R"(command_id: "$COMMAND")", "NodeService/UpgradeNodes",
     R"(nodes: "n-1" image: "chain/full@1.1.0")", "UPDATE commands SET kind = 'node_stop'"},
    {"RolloutService/CreateRollout",
     R"(name: "r" nodes: "n-1" nodes: "n-2" image: "chain/full@1.1.0")", "NodeService/UpgradeNodes",
     R"(nodes: "n-2" image: "chain/full@2.0.0+1")"},
    {"RolloutService/RevertRollout", R"(rollout: "r")", "NodeService/UpgradeNodes",
     R"(nodes: "n-2" image: "chain/full@2.0.0+1")",
     ROLLOUT_WITH("healthy",
                  "'n-1', 'n-2'") "; UPDATE commands SET state = 'settled', ended_at = 1"},
    {"AuditService/RepairDrift", "", kSql,
     "UPDATE hosts SET node_disk_bytes = 7 WHERE name = 'host-2'",
     "UPDATE hosts SET node_cpu_cores = node_cpu_cores + 5 WHERE name = 'host-1'"},
};

// Fields of the answer, which stand in it or in its `changes`.
const Message& TableOf(const Message& answer) {
  const auto* changes = answer.GetDescriptor()->FindFieldByName("changes");
  return changes == nullptr ? answer : answer.GetReflection()->GetMessage(answer, changes);
}

std::string TokenIn(const Message& answer) {
  const Message& table = TableOf(answer);
  return table.GetReflection()->GetString(table,
                                          table.GetDescriptor()->FindFieldByName("plan_token"));
}

bool AppliedIn(const Message& answer) {
  const Message& table = TableOf(answer);
  return table.GetReflection()->GetBool(table, table.GetDescriptor()->FindFieldByName("applied"));
}

class PlanTokens : public testing::TestWithParam<Case> {
 protected:
  void Prepare() {
    if (*GetParam().before != '\0') api.Sql(GetParam().before);
  }
  std::string Plan() {
    before_plan = api.Dump();
    MessageResult plan =
        api.Call(GetParam().method, std::string(GetParam().request) + " dry_run: true");
    EXPECT_TRUE(plan) << TextOf(plan);
    if (!plan) return "";
    EXPECT_FALSE(AppliedIn(**plan));
    EXPECT_EQ(api.Dump(), before_plan) << "a dry run wrote something";
    EXPECT_EQ(TokenIn(**plan).size(), 64u);
    return TokenIn(**plan);
  }
  MessageResult Apply(const std::string& token) {
    return api.Call(GetParam().method,
                    std::string(GetParam().request) + " plan_token: \"" + token + "\"");
  }

  ApiRoom api;
  std::string before_plan;
};

TEST_P(PlanTokens, ApplyThePlanThatWasShown) {
  Prepare();
  std::string token = Plan();
  EXPECT_EQ(Plan(), token) << "the same plan has the same token";
  api.room.clock.Advance(std::chrono::minutes(5));
  MessageResult done = Apply(token);
  ASSERT_TRUE(done) << TextOf(done);
  EXPECT_TRUE(AppliedIn(**done));
  EXPECT_EQ(TokenIn(**done), token);
  EXPECT_NE(api.Dump(), before_plan);
  EXPECT_TRUE(api.IsBalanced());
}

TEST_P(PlanTokens, AreRefusedOnceThePlanWouldBeAnotherOne) {
  Prepare();
  std::string token = Plan();
  if (GetParam().meddle_method == kSql) {
    api.Sql(GetParam().meddle_request);
  } else {
    api.Must(GetParam().meddle_method, GetParam().meddle_request);
  }
  const std::string before = api.Dump();
  MessageResult refused = Apply(token);
  ASSERT_FALSE(refused) << TextOf(refused);
  EXPECT_EQ(api.Dump(), before);
  EXPECT_EQ(refused.error().code, Code::kAborted) << TextOf(refused);
  EXPECT_EQ(refused.error().reason, "PLAN_STALE") << TextOf(refused);
  MessageResult checked =
      api.Call(GetParam().method,
               std::string(GetParam().request) + " dry_run: true plan_token: \"" + token + "\"");
  ASSERT_FALSE(checked) << "a dry run with a token checks whether the plan still holds";
  EXPECT_EQ(checked.error().reason, "PLAN_STALE");
}

TEST_P(PlanTokens, AreRefusedWhenTheyAreNone) {
  Prepare();
  Plan();
  for (const char* token :
       {"x", "0000000000000000000000000000000000000000000000000000000000000000"}) {
    MessageResult refused = Apply(token);
    ASSERT_FALSE(refused) << TextOf(refused);
    EXPECT_EQ(refused.error().reason, "PLAN_STALE");
    EXPECT_EQ(api.Dump(), before_plan);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryPlanner, PlanTokens, testing::ValuesIn(kCases),
                         [](const auto& param) {
                           std::string name = param.param.method;
                           return std::to_string(param.index) + "_" +
                                  name.substr(name.find('/') + 1);
                         });

TEST(PlanTokens, HaveACaseForEveryMethodThatTakesThem) {
  ApiRoom api;
  std::set<std::string> tested;
  for (const Case& c : kCases) tested.insert(std::string("tallyman.v1.") + c.method);
  for (const auto& [name, method] : api.dispatcher.methods()) {
    bool takes = method.request->GetDescriptor()->FindFieldByName("plan_token") != nullptr;
    EXPECT_EQ(tested.contains(name), takes) << name;
  }
}

}  // namespace
}  // namespace tallyman
