// Who may do what: the table that the code goes by, tried out method by method through the one
// door, for every role, with a token of all orgs, of the org whose things are touched, and of
// another.
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "control/authorize.h"
#include "control/reads/watch_events.h"
#include "tallyman/v1/command.pb.h"
#include "tallyman/v1/event.pb.h"
#include "tallyman/v1/node.pb.h"
#include "tests/operations/api_room.h"
#include "tests/support/wait.h"

namespace tallyman {
namespace {

using namespace tallyman::control;

// A call about things of org acme. $HOST is the host of node n-1, $COMMAND a command of it.
struct Case {
  const char* method;
  const char* request;
  // What an answer shows to who sees acme's things; "": to be answered at all is enough.
  const char* marker = "";
  bool is_everybodys = false;  // it is about no org
  bool is_callers = false;     // it is about whoever calls
};

constexpr Case kCases[] = {
    {"AuditService/ListRequests", "", "acme-did-it"},
    {"AuditService/RepairDrift", ""},
    {"AuditService/RunAudit", "", "n-1"},
    {"CatalogService/CreateImages",
     R"(create_missing: true images { protocol: "p" variant: "v" semantic_version: "1.0.0"
        image_uri: "u" minimum { cpu_cores: 1 memory_bytes: 1 disk_bytes: 1 } })"},
    {"CatalogService/CreateProtocol", R"(key: "other")"},
    {"CatalogService/GetImage", R"(image: "private/full@1.0.0")"},
    {"CatalogService/ListImages", "", "private/full"},
    {"CatalogService/ListProtocolVersions", "", "private"},
    {"CatalogService/ListProtocols", "", "private"},
    {"CommandService/CancelCommand", R"(command_id: "$STOP")"},
    {"CommandService/GetCommand", R"(command_id: "$COMMAND")"},
    {"CommandService/ListCommands", "", "n-1"},
    {"EventService/ListEvents", "", "n-1"},
    {"EventService/WatchEvents", R"(after: "0")", "n-1"},
    {"FleetService/GetOverview", R"(org: "acme")", "NODES_FAILED"},
    {"FleetService/GetOverview", "", "NODES_FAILED"},
    {"FleetService/ApplyFleet",
     R"(steps { create_nodes { image: "chain/full@1.0.0" org: "acme" name: "new" by_region { region: "eu" } } })"},
    {"HostService/CordonHost", R"(host: "$HOST")"},
    {"HostService/CreateHosts",
     R"(hosts { name: "h" region: "eu" capacity { cpu_cores: 1 memory_bytes: 1 disk_bytes: 1 } })"},
    {"HostService/DrainHosts", R"(hosts: "$HOST")"},
    {"HostService/GetHost", R"(host: "$HOST")", "", true},
    {"HostService/ListHosts", "", "name: \"$HOST\"", true},
    {"HostService/ResumeHosts", R"(hosts: "$HOST")"},
    {"HostService/RetireHost", R"(host: "$HOST" lost: true)"},
    {"HostService/UncordonHost", R"(host: "$HOST")"},
    {"HostService/UpdateHost", R"(host: "$HOST" capacity_policy: CAPACITY_POLICY_ENFORCE)"},
    {"LedgerService/ListLedger", R"(node: "n-1")"},
    {"LedgerService/ListLedger", R"(host: "$HOST")", "host: \"$HOST\"", true},
    {"NodeService/CreateNodes",
     R"(image: "chain/full@1.0.0" org: "acme" name: "new" by_region { region: "eu" })"},
    {"NodeService/DeleteNodes", R"(nodes: "n-1")"},
    {"NodeService/GetNode", R"(node: "n-1")"},
    {"NodeService/ListNodes", "", "n-1"},
    {"NodeService/MoveNodes", R"(nodes: "n-2" org: "acme" dry_run: true)"},
    {"NodeService/RestartNodes", R"(nodes: "n-1")"},
    {"NodeService/RetryUpgrade", R"(node: "n-4")"},
    {"NodeService/StartNodes", R"(nodes: "n-1")"},
    {"NodeService/StopNodes", R"(nodes: "n-1")"},
    {"NodeService/StreamNodeLogs", R"(node: "n-1")"},
    {"NodeService/UpdateNode", R"(node: "n-2" set_values { key: "archive" value: "on" })"},
    {"NodeService/UpgradeNodes", R"(nodes: "n-2" image: "chain/full@1.1.0")"},
    {"OrgService/CreateOrg", R"(name: "gamma")"},
    {"OrgService/GetOrg", R"(org: "acme")"},
    {"OrgService/ListOrgs", "", "acme"},
    {"OrgService/SetQuota", R"(org: "acme" set { node_count: 1000 })"},
    {"RegionService/CreateRegion", R"(name: "us")"},
    {"RegionService/ListRegions", "", "eu", true},
    {"RolloutService/AbortRollout", R"(rollout: "acme-rollout")"},
    {"RolloutService/CreateRollout", R"(name: "new" nodes: "n-2" image: "chain/full@1.1.0")"},
    {"RolloutService/GetRollout", R"(rollout: "acme-rollout")"},
    {"RolloutService/ListRolloutNodes", R"(rollout: "acme-rollout")"},
    {"RolloutService/ListRollouts", "", "acme-rollout"},
    {"RolloutService/PauseRollout", R"(rollout: "acme-rollout")"},
    {"RolloutService/ResumeRollout", R"(rollout: "acme-rollout")"},
    {"RolloutService/RetryRollout", R"(rollout: "acme-old" skipped: true)"},
    {"RolloutService/RevertRollout", R"(rollout: "acme-old")"},
    {"TokenService/CreateToken", R"(name: "new" role: ROLE_VIEWER org: "acme")"},
    {"TokenService/ListTokens", "", "acme-token"},
    {"TokenService/RevokeToken", R"(token: "acme-token")"},
    {"TokenService/WhoAmI", "", "actor: \"somebody\"", false, true},
    {"UpgradePolicyService/DeleteUpgradePolicy", R"(policy: "acme-policy")"},
    {"UpgradePolicyService/GetUpgradePolicy", R"(policy: "acme-policy")"},
    {"UpgradePolicyService/ListUpgradePolicies", "", "acme-policy"},
    {"UpgradePolicyService/SetUpgradePolicy",
     R"(name: "new" org: "acme" protocol: "chain" variant: "other")"},
};

enum class Binding { kAll, kOwn, kForeign };
enum class Outcome { kDenied, kHidden, kDone };

const char* WordOf(Outcome outcome) {
  return outcome == Outcome::kDenied ? "denied" : outcome == Outcome::kHidden ? "hidden" : "done";
}

// A fleet with everything that the cases speak of.
struct World {
  World() {
    api.Must("CatalogService/CreateProtocol", R"(key: "private" org: "acme")");
    api.Must("CatalogService/CreateImages",
             R"(images { protocol: "private" variant: "full" semantic_version: "1.0.0" org: "acme"
                image_uri: "u" minimum { cpu_cores: 1 memory_bytes: 1 disk_bytes: 1 } })");
    api.Must("TokenService/CreateToken", R"(name: "acme-token" role: ROLE_OPERATOR org: "acme")");
    const Actor operator_of_acme = ActorOf(Role::kOperator, Binding::kOwn);
    auto stop = api.Parse("NodeService/StopNodes", R"(nodes: "n-3" request_id: "acme-did-it")");
    EXPECT_TRUE(api.Call("NodeService/StopNodes", *stop, operator_of_acme));
    api.Must("RolloutService/CreateRollout",
             R"(name: "acme-rollout" nodes: "n-3" image: "chain/full@1.1.0")");
    // One that has upgraded a node, and skipped another.
    api.Must("NodeService/CreateNodes",
             R"(image: "chain/full@1.0.0" org: "acme" names: "old" by_region { region: "eu" })");
    api.Sql(
        "UPDATE commands SET state = 'settled', ended_at = 1 WHERE node_id = (SELECT id FROM nodes "
        "WHERE name = 'old');"
        "INSERT INTO rollouts SELECT o.id, 'acme-old', r.org_id, r.image_id, 'paused', '', 0, "
        "r.created_by, 1, 1, 1, NULL, r.plan, NULL FROM rollouts r, orgs o WHERE o.name = 'acme';"
        "INSERT INTO rollout_nodes SELECT r.id, n.id, n.host_id, 0, 1, CASE n.name WHEN 'old' THEN "
        "'healthy' ELSE 'skipped' END, '', n.config_id, (SELECT c.id FROM commands c WHERE "
        "c.node_id = n.id), NULL, NULL, NULL, NULL, 1 = 0 FROM rollouts r, nodes n WHERE r.name = "
        "'acme-old' AND n.name IN ('old', 'n-2')");
    api.Must("UpgradePolicyService/SetUpgradePolicy",
             R"(name: "acme-policy" org: "acme" protocol: "chain" variant: "full")");
    api.Sql("UPDATE nodes SET node_state = 'failed' WHERE name = 'n-4'");
    api.Sql("UPDATE nodes SET cpu_cores = cpu_cores + 1 WHERE name = 'n-1'");
    auto node = api.Must("NodeService/GetNode", R"(node: "n-1")");
    host = static_cast<v1::GetNodeResponse&>(*node).node().host();
    auto commands = api.Must("CommandService/ListCommands", R"(filter: "node=n-1")");
    command = static_cast<v1::ListCommandsResponse&>(*commands).commands(0).id();
    commands = api.Must("CommandService/ListCommands", R"(filter: "node=n-3 kind=node_stop")");
    stop_command = static_cast<v1::ListCommandsResponse&>(*commands).commands(0).id();
  }

  std::string Fill(std::string text) const {
    for (const auto& [name, value] : {std::pair{"$HOST", host}, std::pair{"$COMMAND", command},
                                      std::pair{"$STOP", stop_command}}) {
      if (size_t at = text.find(name); at != std::string::npos)
        text.replace(at, std::string_view(name).size(), value);
    }
    return text;
  }

  Actor ActorOf(Role role, Binding binding) const {
    Actor actor{.id = "somebody", .role = role};
    if (role == Role::kHost) {
      actor.host_id = IdOf(binding == Binding::kOwn ? host
                           : host == "host-1"       ? "host-2"
                                                    : "host-1");
    } else if (binding != Binding::kAll) {
      auto status = api.room.store->Read([&](store::ReadTx& tx) -> Status {
        ASSIGN_OR_RETURN(auto org, tx.FindOrg(binding == Binding::kOwn ? "acme" : "beta"));
        actor.org_id = org->id;
        return {};
      });
      EXPECT_TRUE(status);
    }
    return actor;
  }

  HostId IdOf(const std::string& name) const {
    HostId id;
    auto status = api.room.store->Read([&](store::ReadTx& tx) -> Status {
      ASSIGN_OR_RETURN(auto row, tx.FindHost(name));
      id = row->host.id;
      return {};
    });
    EXPECT_TRUE(status);
    return id;
  }

  // What comes of the call.
  Outcome Try(const Case& c, Role role, Binding binding) {
    const auto answer = Ask(c.method, Fill(c.request), ActorOf(role, binding));
    if (!answer) {
      const Code code = answer.error().code;
      // Whoever hears what state the node is in was let through to it.
      if (answer.error().reason == "TRANSITION_OPEN") return Outcome::kDone;
      EXPECT_TRUE(code == Code::kPermissionDenied || code == Code::kNotFound)
          << answer.error().message;
      return code == Code::kPermissionDenied ? Outcome::kDenied : Outcome::kHidden;
    }
    const bool shows = answer->find(Fill(c.marker)) != std::string::npos;
    return shows ? Outcome::kDone : Outcome::kHidden;
  }

  // The answer as text; of a stream all that it shows of what has happened.
  Result<std::string> Ask(std::string_view method, const std::string& text, const Actor& actor) {
    const auto request = api.Parse(method, text);
    if (!IsStream(method)) {
      ASSIGN_OR_RETURN(const auto answer, api.Call(method, *request, actor));
      return answer->DebugString();
    }
    ASSIGN_OR_RETURN(const auto stream,
                     api.dispatcher.OpenStream("tallyman.v1." + std::string(method), *request,
                                               {.actor = actor}, [] {}));
    // No host answers: that it was opened is enough.
    if (method == "NodeService/StreamNodeLogs") return std::string();
    ASSIGN_OR_RETURN(const int64_t newest, NewestEvent(*api.room.control));
    std::string seen;
    EXPECT_TRUE(WaitUntil([&] {
      const auto messages = stream->Next(100);
      if (!messages) return false;
      for (const auto& message : *messages) seen += message->message().DebugString();
      const auto heartbeat = stream->Heartbeat();
      const auto& at = static_cast<const v1::WatchEventsResponse&>(heartbeat->message());
      return messages->empty() && std::stoll(at.cursor()) >= newest;
    }));
    return seen;
  }
  bool IsStream(std::string_view method) const {
    return api.dispatcher.stream_methods().contains("tallyman.v1." + std::string(method));
  }

  ApiRoom api;
  std::string host;
  std::string command;
  std::string stop_command;  // of n-3
};

// What the table says.
Outcome Expected(const AuthorizationRule& rule, const Case& c, Role role, Binding binding,
                 bool is_plan = false) {
  const Reach reach = rule.of(role);
  if (reach == Reach::kNone || (reach == Reach::kPlan && !is_plan)) return Outcome::kDenied;
  if (reach == Reach::kAllOrgs) return binding == Binding::kAll ? Outcome::kDone : Outcome::kDenied;
  if (c.is_callers) return Outcome::kDone;
  const bool is_everybodys = c.is_everybodys && role != Role::kHost;
  return binding == Binding::kForeign && !is_everybodys ? Outcome::kHidden : Outcome::kDone;
}

class Authorization : public testing::TestWithParam<Case> {};

TEST_P(Authorization, IsWhatTheTableSays) {
  const Case& c = GetParam();
  const auto table = AuthorizationTable();
  const auto rule =
      std::ranges::find(table, std::string_view(c.method), &AuthorizationRule::method);
  ASSERT_NE(rule, table.end());
  auto world = std::make_unique<World>();
  const auto& methods = world->api.dispatcher.methods();
  const bool mutates =
      !world->IsStream(c.method) && methods.at("tallyman.v1." + std::string(c.method)).mutates;
  std::string before = world->api.Dump();
  for (Role role : {Role::kAdmin, Role::kOperator, Role::kViewer, Role::kHost, Role::kJoin}) {
    for (Binding binding : {Binding::kAll, Binding::kOwn, Binding::kForeign}) {
      // A host is of all orgs and of one host; who joins is of nothing yet.
      if (role == Role::kHost && binding == Binding::kAll) continue;
      if (role == Role::kJoin && binding != Binding::kAll) continue;
      const Outcome expected = Expected(*rule, c, role, binding);
      EXPECT_STREQ(WordOf(world->Try(c, role, binding)), WordOf(expected))
          << ToText(role) << " binding " << static_cast<int>(binding);
      const bool changed = world->api.Dump() != before;
      const bool may_change = expected == Outcome::kDone && mutates;
      EXPECT_TRUE(!changed || may_change)
          << ToText(role) << " binding " << static_cast<int>(binding);
      if (!changed) continue;
      world = std::make_unique<World>();
      before = world->api.Dump();
    }
  }
}

// The same of dry runs, which change nothing, whoever asks.
TEST_P(Authorization, OfADryRunIsWhatTheTableSays) {
  Case c = GetParam();
  World world;
  const auto request = world.api.dispatcher.NewRequest("tallyman.v1." + std::string(c.method));
  if (request->GetDescriptor()->FindFieldByName("dry_run") == nullptr) return;
  const std::string text = std::string(c.request).find("dry_run") == std::string::npos
                               ? std::string(c.request) + " dry_run: true"
                               : c.request;
  c.request = text.c_str();
  const auto table = AuthorizationTable();
  const auto rule =
      std::ranges::find(table, std::string_view(c.method), &AuthorizationRule::method);
  ASSERT_NE(rule, table.end());
  const std::string before = world.api.Dump();
  for (Role role : {Role::kAdmin, Role::kOperator, Role::kViewer, Role::kHost, Role::kJoin}) {
    for (Binding binding : {Binding::kAll, Binding::kOwn, Binding::kForeign}) {
      if (role == Role::kHost && binding == Binding::kAll) continue;
      if (role == Role::kJoin && binding != Binding::kAll) continue;
      EXPECT_STREQ(WordOf(world.Try(c, role, binding)),
                   WordOf(Expected(*rule, c, role, binding, true)))
          << ToText(role) << " binding " << static_cast<int>(binding);
    }
  }
  EXPECT_EQ(world.api.Dump(), before);
}

std::string NameOf(const testing::TestParamInfo<Case>& param) {
  std::string name = param.param.method;
  return std::to_string(param.index) + "_" + name.substr(name.find('/') + 1);
}

INSTANTIATE_TEST_SUITE_P(EveryMethod, Authorization, testing::ValuesIn(kCases), NameOf);

TEST(AuthorizationTable, HasARuleForEveryMethodAndThisTestACase) {
  ApiRoom api;
  std::set<std::string> ruled, tried;
  for (const AuthorizationRule& rule : AuthorizationTable())
    EXPECT_TRUE(ruled.insert("tallyman.v1." + std::string(rule.method)).second) << rule.method;
  for (const Case& c : kCases) tried.insert(std::string("tallyman.v1.") + c.method);
  std::vector<std::string> names;
  for (const auto& [name, method] : api.dispatcher.methods()) names.push_back(name);
  for (const auto& [name, method] : api.dispatcher.stream_methods()) names.push_back(name);
  for (const std::string& name : names) {
    EXPECT_TRUE(ruled.contains(name)) << name << " has no rule";
    EXPECT_TRUE(tried.contains(name) || name.find("AgentService") != std::string::npos)
        << name << " has no case";
  }
}

TEST(AuthorizationTable, OpensJoiningOnlyToWhoHasNoToken) {
  for (const AuthorizationRule& rule : AuthorizationTable()) {
    EXPECT_EQ(IsOpen(rule.method), rule.method == "AgentService/Join") << rule.method;
  }
  EXPECT_FALSE(IsOpen("NodeService/Explode"));
}

TEST(AuthorizationTable, RefusesWhatIsNotInIt) {
  Call call;
  call.actor = {.id = "root", .role = Role::kAdmin};
  call.method = "NodeService/Explode";
  Status status = MayCall(call);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, Code::kPermissionDenied);
}

// The table as docs/security.md has it.
std::string TableOfTheDocument() {
  std::ostringstream text;
  text << "| method | admin | operator | viewer | host | without |\n|---|---|---|---|---|---|\n";
  for (const AuthorizationRule& rule : AuthorizationTable()) {
    if (rule.method.starts_with("internal/")) continue;
    text << "| " << rule.method << " |";
    for (size_t i = 0; i < rule.reach.size(); ++i) {
      const Role role = static_cast<Role>(i);
      const char* own = role == Role::kHost ? "own host" : role == Role::kJoin ? "yes" : "own org";
      text << ' '
           << (rule.reach[i] == Reach::kNone   ? ""
               : rule.reach[i] == Reach::kOwn  ? own
               : rule.reach[i] == Reach::kPlan ? "own org, dry runs"
                                               : "all orgs")
           << " |";
    }
    text << '\n';
  }
  return text.str();
}

TEST(AuthorizationTable, StandsInTheDocumentation) {
  std::ostringstream document;
  document << std::ifstream(TALLYMAN_DOCS_DIR "/security.md").rdbuf();
  EXPECT_NE(document.str().find(TableOfTheDocument()), std::string::npos)
      << "docs/security.md wants this table:\n"
      << TableOfTheDocument();
}

}  // namespace
}  // namespace tallyman
