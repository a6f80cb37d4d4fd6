// Several requests as one: all of their steps, each on what those before it left, or none.
#include <gmock/gmock.h>

#include "tallyman/v1/audit.pb.h"
#include "tallyman/v1/event.pb.h"
#include "tallyman/v1/fleet.pb.h"
#include "tallyman/v1/node.pb.h"
#include "tests/operations/api_room.h"

namespace tallyman {
namespace {

using testing::HasSubstr;

constexpr const char* kApply = "FleetService/ApplyFleet";

// Each needs what the one before it made.
constexpr const char* kNewRegion = R"(
    steps { create_org { name: "gamma" } }
    steps { create_region { name: "us" } }
    steps { create_images { create_missing: true images {
        protocol: "late" variant: "v" semantic_version: "1.0.0" image_uri: "u" org: "gamma"
        minimum { cpu_cores: 1 memory_bytes: 1 disk_bytes: 1 } } } }
    steps { create_hosts { hosts { name: "us-1" region: "us"
        capacity { cpu_cores: 2 memory_bytes: 9 disk_bytes: 9 }
        capacity_policy: CAPACITY_POLICY_ENFORCE } } }
)";

std::string WithNodes(int count) {
  std::string names;
  for (int i = 1; i <= count; ++i) names += " names: \"late-" + std::to_string(i) + "\"";
  return std::string(kNewRegion) + R"(steps { create_nodes { image: "late/v@1.0.0" org: "gamma")" +
         names + R"( by_region { region: "us" } } })";
}

std::string Text(const MessageResult& answer) { return TextOf(answer); }

TEST(ApplyFleet, EveryStepHasAMethodAndItsResult) {
  ApiRoom api;
  const auto* steps = v1::FleetStep::descriptor();
  const auto* results = v1::FleetStepResult::descriptor();
  ASSERT_EQ(steps->field_count(), results->field_count());
  for (int i = 0; i < steps->field_count(); ++i) {
    const auto* step = steps->field(i);
    const auto* result = results->FindFieldByNumber(step->number());
    ASSERT_NE(result, nullptr) << step->name();
    EXPECT_EQ(result->name(), step->name());
    const bool found = std::ranges::any_of(api.dispatcher.methods(), [&](const auto& method) {
      return method.second.mutates &&
             method.second.request->GetDescriptor() == step->message_type() &&
             method.second.response->GetDescriptor() == result->message_type();
    });
    EXPECT_TRUE(found) << step->name();
  }
}

TEST(ApplyFleet, EachStepSeesWhatTheOnesBeforeItLeft) {
  ApiRoom api;
  const auto answer = api.Must(kApply, WithNodes(2));
  const auto& response = static_cast<const v1::ApplyFleetResponse&>(*answer);
  EXPECT_TRUE(response.applied());
  ASSERT_EQ(response.results_size(), 5);
  EXPECT_TRUE(response.results(4).create_nodes().changes().applied());
  EXPECT_EQ(response.results(4).create_nodes().changes().hosts(0).books_after().node_count(), 2);
  const auto node = api.Must("NodeService/GetNode", R"(node: "late-2")");
  EXPECT_EQ(static_cast<const v1::GetNodeResponse&>(*node).node().host(), "us-1");
  EXPECT_TRUE(api.IsBalanced());
}

TEST(ApplyFleet, ARefusedStepLeavesNothingOfTheOthersAlsoInADryRun) {
  ApiRoom api;
  const std::string before = api.Dump();
  for (const char* dry_run : {"", " dry_run: true"}) {
    const auto answer = api.Call(kApply, WithNodes(3) + dry_run);
    ASSERT_FALSE(answer) << Text(answer);
    EXPECT_EQ(answer.error().reason, "NO_HOST_FITS") << Text(answer);
    EXPECT_EQ(answer.error().Fact("step"), "4");
    EXPECT_TRUE(api.Dump() == before);
  }
}

TEST(ApplyFleet, ADryRunShowsWhatIsAppliedAndItsTokenAppliesIt) {
  ApiRoom api;
  const std::string before = api.Dump();
  const auto shown = api.Must(kApply, WithNodes(2) + " dry_run: true");
  EXPECT_TRUE(api.Dump() == before);
  const auto& plan = static_cast<const v1::ApplyFleetResponse&>(*shown);
  EXPECT_FALSE(plan.applied());
  const v1::Changes& changes = plan.results(4).create_nodes().changes();
  EXPECT_FALSE(changes.applied());
  EXPECT_EQ(changes.nodes(0).host(), "us-1");
  EXPECT_EQ(changes.nodes(0).node_id(), "");
  EXPECT_EQ(plan.results(0).create_org().org().id(), "");
  api.room.clock.Advance(std::chrono::minutes(1));
  const auto other = api.Call(kApply, WithNodes(1) + " plan_token: \"" + plan.plan_token() + "\"");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().reason, "PLAN_STALE");
  EXPECT_TRUE(api.Dump() == before);
  api.Must(kApply, WithNodes(2) + " plan_token: \"" + plan.plan_token() + "\"");
  EXPECT_TRUE(api.IsBalanced());
}

// What a step sets without a trace in the books is part of the plan as well.
TEST(ApplyFleet, ATokenIsOfTheStepsToo) {
  ApiRoom api;
  const auto plan = [&](const char* rule) {
    return std::string(R"(steps { update_node { node: "n-1" set_firewall_rules { key: ")") + rule +
           R"(" direction: FIREWALL_DIRECTION_IN action: FIREWALL_ACTION_ALLOW } } })";
  };
  const auto shown = api.Must(kApply, plan("a") + " dry_run: true");
  const std::string token = static_cast<const v1::ApplyFleetResponse&>(*shown).plan_token();
  EXPECT_FALSE(api.Call(kApply, plan("b") + " plan_token: \"" + token + "\""));
  EXPECT_TRUE(api.Call(kApply, plan("a") + " plan_token: \"" + token + "\""));
}

TEST(ApplyFleet, EachStepNeedsItsOwnPermission) {
  ApiRoom api;
  const std::string before = api.Dump();
  const auto request =
      api.Parse(kApply, R"(steps { upgrade_nodes { nodes: "n-1" image: "chain/full@1.1.0" } }
                 steps { create_org { name: "gamma" } })");
  const auto answer = api.Call(kApply, *request, {.id = "op", .role = Role::kOperator});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, "NOT_PERMITTED");
  EXPECT_THAT(answer.error().message, HasSubstr("OrgService/CreateOrg"));
  EXPECT_TRUE(api.Dump() == before);
}

TEST(ApplyFleet, IsOneRowOfTheAuditTrailAndOneCause) {
  ApiRoom api;
  api.Must(kApply, WithNodes(2) + " request_id: \"once\"");
  const auto trail = api.Must("AuditService/ListRequests", R"(filter: "request_id=once")");
  const auto& rows = static_cast<const v1::ListRequestsResponse&>(*trail);
  ASSERT_EQ(rows.requests_size(), 1);
  EXPECT_EQ(rows.requests(0).method(), kApply);
  const auto listed = api.Must("EventService/ListEvents", R"(page_size: 1000)");
  const auto& events = static_cast<const v1::ListEventsResponse&>(*listed).events();
  EXPECT_EQ(std::ranges::count_if(events,
                                  [](const auto& event) {
                                    return event.cause().request_id() == "once" &&
                                           event.kind() == "node_created";
                                  }),
            2);
}

// Also where the steps could be carried out again.
TEST(ApplyFleet, HappensOnceUnderOneId) {
  ApiRoom api;
  const auto update = [&](const char* value) {
    return api.Call(kApply, std::string(R"(request_id: "once" steps { update_node { node: "n-1"
                     set_values { key: "archive" value: ")") +
                                value + R"(" } } })");
  };
  const auto first = update("on");
  ASSERT_TRUE(first) << Text(first);
  const std::string after = api.Dump();
  const auto again = update("on");
  ASSERT_TRUE(again) << Text(again);
  EXPECT_EQ(api::Serialize(**again), api::Serialize(**first));
  EXPECT_EQ(update("off").error().reason, "REQUEST_ID_REUSED");
  EXPECT_TRUE(api.Dump() == after);
}

TEST(ApplyFleet, StepsSayNothingThatIsOfTheWhole) {
  ApiRoom api;
  const std::string before = api.Dump();
  for (const char* own : {R"(request_id: "x")", "dry_run: true", R"(plan_token: "x")"}) {
    const auto answer =
        api.Call(kApply, std::string(R"(steps { delete_nodes { nodes: "n-1" )") + own + " } }");
    ASSERT_FALSE(answer) << own;
    EXPECT_EQ(answer.error().reason, "STEP_STANDS_ALONE");
  }
  EXPECT_EQ(api.Call(kApply, "steps { }").error().reason, "EMPTY_STEP");
  EXPECT_TRUE(api.Dump() == before);
}

// Drift that is met on the way is healed within the step that meets it.
TEST(ApplyFleet, HealsDriftAsItsStepsDoAlone) {
  ApiRoom api;
  api.Sql("UPDATE hosts SET node_cpu_cores = node_cpu_cores + 5 WHERE name = 'host-1'");
  const auto answer =
      api.Must(kApply, R"(steps { create_nodes { image: "chain/full@1.0.0" org: "acme" names: "x"
                 by_hosts { hosts { host: "host-1" count: 1 } } } }
                 steps { create_nodes { image: "chain/full@1.0.0" org: "acme" names: "y"
                 by_hosts { hosts { host: "host-1" count: 1 } } } })");
  const auto& response = static_cast<const v1::ApplyFleetResponse&>(*answer);
  EXPECT_EQ(response.results(0).create_nodes().changes().hosts(0).corrections_size(), 1);
  EXPECT_EQ(response.results(1).create_nodes().changes().hosts(0).corrections_size(), 0);
  EXPECT_TRUE(api.IsBalanced());
}

}  // namespace
}  // namespace tallyman
