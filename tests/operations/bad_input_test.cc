// Bad input over every method: a typed error that says which field, no crash, nothing changed.
#include <fmt/core.h>

#include <limits>
#include <set>

#include "base/text.h"
#include "tests/operations/api_room.h"

namespace tallyman {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Reflection;

struct Case {
  const char* method;
  const char* request;  // a good one, every field that can be set
};

constexpr Case kCases[] = {
    {"AgentService/FetchCommands", "max_commands: 5"},
    {"AgentService/Join",
     R"(join_token: "tallyman_x" nonce: "0123456789abcdef" facts { hostname: "rack-7"
        capacity { cpu_cores: 1 memory_bytes: 1 disk_bytes: 1 } agent_version: "1" runtime: "r" })"},
    {"AgentService/Report",
     R"(sequence: 1
        acks { command_id: "00000000-0000-7000-8000-000000000000" attempt: 1 }
        outcomes { command_id: "00000000-0000-7000-8000-000000000000" attempt: 1
                   result: OUTCOME_RESULT_OK run_state: RUN_STATE_RUNNING message: "m"
                   running_config_id: "00000000-0000-7000-8000-000000000000"
                   retry_after { seconds: 1 } }
        status { complete: true agent_version: "1"
                 capacity { cpu_cores: 1 memory_bytes: 1 disk_bytes: 1 }
                 nodes { node_id: "00000000-0000-7000-8000-000000000000"
                         config_id: "00000000-0000-7000-8000-000000000000" image_uri: "u"
                         container_id: "c" run_state: RUN_STATE_RUNNING health: HEALTH_HEALTHY
                         limits { cpu_cores: 1 memory_bytes: 1 disk_bytes: 1 } } })"},
    {"AgentService/SendLog",
     R"(id: "00000000-0000-7000-8000-000000000000" part: 1 lost_lines: 1 end: true error: "e"
        lines { at { seconds: 1 } is_error: true text: "t" })"},
    {"AuditService/RunAudit", R"(hosts: "host-1" max_drifts: 5)"},
    {"AuditService/RepairDrift", R"(hosts: "host-1")"},
    {"CatalogService/CreateProtocol", R"(key: "p" name: "P" org: "acme")"},
    {"CatalogService/ListProtocols", R"(page_size: 2 filter: "key=chain" order_by: "key")"},
    {"CatalogService/ListProtocolVersions",
     R"(page_size: 2 filter: "protocol=chain" order_by: "id")"},
    {"CatalogService/CreateImages",
     R"(create_missing: true images { protocol: "chain" variant: "full" semantic_version: "9.0.0"
        image_uri: "docker://x" committed_at { seconds: 1 } org: "acme"
        minimum { cpu_cores: 1 memory_bytes: 1 disk_bytes: 1 }
        properties { key: "k" description: "d" default_value: "v" add { cpu_cores: 1 } }
        firewall_rules { key: "r" direction: FIREWALL_DIRECTION_IN action: FIREWALL_ACTION_ALLOW
                         transport: FIREWALL_TRANSPORT_TCP ips: "10.0.0.0/8" ports: 80 } })"},
    {"CatalogService/GetImage", R"(image: "chain/full@1.0.0")"},
    {"CatalogService/ListImages", R"(page_size: 2 filter: "protocol=chain" order_by: "id")"},
    {"CommandService/CancelCommand", R"(command_id: "00000000-0000-7000-8000-000000000000")"},
    {"CommandService/GetCommand", R"(command_id: "00000000-0000-7000-8000-000000000000")"},
    {"CommandService/ListCommands", R"(page_size: 2 filter: "state=open" order_by: "created_at"
        with_payloads: true)"},
    {"EventService/ListEvents", R"(page_size: 2 filter: "node=n-1" order_by: "time" after: "1")"},
    {"FleetService/GetOverview", R"(org: "acme")"},
    {"FleetService/ApplyFleet",
     R"(steps { create_nodes { image: "chain/full@1.0.0" org: "acme" name: "new" count: 1
                by_hosts { hosts { host: "host-1" count: 1 } } values { key: "archive" value: "on" } } })"},
    {"FleetService/ApplyFleet",
     R"(steps { update_node { node: "n-1" set_values { key: "archive" value: "on" } auto_upgrade: true } }
        steps { create_org { name: "o" } })"},
    {"HostService/CreateHosts",
     R"(hosts { name: "h" region: "eu" capacity { cpu_cores: 1 memory_bytes: 1 disk_bytes: 1 }
        capacity_policy: CAPACITY_POLICY_WARN })"},
    {"HostService/CordonHost", R"(host: "host-1" reason: "r" owner: "o")"},
    {"HostService/UncordonHost", R"(host: "host-1" owner: "o")"},
    {"HostService/DrainHosts", R"(hosts: "host-1" reason: "r" owner: "o")"},
    {"HostService/ResumeHosts", R"(hosts: "host-1" owner: "o")"},
    {"HostService/RetireHost", R"(host: "host-1" lost: true)"},
    {"HostService/GetHost", R"(host: "host-1")"},
    {"HostService/ListHosts",
     R"(page_size: 2 filter: "region=eu" order_by: "name" show_retired: true)"},
    {"HostService/UpdateHost",
     R"(host: "host-1" capacity { cpu_cores: 64 memory_bytes: 64 disk_bytes: 64 }
        capacity_policy: CAPACITY_POLICY_ENFORCE expected_version: 2)"},
    {"LedgerService/ListLedger",
     R"(host: "host-1" page_size: 2 filter: "kind=create" order_by: "seq")"},
    {"NodeService/CreateNodes",
     R"(image: "chain/full@1.0.0" org: "acme" name: "new" count: 1 by_hosts { hosts { host: "host-1" count: 1 } }
        values { key: "archive" value: "on" }
        firewall_rules { key: "r" direction: FIREWALL_DIRECTION_IN action: FIREWALL_ACTION_ALLOW })"},
    {"NodeService/CreateNodes",
     R"(image: "chain/full@1.0.0" org: "acme" name_prefix: "new" count: 2
        by_region { region: "eu" strategy: PLACEMENT_STRATEGY_PACK })"},
    {"NodeService/CreateNodes",
     R"(image: "chain/full@1.0.0" org: "acme" names: "new" names: "newer" by_region { region: "eu" })"},
    {"NodeService/GetNode", R"(node: "n-1")"},
    {"NodeService/ListNodes",
     R"(page_size: 2 filter: "org=acme" order_by: "name" show_deleted: true)"},
    {"NodeService/UpdateNode",
     R"(node: "n-1" set_values { key: "archive" value: "on" } auto_upgrade: true expected_version: 1
        set_firewall_rules { key: "r" direction: FIREWALL_DIRECTION_IN action: FIREWALL_ACTION_ALLOW }
        reset_firewall_rules: "s")"},
    {"NodeService/UpgradeNodes", R"(nodes: "n-1" image: "chain/full@1.1.0")"},
    {"NodeService/UpgradeNodes",
     R"(selector { protocol: "chain" variant: "full" semantic_version: "1.0.0" region: "eu" org: "acme" }
        image: "chain/full@1.1.0")"},
    {"NodeService/UpgradeNodes",
     R"(nodes: "n-1" image: "chain/full@1.1.0" begin_within { seconds: 60 })"},
    {"NodeService/RetryUpgrade", R"(node: "n-1" expected_version: 1)"},
    {"NodeService/MoveNodes", R"(nodes: "n-1" org: "beta")"},
    {"NodeService/StartNodes", R"(nodes: "n-1")"},
    {"NodeService/StopNodes", R"(nodes: "n-1")"},
    {"NodeService/RestartNodes", R"(nodes: "n-1")"},
    {"NodeService/DeleteNodes", R"(nodes: "n-1")"},
    {"OrgService/CreateOrg", R"(name: "o")"},
    {"OrgService/GetOrg", R"(org: "acme")"},
    {"OrgService/ListOrgs", R"(page_size: 2 filter: "name=acme" order_by: "name")"},
    {"OrgService/SetQuota",
     R"(org: "acme" set { node_count: 9 cpu_cores: 9 memory_bytes: 9 } reset: "disk_bytes")"},
    {"RegionService/CreateRegion", R"(name: "r")"},
    {"RegionService/ListRegions", R"(page_size: 2 filter: "name=eu" order_by: "name")"},
    {"RolloutService/CreateRollout",
     R"(name: "r" nodes: "n-1" nodes: "n-2" image: "chain/full@1.1.0" stages { nodes: 1 }
        stages { percent: 50 } pause_after: 1 max_failures: 1 max_in_flight: 2 per_host: 1
        soak { seconds: 60 } begin_within { seconds: 60 } healthy_within { seconds: 60 }
        no_progress { seconds: 60 } take_over: true)"},
    {"RolloutService/CreateRollout",
     R"(name: "r" selector { protocol: "chain" } image: "chain/full@1.1.0")"},
    {"RolloutService/GetRollout", R"(rollout: "first")"},
    {"RolloutService/ListRollouts", R"(page_size: 2 filter: "state=running" order_by: "name")"},
    {"RolloutService/ListRolloutNodes",
     R"(rollout: "first" page_size: 2 filter: "wave=1" order_by: "place")"},
    {"RolloutService/PauseRollout", R"(rollout: "first")"},
    {"RolloutService/ResumeRollout", R"(rollout: "first")"},
    {"RolloutService/AbortRollout", R"(rollout: "first")"},
    {"RolloutService/RetryRollout", R"(rollout: "first" skipped: true)"},
    {"RolloutService/RetryRollout", R"(rollout: "first" nodes: "n-1")"},
    {"RolloutService/RevertRollout", R"(rollout: "first" name: "back")"},
    {"UpgradePolicyService/SetUpgradePolicy",
     R"(name: "p" org: "acme" protocol: "chain" variant: "full" level: UPGRADE_LEVEL_MINOR
        version_range: ">=1.0.0 <2.0.0" pre_releases: true delay { seconds: 60 } disabled: true
        strategy { stages { nodes: 1 } stages { percent: 50 } pause_after: 1 max_failures: 1
                   max_in_flight: 2 per_host: 1 soak { seconds: 60 } begin_within { seconds: 60 }
                   healthy_within { seconds: 60 } no_progress { seconds: 60 } })"},
    {"UpgradePolicyService/GetUpgradePolicy", R"(policy: "first")"},
    {"UpgradePolicyService/ListUpgradePolicies",
     R"(page_size: 2 filter: "enabled=yes" order_by: "name")"},
    {"UpgradePolicyService/DeleteUpgradePolicy", R"(policy: "first" expected_version: 1)"},
    {"AuditService/ListRequests", R"(page_size: 2 filter: "actor=ci")"},
    {"TokenService/CreateToken",
     R"(name: "t" role: ROLE_HOST host: "host-1" lifetime { seconds: 60 })"},
    {"TokenService/ListTokens", R"(page_size: 2 filter: "name=ci" order_by: "name")"},
    {"TokenService/RevokeToken", R"(token: "t")"},
    {"TokenService/WhoAmI", ""},
};

const std::vector<std::string>& BadTexts() {
  static const std::vector<std::string> kTexts = {
      "",
      " ",
      "no-such-thing",
      "00000000-0000-7000-8000-000000000000",
      "00000000-0000-0000-0000-000000000000",
      "'; DROP TABLE nodes; --",
      "../../etc/passwd",
      "a b\tc\nd",
      "%s%n{}{0}",
      "größe",
      "\xff\xfe",
      "\xed\xa0\x80",
      std::string("a\0b", 3),
      "\x1b[31mred",
      std::string(101, 'n'),
      std::string(65'000, 'n'),
      std::string(size_t{10} << 20, 'n'),
      "a/b@1.0.0",
      "chain/full@2.0.0",
      "chain/full@2.0.0+99999999999999999999",
      "chain/full@1.0.0+0",
      "=",
      "name=\"",
      "cpu_cores=9223372036854775808",
      "desc",
      "-1",
      "9223372036854775807",
      "18446744073709551616",
  };
  return kTexts;
}

constexpr int64_t kBadNumbers[] = {std::numeric_limits<int64_t>::min(),
                                   std::numeric_limits<int64_t>::max(),
                                   -1,
                                   0,
                                   1,
                                   std::numeric_limits<int32_t>::max(),
                                   int64_t{1} << 40};

// What a refusal owes to its caller. A read-only look at the database is the caller's.
void ExpectTypedError(const Error& error, const std::string& what) {
  // The sixteen codes but those that say that the program, and not the request, is at fault.
  EXPECT_NE(error.code, Code::kInternal) << what << ": " << error.message;
  EXPECT_NE(error.code, Code::kUnknown) << what << ": " << error.message;
  EXPECT_NE(error.code, Code::kDataLoss) << what << ": " << error.message;
  EXPECT_NE(error.code, Code::kUnavailable) << what << ": " << error.message;
  EXPECT_FALSE(error.reason.empty()) << what;
  EXPECT_FALSE(error.message.empty()) << what;
  EXPECT_LT(error.message.size(), 4096u) << what << ": " << error.message.substr(0, 200);
  EXPECT_TRUE(IsUtf8(error.message)) << what;
  EXPECT_EQ(error.message.find('\x1b'), std::string::npos)
      << what << ": a control character came back";
  EXPECT_EQ(error.message.find('\0'), std::string::npos) << what;
  for (const auto& [key, value] : error.facts) {
    EXPECT_LT(value.size(), 4096u) << what << ": fact " << key;
    EXPECT_TRUE(IsUtf8(value)) << what << ": fact " << key;
  }
  EXPECT_LT(error.resource.size(), 1024u) << what;
  EXPECT_TRUE(IsUtf8(error.resource)) << what;
  if (error.code == Code::kInvalidArgument) {
    EXPECT_FALSE(error.Fact("field").empty()) << what << ": " << error.message;
  }
}

// Goes through every field of a good request, deep, and hands in the request with this one field
// spoilt.
class Spoiler {
 public:
  using Take = std::function<void(const Message&, const std::string&)>;
  Spoiler(const Message& good, const Take& take) : whole_(good.New()), take_(take) {
    whole_->CopyFrom(good);
  }
  void Run() { Visit(*whole_, ""); }

 private:
  void Give(const std::string& what) { take_(*whole_, what); }

  void Visit(Message& message, const std::string& path) {
    const auto* type = message.GetDescriptor();
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* field = type->field(i);
      std::string here = path.empty() ? field->name() : path + "." + field->name();
      // Choices that are not taken would push out the one that is.
      if (field->real_containing_oneof() != nullptr &&
          !message.GetReflection()->HasField(message, field))
        continue;
      std::unique_ptr<Message> saved(message.New());
      saved->CopyFrom(message);
      if (field->is_repeated()) {
        VisitList(message, *field, here);
      } else {
        VisitOne(message, *field, here);
      }
      message.CopyFrom(*saved);
    }
  }

  void VisitOne(Message& message, const FieldDescriptor& field, const std::string& here) {
    const Reflection& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        for (const std::string& text : BadTexts()) {
          reflection.SetString(&message, &field, text);
          Give(here + " = " + Quote(text));
        }
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        for (int64_t number : kBadNumbers) {
          reflection.SetInt64(&message, &field, number);
          Give(fmt::format("{} = {}", here, number));
        }
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        for (int64_t number : kBadNumbers) {
          reflection.SetInt32(&message, &field, static_cast<int32_t>(number));
          Give(fmt::format("{} = {}", here, static_cast<int32_t>(number)));
        }
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        for (int number :
             {-1, 0, 99, std::numeric_limits<int>::max(), std::numeric_limits<int>::min()}) {
          reflection.SetEnumValue(&message, &field, number);
          Give(fmt::format("{} = {}", here, number));
        }
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection.SetBool(&message, &field, !reflection.GetBool(message, &field));
        Give(here + " turned round");
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        if (reflection.HasField(message, &field))
          Visit(*reflection.MutableMessage(&message, &field), here);
        reflection.ClearField(&message, &field);
        Give(here + " unset");
        reflection.MutableMessage(&message, &field)->Clear();
        Give(here + " empty");
        break;
      default:
        FAIL() << "a type that this test does not know: " << here;
    }
  }

  void VisitList(Message& message, const FieldDescriptor& field, const std::string& here) {
    const Reflection& reflection = *message.GetReflection();
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (reflection.FieldSize(message, &field) > 0) {
        Visit(*reflection.MutableRepeatedMessage(&message, &field, 0), here + "[0]");
        // The same item twice.
        Message* again = reflection.AddMessage(&message, &field);
        again->CopyFrom(reflection.GetRepeatedMessage(message, &field, 0));
        Give(here + " doubled");
      }
      reflection.ClearField(&message, &field);
      Give(here + " empty");
      reflection.AddMessage(&message, &field);
      Give(here + " with an empty item");
      return;
    }
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      for (const std::string& text : BadTexts()) {
        reflection.ClearField(&message, &field);
        reflection.AddString(&message, &field, text);
        Give(here + "[0] = " + Quote(text));
      }
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_UINT32) {
      for (uint32_t number : {0u, 65536u, std::numeric_limits<uint32_t>::max()}) {
        reflection.ClearField(&message, &field);
        reflection.AddUInt32(&message, &field, number);
        Give(fmt::format("{}[0] = {}", here, number));
      }
    }
    reflection.ClearField(&message, &field);
    Give(here + " empty");
  }

  std::unique_ptr<Message> whole_;
  const Take& take_;
};

class BadInput : public testing::TestWithParam<Case> {
 protected:
  // Fails where a refusal, or a read, changes something; what a good request changed is the new
  // state.
  void Try(const Message& request, const std::string& what) {
    ++tries_;
    MessageResult answer = api.Call(GetParam().method, request, Caller());
    std::string after = api.Dump();
    if (!answer) {
      ++refusals_;
      ExpectTypedError(answer.error(), what);
    }
    if (!answer || !(Method().mutates || Method().of_hosts)) {
      EXPECT_TRUE(after == dump_) << what << " changed something";
    } else if (after != dump_) {
      EXPECT_TRUE(api.IsBalanced()) << what;
    }
    dump_ = std::move(after);
  }
  const api::Method& Method() const {
    return api.dispatcher.methods().find(std::string("tallyman.v1.") + GetParam().method)->second;
  }

  // Somebody who may.
  Actor Caller() const {
    const std::string method = GetParam().method;
    if (method == "AgentService/Join") return {.id = "stranger", .role = Role::kJoin};
    if (!method.starts_with("AgentService/")) return api.admin;
    return {.id = "agent.host-1", .role = Role::kHost, .host_id = host_};
  }
  HostId HostOne() const {
    HostId id;
    Status status = api.room.store->Read([&](store::ReadTx& tx) -> Status {
      ASSIGN_OR_RETURN(auto row, tx.FindHost("host-1"));
      id = row->host.id;
      return {};
    });
    EXPECT_TRUE(status);
    return id;
  }

  ApiRoom api;
  HostId host_ = HostOne();
  std::string dump_ = api.Dump();
  int tries_ = 0;
  int refusals_ = 0;
};

TEST_P(BadInput, IsRefusedWithATypedErrorAndChangesNothing) {
  auto good = api.Parse(GetParam().method, GetParam().request);
  Try(*api.dispatcher.NewRequest(std::string("tallyman.v1.") + GetParam().method),
      "the empty request");
  const Spoiler::Take take = [&](const Message& request, const std::string& what) {
    Try(request, what);
  };
  Spoiler spoiler(*good, take);
  spoiler.Run();
  EXPECT_TRUE(api.IsBalanced());
  if (good->GetDescriptor()->field_count() == 0) {
    // There is nothing to spoil.
    EXPECT_EQ(tries_, 1);
    EXPECT_EQ(refusals_, 0);
    return;
  }
  // FetchCommands has one field.
  EXPECT_GT(tries_, Method().of_hosts ? 7 : 20);
  EXPECT_GT(refusals_, Method().of_hosts ? 1 : 5);
}

INSTANTIATE_TEST_SUITE_P(EveryMethod, BadInput, testing::ValuesIn(kCases), [](const auto& param) {
  std::string name = param.param.method;
  return std::to_string(param.index) + "_" + name.substr(name.find('/') + 1);
});

TEST(BadInput, HasACaseForEveryMethod) {
  ApiRoom api;
  std::set<std::string> tested;
  for (const Case& c : kCases) tested.insert(std::string("tallyman.v1.") + c.method);
  EXPECT_EQ(tested.size(), api.dispatcher.methods().size());
}

TEST(BadInput, ListsOfMoreItemsThanARequestMayHaveAreRefused) {
  ApiRoom api;
  auto request = api.Parse("NodeService/UpgradeNodes", R"(image: "chain/full@1.1.0")");
  const auto* nodes = request->GetDescriptor()->FindFieldByName("nodes");
  for (int i = 0; i < 100'001; ++i)
    request->GetReflection()->AddString(request.get(), nodes, "n-1");
  const std::string before = api.Dump();
  MessageResult answer = api.Call("NodeService/UpgradeNodes", *request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, "TOO_MANY_ITEMS");
  EXPECT_EQ(api.Dump(), before);
}

TEST(BadInput, OneNodeNamedManyTimesCountsOnce) {
  ApiRoom api;
  MessageResult answer =
      api.Call("NodeService/UpgradeNodes",
               R"(nodes: "n-1" nodes: "n-2" nodes: "n-1" image: "chain/full@1.1.0")");
  ASSERT_TRUE(answer) << TextOf(answer);
  EXPECT_NE((*answer)->DebugString().find("n-2"), std::string::npos);
  EXPECT_TRUE(api.IsBalanced());
}

TEST(BadInput, AnUnknownNodeAmongKnownOnesIsNamedAndNothingHappens) {
  ApiRoom api;
  const std::string before = api.Dump();
  MessageResult answer = api.Call("NodeService/UpgradeNodes",
                                  R"(nodes: "n-1" nodes: "ghost" image: "chain/full@1.1.0")");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, Code::kNotFound);
  EXPECT_NE(answer.error().message.find("ghost"), std::string::npos);
  EXPECT_EQ(api.Dump(), before);
}

}  // namespace
}  // namespace tallyman
