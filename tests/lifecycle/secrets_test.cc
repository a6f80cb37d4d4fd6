// Secrets of nodes in the control plane: sealed before they are stored, opened for their host only,
// and shown to nobody.
#include <gmock/gmock.h>

#include <algorithm>

#include "lifecycle/host.h"
#include "tallyman/v1/fleet.pb.h"

namespace tallyman {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kSecret = "hunter2-of-s";

class Secrets : public Lifecycle {
 protected:
  void SetUp() override {
    Lifecycle::SetUp();
    WithKeys({'a'});
    const Property token{.key = "token", .add = {1, 0, 0}, .secret = true};
    const Property network{.key = "network", .default_value = "main"};
    room.AddImage("4.0.0", Needs(1, 1, 10), {network, token});
    room.AddImage("5.0.0", Needs(2, 1, 10), {network, token});
    room.AddImage("6.0.0", Needs(1, 1, 10), {network, {.key = "token", .add = {3, 0, 0}}});
  }
  void TearDown() override {
    EXPECT_THAT(Everything(), Not(HasSubstr(kSecret)));
    Lifecycle::TearDown();
  }

  // One key for each letter.
  void WithKeys(const std::vector<char>& letters) {
    std::string text;
    for (const char letter : letters) text += std::string(2 * kSealKeyBytes, letter) + "\n";
    room.Restart({.sealer = letters.empty() ? Sealer() : *Sealer::Parse(text)});
  }
  // What is stored, and what was logged.
  std::string Everything() {
    std::string all = room.Dump();
    for (const LogLine& line : room.log.lines()) {
      all += line.message;
      for (const auto& [key, value] : line.fields) all += value;
    }
    return all;
  }
  int64_t TimesLogged(const std::string& event) {
    return std::ranges::count(room.log.lines(), event, &LogLine::event);
  }
  std::string PayloadFor(const std::string& node) { return host->Fetch(node).payload(); }
  Result<v1::UpdateNodeResponse> Try(const std::string& key, const std::string& value) {
    v1::UpdateNodeRequest request;
    request.set_node("s");
    request.set_dry_run(true);
    (*request.mutable_set_values())[key] = value;
    return room.Send<v1::UpdateNodeResponse>("NodeService/UpdateNode", request);
  }
  // Makes the org; the request moves a node there.
  v1::MoveNodesRequest MoveToAnotherOrg(const std::string& node) {
    v1::CreateOrgRequest org;
    org.set_name("beta");
    EXPECT_TRUE(room.Send<v1::CreateOrgResponse>("OrgService/CreateOrg", org));
    v1::MoveNodesRequest move;
    move.add_nodes(node);
    move.set_org("beta");
    return move;
  }
  // As the audit trail has it.
  std::string DigestOf(const std::string& request_id) {
    v1::ListRequestsRequest list;
    list.set_filter("request_id=" + request_id);
    auto listed = room.Send<v1::ListRequestsResponse>("AuditService/ListRequests", list);
    EXPECT_TRUE(listed && listed->requests_size() == 1);
    return listed && listed->requests_size() == 1 ? listed->requests(0).body_digest() : "";
  }
  Result<v1::UpdateNodeResponse> Reset(const std::string& key) {
    v1::UpdateNodeRequest request;
    request.set_node("s");
    request.add_reset_values(key);
    return room.Send<v1::UpdateNodeResponse>("NodeService/UpdateNode", request);
  }
};

TEST_F(Secrets, AreForTheirHostAndShownToNobody) {
  ASSERT_OK(room.Create("s", "host-1", "4.0.0", {{"token", kSecret}}));
  const v1::Node node = room.Node("s");
  EXPECT_TRUE(node.config().secrets().at("token"));
  EXPECT_EQ(node.config().values().count("token"), 0U);
  EXPECT_EQ(node.config().values().at("network"), "main");
  // It adds what its property adds.
  EXPECT_EQ(node.resources().cpu_cores(), 2);
  for (const v1::Command& command : room.Commands("node=s")) {
    EXPECT_THAT(room.Payload(command), HasSubstr(R"("secrets":{"token":"set"})"));
    EXPECT_THAT(room.Payload(command), Not(HasSubstr("v1:")));
  }
  EXPECT_THAT(PayloadFor("s"), HasSubstr(R"("secrets":{"token":"hunter2-of-s"})"));
  // An agent that does not know of secrets would start the node without.
  EXPECT_THAT(PayloadFor("s"), Not(HasSubstr(R"("config":)")));
  TestHost other(room, "host-2");
  EXPECT_EQ(other.FetchAll().commands_size(), 0);
}

TEST_F(Secrets, CarryOverAnUpgradeAndAreResetOnRequest) {
  ASSERT_OK(room.Create("s", "host-1", "4.0.0", {{"token", kSecret}}));
  host->Obey("s");
  ASSERT_OK(room.Upgrade({"s"}, "chain/full@5.0.0"));
  EXPECT_TRUE(room.Node("s").config().secrets().at("token"));
  EXPECT_EQ(room.Node("s").resources().cpu_cores(), 3);
  EXPECT_THAT(PayloadFor("s"), HasSubstr(kSecret));
  host->Obey("s");
  ASSERT_OK(Reset("token"));
  EXPECT_FALSE(room.Node("s").config().secrets().at("token"));
  EXPECT_EQ(room.Node("s").resources().cpu_cores(), 2);
  EXPECT_THAT(PayloadFor("s"), HasSubstr(R"("config":)"));
}

TEST_F(Secrets, APlainValueIsSealedFromTheUpgradeOnAndStaysSo) {
  ASSERT_OK(room.Create("s", "host-1", "6.0.0", {{"token", "was plain"}}));
  host->Obey("s");
  ASSERT_OK(room.Upgrade({"s"}, "chain/full@4.0.0"));
  EXPECT_TRUE(room.Node("s").config().secrets().at("token"));
  EXPECT_EQ(room.Node("s").config().values().count("token"), 0U);
  EXPECT_THAT(PayloadFor("s"), HasSubstr(R"("secrets":{"token":"was plain"})"));
  host->Obey("s");
  // Also on an image that knows the key as a plain property.
  ASSERT_OK(room.Upgrade({"s"}, "chain/full@6.0.0"));
  EXPECT_TRUE(room.Node("s").config().secrets().at("token"));
  EXPECT_EQ(room.Node("s").resources().cpu_cores(), 4);
  host->Obey("s");
  ASSERT_OK(room.Set("s", "token", kSecret));
  EXPECT_TRUE(room.Node("s").config().secrets().at("token"));
  host->Obey("s");
  ASSERT_OK(Reset("token"));
  EXPECT_EQ(room.Node("s").config().values().at("token"), "");
  EXPECT_EQ(room.Node("s").config().secrets().count("token"), 0U);
}

TEST_F(Secrets, AnUnchangedOneIsRecognized) {
  ASSERT_OK(room.Create("s", "host-1", "4.0.0", {{"token", kSecret}}));
  EXPECT_TRUE(Try("token", kSecret)->same_config());
  EXPECT_FALSE(Try("token", "another")->same_config());
  EXPECT_TRUE(Try("network", "main")->same_config());
  EXPECT_FALSE(Try("network", "test")->same_config());
  // Who may only look is not told whether he has guessed it.
  room.actor = {.id = "eye", .role = Role::kViewer};
  EXPECT_FALSE(Try("token", kSecret)->same_config());
  EXPECT_FALSE(Try("network", "main")->same_config());
  room.actor = {.id = "tester", .role = Role::kAdmin};
}

TEST_F(Secrets, ARefusedOneIsNotRepeated) {
  ASSERT_OK(room.Create("s", "host-1", "4.0.0", {{"token", "first"}}));
  for (const std::string& bad : {std::string(kSecret) + "\r", kSecret + std::string(20'000, 'x'),
                                 std::string(kSecret) + std::string("\0", 1)}) {
    const auto refused = Try("token", bad);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, Not(HasSubstr(kSecret)));
    for (const auto& [key, value] : refused.error().facts)
      EXPECT_THAT(value, Not(HasSubstr(kSecret)));
  }
  EXPECT_EQ(Try("tokem", kSecret).error().reason, "UNKNOWN_PROPERTY");
  WithKeys({});
  EXPECT_EQ(Try("token", kSecret).error().reason, "NO_SECRET_KEY");
}

TEST_F(Secrets, AreNotHandedToAnotherOrg) {
  ASSERT_OK(room.Create("s", "host-1", "4.0.0", {{"token", kSecret}}));
  host->Obey("s");
  const v1::MoveNodesRequest move = MoveToAnotherOrg("s");
  const auto moved = room.Send<v1::MoveNodesResponse>("NodeService/MoveNodes", move);
  ASSERT_FALSE(moved);
  EXPECT_EQ(moved.error().reason, "NODE_HAS_SECRETS");
  ASSERT_OK(Reset("token"));
  host->Obey("s");
  ASSERT_OK(room.Send<v1::MoveNodesResponse>("NodeService/MoveNodes", move));
}

// What failed leaves the older config in place.
TEST_F(Secrets, AreNotHandedToAnotherOrgWhileAnOlderConfigRuns) {
  ASSERT_OK(room.Create("s", "host-1", "4.0.0", {{"token", kSecret}}));
  host->Obey("s");
  const std::string with_secret = room.Node("s").config_id();
  const v1::MoveNodesRequest move = MoveToAnotherOrg("s");
  ASSERT_OK(Reset("token"));
  const v1::HandedCommand failing = host->Take("s");
  // Whatever runs afterwards, the older one may come back.
  for (const std::string& running : {with_secret, std::string()}) {
    if (!running.empty()) {
      ASSERT_EQ(host->Say(failing, v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE, running), "");
    } else {
      host->Status(room.Node("s").id(), running);
    }
    ASSERT_FALSE(room.Node("s").config().secrets().at("token"));
    EXPECT_REFUSED(room.Send<v1::MoveNodesResponse>("NodeService/MoveNodes", move),
                   Code::kFailedPrecondition, "NODE_HAS_SECRETS");
  }
  v1::RetryUpgradeRequest retry;
  retry.set_node("s");
  ASSERT_OK(room.Send<v1::RetryUpgradeResponse>("NodeService/RetryUpgrade", retry));
  host->Obey("s");
  ASSERT_OK(room.Send<v1::MoveNodesResponse>("NodeService/MoveNodes", move));
}

TEST_F(Secrets, AreErasedWithTheirNode) {
  ASSERT_OK(room.Create("s", "host-1", "4.0.0", {{"token", kSecret}}));
  ASSERT_OK(room.Create("t", "host-1", "4.0.0", {{"token", "of another node"}}));
  host->Obey("s");
  ASSERT_OK(room.Set("s", "token", "a second one"));
  host->Obey("s");
  const std::string id = room.Node("s").id();
  const auto sealed = [&](const std::string& text) {
    size_t found = 0;
    for (size_t at = text.find("\"v1:"); at != std::string::npos; at = text.find("\"v1:", at + 1))
      ++found;
    return found;
  };
  // Two configs and two commands of s, one of each of t.
  EXPECT_EQ(sealed(room.Dump()), 6U);
  ASSERT_OK(room.Delete("s"));
  host->Obey("s");
  EXPECT_EQ(sealed(room.Dump()), 2U);
  for (const v1::Command& command : room.Commands("node=" + id)) room.Payload(command);
  EXPECT_THAT(PayloadFor("t"), HasSubstr("of another node"));
}

TEST_F(Secrets, WithoutTheirKeyACommandWaitsAndNoOtherDoes) {
  ASSERT_OK(room.Create("s", "host-1", "4.0.0", {{"token", kSecret}}));
  ASSERT_OK(room.Create("t", "host-1", "4.0.0"));
  ASSERT_OK(room.Create("u", "host-1", "4.0.0", {{"token", "of another node"}}));
  WithKeys({'b'});
  EXPECT_EQ(host->Fetch("s").command_id(), "");
  EXPECT_NE(host->Fetch("t").command_id(), "");
  EXPECT_THAT(Everything(), HasSubstr("a command for node s is not handed out"));
  // Its host asks every second or so: each command is logged once, and counted each time.
  host->FetchAll();
  EXPECT_EQ(TimesLogged("secret_not_opened"), 2);
  EXPECT_EQ(room.metrics.secrets_not_opened, 6);
  WithKeys({'b', 'a'});
  EXPECT_THAT(PayloadFor("s"), HasSubstr(kSecret));
  // The first key seals.
  ASSERT_OK(room.Set("s", "token", "a second one"));
  WithKeys({'b'});
  EXPECT_THAT(Try("token", "a second one")->same_config(), true);
}

TEST_F(Secrets, ARequestWithThemIsReplayedAndItsDigestIsOfTheKey) {
  v1::CreateNodesRequest create;
  create.set_request_id("once");
  create.set_image("chain/full@4.0.0");
  create.set_org("acme");
  create.set_name("s");
  auto* on = create.mutable_by_hosts()->add_hosts();
  on->set_host("host-1");
  on->set_count(1);
  (*create.mutable_values())["token"] = kSecret;
  const auto send = [&] {
    return room.Send<v1::CreateNodesResponse>("NodeService/CreateNodes", create);
  };
  const auto created = send();
  ASSERT_OK(created);
  // After a rotation it is the same request still.
  WithKeys({'b', 'a'});
  EXPECT_EQ(send()->changes().nodes(0).node_id(), created->changes().nodes(0).node_id());
  (*create.mutable_values())["token"] = "another";
  EXPECT_EQ(send().error().reason, "REQUEST_ID_REUSED");
}

TEST_F(Secrets, OfAStepAreInNoDigestWithoutTheKey) {
  ASSERT_OK(room.Create("s", "host-1", "4.0.0"));
  v1::ApplyFleetRequest apply;
  v1::UpdateNodeRequest& update = *apply.add_steps()->mutable_update_node();
  update.set_node("s");
  (*update.mutable_set_values())["token"] = kSecret;
  const auto send = [&](const std::string& request_id) {
    apply.set_dry_run(request_id.empty());
    apply.set_request_id(request_id);
    const auto sent = room.Send<v1::ApplyFleetResponse>("FleetService/ApplyFleet", apply);
    EXPECT_TRUE(sent) << sent.error().message;
    return sent ? sent->plan_token() : "";
  };
  const std::string token = send("");
  send("one");
  WithKeys({'b', 'a'});
  EXPECT_NE(send(""), token);
  send("other");
  EXPECT_NE(DigestOf("one"), DigestOf("other"));
}

// A server of before had no key, and recorded the digest without.
TEST_F(Secrets, ARequestOfBeforeThereWasAKeyIsReplayed) {
  WithKeys({});
  v1::UpdateNodeRequest update;
  update.set_request_id("once");
  update.set_node("t");
  ASSERT_OK(room.Create("t", "host-1", "4.0.0"));
  (*update.mutable_set_values())["network"] = "test";
  ASSERT_OK(room.Send<v1::UpdateNodeResponse>("NodeService/UpdateNode", update));
  WithKeys({'a'});
  const int64_t version = room.Node("t").version();
  ASSERT_OK(room.Send<v1::UpdateNodeResponse>("NodeService/UpdateNode", update));
  EXPECT_EQ(room.Node("t").version(), version);
  // Now nobody without the key can tell from a digest whether a secret was guessed.
  update.set_request_id("again");
  ASSERT_OK(room.Send<v1::UpdateNodeResponse>("NodeService/UpdateNode", update));
  EXPECT_NE(DigestOf("again"), DigestOf("once"));
}

TEST_F(Secrets, HaveNoDefault) {
  v1::CreateImagesRequest request;
  v1::ImageSpec& spec = *request.add_images();
  spec.set_protocol("chain");
  spec.set_variant("full");
  spec.set_semantic_version("9.0.0");
  spec.set_image_uri("docker://chain:9");
  v1::Property& property = *spec.add_properties();
  property.set_key("token");
  property.set_secret(true);
  property.set_default_value("x");
  const auto refused = room.Send<v1::CreateImagesResponse>("CatalogService/CreateImages", request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason, "SECRET_WITH_DEFAULT");
}

}  // namespace
}  // namespace tallyman
