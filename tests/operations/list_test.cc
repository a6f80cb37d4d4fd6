// Lists through the API: pages, filters by name and id, and who sees what.
#include <fmt/core.h>

#include <set>

#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/command.pb.h"
#include "tallyman/v1/event.pb.h"
#include "tallyman/v1/host.pb.h"
#include "tallyman/v1/ledger.pb.h"
#include "tallyman/v1/node.pb.h"
#include "tallyman/v1/org.pb.h"
#include "tests/operations/api_room.h"

namespace tallyman {
namespace {

template <class Response>
Response Ask(ApiRoom& api, std::string_view method, const std::string& text) {
  auto answer = api.Must(method, text);
  return dynamic_cast<Response&>(*answer);
}

std::vector<std::string> NodeNames(ApiRoom& api, const std::string& text) {
  std::vector<std::string> names;
  std::string token;
  do {
    auto page = Ask<v1::ListNodesResponse>(api, "NodeService/ListNodes",
                                           fmt::format("{} page_token: \"{}\"", text, token));
    for (const v1::Node& node : page.nodes()) names.push_back(node.name());
    token = page.next_page_token();
  } while (!token.empty());
  return names;
}

using Names = std::vector<std::string>;

TEST(Lists, ArePagedWithoutGapOrRepetition) {
  ApiRoom api;
  ASSERT_TRUE(api.room.AddNodes("2.0.0+1", "x", 20));
  Names all = NodeNames(api, "page_size: 1000");
  ASSERT_EQ(all.size(), 24u);
  EXPECT_TRUE(std::ranges::is_sorted(all));
  Names reversed(all.rbegin(), all.rend());
  for (int size : {1, 2, 5, 23, 24, 25}) {
    EXPECT_EQ(NodeNames(api, fmt::format("page_size: {}", size)), all) << size;
    EXPECT_EQ(NodeNames(api, fmt::format("page_size: {} order_by: \"name desc\"", size)), reversed)
        << size;
    // An order with many ties: the id breaks them.
    Names tied = NodeNames(api, fmt::format("page_size: {} order_by: \"cpu_cores desc\"", size));
    EXPECT_EQ(std::set<std::string>(tied.begin(), tied.end()).size(), 24u) << size;
    EXPECT_EQ(tied, NodeNames(api, "page_size: 1000 order_by: \"cpu_cores desc\"")) << size;
  }
  auto page = Ask<v1::ListNodesResponse>(api, "NodeService/ListNodes", "page_size: 24");
  EXPECT_TRUE(page.next_page_token().empty()) << "a page that ends the list says so";
}

TEST(Lists, RefuseThePageTokenOfAnotherFilter) {
  ApiRoom api;
  auto page = Ask<v1::ListNodesResponse>(api, "NodeService/ListNodes",
                                         R"(page_size: 1 filter: "org=acme")");
  MessageResult refused =
      api.Call("NodeService/ListNodes", fmt::format(R"(page_token: "{}")", page.next_page_token()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "INVALID_PAGE_TOKEN");
}

TEST(Lists, TakeNamesAndIdsAlike) {
  ApiRoom api;
  api.Must("NodeService/UpgradeNodes", R"(nodes: "n-2" image: "chain/full@1.1.0")");
  auto node = Ask<v1::GetNodeResponse>(api, "NodeService/GetNode", R"(node: "n-2")").node();
  auto filtered = [&](const std::string& filter) {
    return NodeNames(api, fmt::format("filter: \"{}\"", filter));
  };
  Names all = {"n-1", "n-2", "n-3", "n-4"};
  EXPECT_EQ(filtered("org=acme"), all);
  EXPECT_EQ(filtered("org=" + node.org_id()), all);
  EXPECT_EQ(filtered("region=" + node.region_id()), all);
  EXPECT_EQ(filtered("protocol=" + node.protocol_id()), all);
  EXPECT_EQ(filtered("host=" + node.host_id()), filtered("host=" + node.host()));
  EXPECT_EQ(filtered("image=" + node.image_id()), Names{"n-2"});
  EXPECT_EQ(filtered("image=chain/full@1.1.0"), Names{"n-2"});
  EXPECT_EQ(filtered("image=chain/full@1.1.0+1"), Names{"n-2"});
  EXPECT_EQ(filtered("semantic_version!=1.1.0"), (Names{"n-1", "n-3", "n-4"}));
  EXPECT_EQ(filtered("next_state=upgrading"), Names{"n-2"});
  EXPECT_EQ(filtered("node_state=running"), Names{});
  EXPECT_EQ(filtered("org=beta"), Names{});
  EXPECT_EQ(filtered("org=00000000-0000-7000-8000-000000000000"), Names{});
  EXPECT_EQ(filtered("cpu_cores>2"), Names{"n-2"});
  EXPECT_EQ(filtered("name=\\\"n-3\\\" variant=full"), Names{"n-3"});
}

TEST(Lists, NameTheBuildsOfAnAmbiguousImage) {
  ApiRoom api;
  for (const char* method : {"CatalogService/GetImage", "NodeService/ListNodes"}) {
    bool is_get = std::string_view(method).ends_with("GetImage");
    MessageResult answer = api.Call(
        method, is_get ? R"(image: "chain/full@2.0.0")" : R"(filter: "image=chain/full@2.0.0")");
    ASSERT_FALSE(answer) << method;
    EXPECT_EQ(answer.error().code, Code::kInvalidArgument);
    EXPECT_EQ(answer.error().reason, "AMBIGUOUS_IMAGE");
    EXPECT_NE(answer.error().message.find("chain/full@2.0.0+1"), std::string::npos);
    EXPECT_NE(answer.error().message.find("chain/full@2.0.0+2"), std::string::npos);
  }
  auto image =
      Ask<v1::GetImageResponse>(api, "CatalogService/GetImage", R"(image: "chain/full@2.0.0+2")")
          .image();
  EXPECT_EQ(image.build(), 2);
}

TEST(Lists, CountTheBuildsOfVersions) {
  ApiRoom api;
  auto versions =
      Ask<v1::ListProtocolVersionsResponse>(api, "CatalogService/ListProtocolVersions", "");
  ASSERT_EQ(versions.protocol_versions_size(), 3);
  for (const v1::ProtocolVersion& version : versions.protocol_versions()) {
    EXPECT_EQ(version.build_count(), version.semantic_version() == "2.0.0" ? 2 : 1);
    EXPECT_EQ(version.protocol(), "chain");
  }
}

TEST(Lists, ShowDeletedNodesOnlyWhenAsked) {
  ApiRoom api;
  auto node = Ask<v1::GetNodeResponse>(api, "NodeService/GetNode", R"(node: "n-1")").node();
  api.Must("NodeService/DeleteNodes", R"(nodes: "n-1")");
  EXPECT_EQ(NodeNames(api, ""), (Names{"n-2", "n-3", "n-4"}));
  EXPECT_EQ(NodeNames(api, "show_deleted: true"), (Names{"n-1", "n-2", "n-3", "n-4"}));
  EXPECT_FALSE(api.Call("NodeService/GetNode", R"(node: "n-1")"));
  auto gone =
      Ask<v1::GetNodeResponse>(api, "NodeService/GetNode", fmt::format("node: \"{}\"", node.id()))
          .node();
  EXPECT_TRUE(gone.has_deleted_at());
  EXPECT_TRUE(gone.has_released_at());
  EXPECT_EQ(gone.node_state(), v1::NODE_STATE_DELETED);
}

TEST(Lists, KeepTheEventsAndTheLedgerOfANodeThatIsGone) {
  ApiRoom api;
  auto node = Ask<v1::GetNodeResponse>(api, "NodeService/GetNode", R"(node: "n-1")").node();
  api.Must("NodeService/UpgradeNodes", R"(nodes: "n-1" image: "chain/full@1.1.0")");
  api.Must("NodeService/DeleteNodes", R"(nodes: "n-1")");
  // Another node takes the name.
  api.Must("NodeService/CreateNodes",
           R"(image: "chain/full@1.0.0" org: "acme" name: "n-1" by_region { region: "eu" })");
  auto events = Ask<v1::ListEventsResponse>(api, "EventService/ListEvents",
                                            fmt::format("filter: \"node={}\"", node.id()));
  ASSERT_GE(events.events_size(), 3);
  EXPECT_EQ(events.events(0).kind(), "node_created");
  EXPECT_EQ(events.events(1).kind(), "upgrade_started");
  EXPECT_EQ(events.events(1).facts().at("new_image"), "chain/full@1.1.0+1");
  EXPECT_EQ(events.events(1).cause().actor(), "tester");
  EXPECT_FALSE(events.events(1).cause().request_id().empty());
  for (const v1::Event& event : events.events()) EXPECT_EQ(event.node_id(), node.id());

  auto ledger = Ask<v1::ListLedgerResponse>(api, "LedgerService/ListLedger",
                                            fmt::format("node: \"{}\"", node.id()));
  ASSERT_EQ(ledger.entries_size(), 3);
  EXPECT_EQ(ledger.entries(0).kind(), v1::LEDGER_KIND_CREATE);
  EXPECT_EQ(ledger.entries(1).kind(), v1::LEDGER_KIND_UPGRADE);
  EXPECT_EQ(ledger.entries(2).kind(), v1::LEDGER_KIND_RELEASE);
  EXPECT_EQ(ledger.entries(1).node_balance().allocated().cpu_cores(), 4);
  EXPECT_EQ(ledger.entries(2).node_balance().node_count(), 0);
  EXPECT_EQ(ledger.total().ShortDebugString(), ledger.books().ShortDebugString());
  EXPECT_EQ(ledger.total().allocated().cpu_cores(), 0);
}

TEST(Lists, FollowEventsByTheirCursor) {
  ApiRoom api;
  auto before = Ask<v1::ListEventsResponse>(api, "EventService/ListEvents", "page_size: 1000");
  ASSERT_FALSE(before.cursor().empty());
  auto nothing = Ask<v1::ListEventsResponse>(api, "EventService/ListEvents",
                                             fmt::format("after: \"{}\"", before.cursor()));
  EXPECT_EQ(nothing.events_size(), 0);
  EXPECT_EQ(nothing.cursor(), before.cursor());
  api.Must("NodeService/StopNodes", R"(nodes: "n-1")");
  auto news = Ask<v1::ListEventsResponse>(api, "EventService/ListEvents",
                                          fmt::format("after: \"{}\"", before.cursor()));
  ASSERT_EQ(news.events_size(), 1);
  EXPECT_EQ(news.events(0).kind(), "node_stopping");
  auto newest = Ask<v1::ListEventsResponse>(api, "EventService/ListEvents",
                                            R"(page_size: 1 order_by: "time desc")");
  EXPECT_EQ(newest.events(0).id(), news.events(0).id());
  EXPECT_TRUE(newest.cursor().empty());
  MessageResult both = api.Call("EventService/ListEvents", R"(order_by: "time desc" after: "1")");
  ASSERT_FALSE(both);
  EXPECT_EQ(both.error().code, Code::kInvalidArgument);
}

TEST(Lists, PageTheLedgerOfAHostAndSumAllOfIt) {
  ApiRoom api;
  for (const char* version : {"1.1.0", "1.0.0", "1.1.0", "2.0.0+1"}) {
    api.Must("NodeService/UpgradeNodes",
             fmt::format(R"(nodes: "n-1" image: "chain/full@{}")", version));
  }
  std::string host =
      Ask<v1::GetNodeResponse>(api, "NodeService/GetNode", R"(node: "n-1")").node().host();
  auto whole = Ask<v1::ListLedgerResponse>(api, "LedgerService/ListLedger",
                                           fmt::format("host: \"{}\"", host));
  ASSERT_GE(whole.entries_size(), 5);
  std::string token;
  int seen = 0;
  do {
    auto page = Ask<v1::ListLedgerResponse>(
        api, "LedgerService/ListLedger",
        fmt::format("host: \"{}\" page_size: 2 page_token: \"{}\"", host, token));
    for (const v1::LedgerEntry& entry : page.entries()) {
      EXPECT_EQ(entry.ShortDebugString(), whole.entries(seen).ShortDebugString());
      EXPECT_EQ(entry.seq(), ++seen);
    }
    EXPECT_EQ(page.total().ShortDebugString(), page.books().ShortDebugString());
    EXPECT_EQ(page.entry_count(), whole.entries_size());
    token = page.next_page_token();
  } while (!token.empty());
  EXPECT_EQ(seen, whole.entries_size());
  auto upgrades = Ask<v1::ListLedgerResponse>(
      api, "LedgerService/ListLedger",
      fmt::format("host: \"{}\" filter: \"kind=upgrade\" page_size: 3", host));
  EXPECT_EQ(upgrades.entries_size(), 3);
  EXPECT_FALSE(upgrades.next_page_token().empty());
  EXPECT_EQ(upgrades.total().ShortDebugString(), whole.total().ShortDebugString());
}

TEST(Lists, ShowCommandsWithTheirTransitionAndTheirPayloadOnDemand) {
  ApiRoom api;
  api.Must("NodeService/UpgradeNodes",
           R"(nodes: "n-1" image: "chain/full@1.1.0" request_id: "why")");
  auto list = Ask<v1::ListCommandsResponse>(api, "CommandService/ListCommands",
                                            R"(filter: "node=n-1 kind=upgrade state=open")");
  ASSERT_EQ(list.commands_size(), 1);
  EXPECT_EQ(list.commands(0).from_image(), "chain/full@1.0.0+1");
  EXPECT_EQ(list.commands(0).to_image(), "chain/full@1.1.0+1");
  EXPECT_TRUE(list.commands(0).payload().empty());
  auto command = Ask<v1::GetCommandResponse>(
      api, "CommandService/GetCommand", fmt::format("command_id: \"{}\"", list.commands(0).id()));
  EXPECT_NE(command.command().payload().find("docker://chain:1.1.0"), std::string::npos);
  EXPECT_EQ(command.command().cause().request_id(), "why");
  EXPECT_EQ(command.command().cause().actor(), "tester");
}

TEST(Lists, WarnOfAHostThatCarriesMoreThanItHas) {
  ApiRoom api;
  api.Must("HostService/UpdateHost",
           R"(host: "host-1" capacity { cpu_cores: 1 memory_bytes: 1 disk_bytes: 1 })");
  auto host = Ask<v1::GetHostResponse>(api, "HostService/GetHost", R"(host: "host-1")").host();
  ASSERT_EQ(host.warnings_size(), 3);
  EXPECT_EQ(host.warnings(0).reason(), "OVER_CAPACITY");
  EXPECT_EQ(host.warnings(0).dimension(), "cpu_cores");
  EXPECT_EQ(host.free().cpu_cores(), -1);
}

// An actor of one org: other orgs' rows are not there for it.
class OneOrg : public testing::Test {
 protected:
  OneOrg() {
    api.Must(
        "NodeService/CreateNodes",
        R"(image: "chain/full@1.0.0" org: "beta" name: "theirs" by_hosts { hosts { host: "host-1" count: 1 } })");
    api.Must("CatalogService/CreateProtocol", R"(key: "secret" org: "acme")");
    api.Must(
        "CatalogService/CreateImages",
        R"(create_missing: true images { protocol: "chain" variant: "full" semantic_version: "5.0.0" org: "acme"
                image_uri: "docker://x" minimum { cpu_cores: 1 memory_bytes: 1 disk_bytes: 1 } })");
    auto beta = Ask<v1::GetOrgResponse>(api, "OrgService/GetOrg", R"(org: "beta")").org();
    viewer = {.id = "viewer", .org_id = OrgId::Parse(beta.id()), .role = Role::kViewer};
  }
  template <class Response>
  Response AskAs(std::string_view method, const std::string& text) {
    auto answer = api.Call(method, *api.Parse(method, text), viewer);
    EXPECT_TRUE(answer) << TextOf(answer);
    return dynamic_cast<Response&>(**answer);
  }
  Code CodeOf(std::string_view method, const std::string& text) {
    auto answer = api.Call(method, *api.Parse(method, text), viewer);
    return answer ? Code::kUnknown : answer.error().code;
  }

  ApiRoom api;
  Actor viewer;
};

TEST_F(OneOrg, SeesItsRowsOnly) {
  auto nodes = AskAs<v1::ListNodesResponse>("NodeService/ListNodes", "");
  ASSERT_EQ(nodes.nodes_size(), 1);
  EXPECT_EQ(nodes.nodes(0).name(), "theirs");
  EXPECT_EQ(
      AskAs<v1::ListNodesResponse>("NodeService/ListNodes", R"(filter: "org=acme")").nodes_size(),
      0);
  EXPECT_EQ(AskAs<v1::ListOrgsResponse>("OrgService/ListOrgs", "").orgs_size(), 1);
  EXPECT_EQ(AskAs<v1::ListProtocolsResponse>("CatalogService/ListProtocols", "").protocols_size(),
            1);
  auto images = AskAs<v1::ListImagesResponse>("CatalogService/ListImages", "page_size: 3");
  EXPECT_EQ(images.images_size(), 3);
  auto rest = AskAs<v1::ListImagesResponse>(
      "CatalogService/ListImages",
      fmt::format("page_size: 3 page_token: \"{}\"", images.next_page_token()));
  EXPECT_EQ(rest.images_size(), 1);
  EXPECT_TRUE(rest.next_page_token().empty());
  auto commands = AskAs<v1::ListCommandsResponse>("CommandService/ListCommands", "");
  ASSERT_EQ(commands.commands_size(), 1);
  EXPECT_EQ(commands.commands(0).node(), "theirs");
  auto events = AskAs<v1::ListEventsResponse>("EventService/ListEvents", "");
  EXPECT_GT(events.events_size(), 0);
  for (const v1::Event& event : events.events()) EXPECT_EQ(event.org(), "beta");
}

TEST_F(OneOrg, FindsNothingOfOthers) {
  EXPECT_EQ(CodeOf("NodeService/GetNode", R"(node: "n-1")"), Code::kNotFound);
  EXPECT_EQ(CodeOf("OrgService/GetOrg", R"(org: "acme")"), Code::kNotFound);
  EXPECT_EQ(CodeOf("CatalogService/GetImage", R"(image: "chain/full@5.0.0")"), Code::kNotFound);
  EXPECT_EQ(CodeOf("LedgerService/ListLedger", R"(node: "n-1")"), Code::kNotFound);
  auto command =
      Ask<v1::ListCommandsResponse>(api, "CommandService/ListCommands", R"(filter: "node=n-1")")
          .commands(0);
  EXPECT_EQ(CodeOf("CommandService/GetCommand", fmt::format("command_id: \"{}\"", command.id())),
            Code::kNotFound);
  EXPECT_EQ(CodeOf("NodeService/UpgradeNodes", R"(nodes: "n-1" image: "chain/full@1.1.0")"),
            Code::kPermissionDenied);
  viewer.role = Role::kOperator;
  EXPECT_EQ(CodeOf("NodeService/UpgradeNodes", R"(nodes: "n-1" image: "chain/full@1.1.0")"),
            Code::kNotFound);
  EXPECT_EQ(CodeOf("NodeService/UpgradeNodes", R"(nodes: "theirs" image: "chain/full@5.0.0")"),
            Code::kNotFound);
}

TEST_F(OneOrg, SeesTheAmountsOfALedgerButNotWhoseTheyAre) {
  auto ledger = AskAs<v1::ListLedgerResponse>("LedgerService/ListLedger", R"(host: "host-1")");
  EXPECT_EQ(ledger.total().ShortDebugString(), ledger.books().ShortDebugString());
  int named = 0;
  for (const v1::LedgerEntry& entry : ledger.entries()) {
    if (entry.node().empty()) {
      EXPECT_TRUE(entry.node_id().empty());
      EXPECT_TRUE(entry.cause().request_id().empty());
    } else {
      ++named;
      EXPECT_EQ(entry.node(), "theirs");
    }
  }
  EXPECT_EQ(named, 1);
}

TEST(GetOrg, SumsUpWhatItsLiveNodesUse) {
  ApiRoom api;
  auto usage = [&] {
    return Ask<v1::GetOrgResponse>(api, "OrgService/GetOrg", R"(org: "acme")").usage();
  };
  EXPECT_EQ(usage().node_count(), 4);
  EXPECT_EQ(usage().allocated().cpu_cores(), 8);
  api.Must("NodeService/DeleteNodes", R"(nodes: "n-1")");
  EXPECT_EQ(usage().node_count(), 3);
  EXPECT_EQ(usage().allocated().cpu_cores(), 6);
}

}  // namespace
}  // namespace tallyman
