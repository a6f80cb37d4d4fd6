// What a write promises: all or nothing, the proof of the books, versions, unique keys.
#include "model/command.h"
#include "tests/contract/contract.h"

namespace tallyman {
namespace {

using namespace tallyman::store;

using enum Code;

class WriteContract : public StoreContract {};

TEST_P(WriteContract, ReadsBackWhatWasWritten) {
  HostId host_id = AddHost("rack-1");
  ChangeSet changes = fleet_.CreateNode("eth-1", host_id, fleet_.small);
  changes.requests = {fleet_.Request("r1")};
  ASSERT_OK(Apply(store(), changes));
  const Node& node = changes.new_nodes.front();

  EXPECT_EQ(ReadNode(node.id), node);
  EXPECT_EQ(ReadHost(host_id), changes.host_updates.front().after);
  LockSet wanted;
  wanted.nodes = {node.id, node.id};
  wanted.images = {fleet_.big.id, ImageId{}};
  wanted.orgs = {fleet_.org.id};
  wanted.node_names = {"eth-1", "eth-2"};
  wanted.requests = {fleet_.Request("r1").key, fleet_.Request("r2").key};
  wanted.with_sums = true;
  Snapshot snapshot = Load(wanted);
  const NodeSnapshot& read = snapshot.nodes.at(node.id);
  EXPECT_EQ(read.node, node);
  EXPECT_EQ(read.org_name, "acme");
  ASSERT_TRUE(read.config.has_value());
  EXPECT_EQ(read.config->values, changes.new_configs.front().values);
  EXPECT_EQ(read.config->firewall_rules, changes.new_configs.front().firewall_rules);
  EXPECT_EQ(read.config->resources, kSmall);
  EXPECT_EQ(read.config->image_id, fleet_.small.id);
  EXPECT_EQ(read.image->Reference(), fleet_.small.Reference());
  EXPECT_EQ(read.image->properties, fleet_.small.properties);
  EXPECT_EQ(read.image->firewall_rules, fleet_.small.firewall_rules);
  EXPECT_FALSE(read.running.has_value());
  ASSERT_EQ(read.transitions.size(), 1u);
  EXPECT_EQ(read.transitions[0].to, kSmall);
  EXPECT_EQ(read.transitions[0].from, Resources{});
  const HostSnapshot& host = snapshot.hosts.at(host_id);
  EXPECT_EQ(host.sums, (HostSums{{1, kSmall}, {}}));
  EXPECT_EQ(host.ledger_balance, (Books{1, kSmall}));
  EXPECT_EQ(snapshot.images.size(), 1u);
  EXPECT_EQ(snapshot.orgs.at(fleet_.org.id).name, "acme");
  EXPECT_EQ(snapshot.taken_names.size(), 1u);
  EXPECT_EQ(snapshot.taken_names.at("eth-1"), node.id);
  ASSERT_EQ(snapshot.requests.size(), 1u);
  EXPECT_EQ(snapshot.requests.begin()->second.response, fleet_.Request("r1").response);
  EXPECT_EQ(snapshot.requests.begin()->second.body_digest, "digest");
}

TEST_P(WriteContract, LedgerCommandsAndEventsReadBack) {
  HostId host = AddHost("rack-1");
  ChangeSet create = fleet_.CreateNode("eth-1", host, fleet_.small);
  Node node = create.new_nodes.front();
  ASSERT_OK(Apply(store(), create));
  ChangeSet upgrade = fleet_.Upgrade(node, fleet_.big);
  Drift drift{DriftKind::kHostBooks, host, "rack-1", node.id, "eth \"1\"", "node_count", 7, 1};
  upgrade.ledger[0].corrections = {drift, drift};
  upgrade.ledger[0].corrections[1].node_id.reset();
  ASSERT_OK(Apply(store(), upgrade));

  auto entries = Read([&](ReadTx& tx) { return tx.HostLedger(host, 0, 10); });
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].delta, (Books{1, kSmall}));
  EXPECT_EQ(entries[1].delta, (Books{0, {2, 12'000, 30'000}}));
  EXPECT_EQ(entries[1].balance, (Books{1, kBig}));
  EXPECT_EQ(entries[1].corrections, upgrade.ledger[0].corrections);
  EXPECT_EQ(entries[1].kind, LedgerKind::kUpgrade);
  EXPECT_EQ(entries[1].node_id, node.id);
  EXPECT_EQ(entries[1].actor_id, "tester");
  EXPECT_EQ(Read([&](ReadTx& tx) { return tx.HostLedger(host, 1, 10); }).size(), 1u);
  EXPECT_EQ(Read([&](ReadTx& tx) { return tx.HostLedger(host, 0, 1); }).front().seq, 1);
  EXPECT_EQ(Read([&](ReadTx& tx) { return tx.NodeLedger(node.id, 1, 10); }).front().seq, 2);
  EXPECT_TRUE(Read([&](ReadTx& tx) { return tx.NodeLedger(NodeId{}, 0, 10); }).empty());

  const Command& command = upgrade.new_commands.front();
  auto row = Read([&](ReadTx& tx) { return tx.FindCommand(command.id); });
  ASSERT_TRUE(row.has_value());
  EXPECT_EQ(row->command.payload, command.payload);
  EXPECT_EQ(row->command.from_config_id, node.config_id);
  EXPECT_EQ(row->node, "eth-1");
  EXPECT_EQ(row->host, "rack-1");
  auto config = Read([&](ReadTx& tx) { return tx.FindConfig(*command.to_config_id); });
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->resources, kBig);
  EXPECT_FALSE(Read([&](ReadTx& tx) { return tx.FindConfig(ConfigId{}); }).has_value());
  EXPECT_EQ(Read([&](ReadTx& tx) { return tx.OrgUsage(fleet_.org.id); }).books, (Books{1, kBig}));
}

TEST_P(WriteContract, FindsByIdAndByName) {
  HostId host = AddHost("rack-1");
  Node node = AddNode("eth-1", host);
  for (const std::string& key : {std::string("eth-1"), node.id.ToString()}) {
    auto row = Read([&](ReadTx& tx) { return tx.FindNode(key); });
    ASSERT_TRUE(row.has_value()) << key;
    EXPECT_EQ(row->node.id, node.id);
    EXPECT_EQ(row->org, "acme");
    EXPECT_EQ(row->host, "rack-1");
    EXPECT_EQ(row->region, "north");
    EXPECT_EQ(row->image, "ethereum/reth@1.0.0+1");
    auto both = Read([&](ReadTx& tx) { return tx.FindNodeAndConfig(key); });
    ASSERT_TRUE(both.has_value()) << key;
    EXPECT_EQ(both->row.node, row->node);
    EXPECT_EQ(both->row.region, "north");
    EXPECT_EQ(both->row.image, row->image);
    EXPECT_EQ(both->running_image, node.running_config_id ? row->image : "");
    auto config = Read([&](ReadTx& tx) { return tx.FindConfig(node.config_id); });
    ASSERT_TRUE(config.has_value());
    EXPECT_EQ(both->config.id, node.config_id);
    EXPECT_EQ(both->config.image_id, config->image_id);
    EXPECT_EQ(both->config.resources, config->resources);
    EXPECT_EQ(ConfigToJson(both->config), ConfigToJson(*config));
  }
  EXPECT_FALSE(Read([&](ReadTx& tx) { return tx.FindNodeAndConfig("eth-2"); }).has_value());
  EXPECT_TRUE(Read([&](ReadTx& tx) { return tx.FindOrg("acme"); }).has_value());
  EXPECT_TRUE(Read([&](ReadTx& tx) { return tx.FindOrg(fleet_.org.id.ToString()); }).has_value());
  EXPECT_FALSE(Read([&](ReadTx& tx) { return tx.FindOrg("ACME"); }).has_value());
  EXPECT_TRUE(Read([&](ReadTx& tx) { return tx.FindRegion("north"); }).has_value());
  EXPECT_TRUE(Read([&](ReadTx& tx) { return tx.FindProtocol("ethereum"); }).has_value());
  EXPECT_FALSE(Read([&](ReadTx& tx) { return tx.FindHost("rack-2"); }).has_value());
  auto version =
      Read([&](ReadTx& tx) { return tx.FindVersion(fleet_.protocol.id, "reth", "1.0.0"); });
  ASSERT_TRUE(version.has_value());
  EXPECT_EQ(version->id, fleet_.version.id);
  auto builds = Read([&](ReadTx& tx) { return tx.FindBuilds("ethereum", "reth", "1.0.0"); });
  ASSERT_EQ(builds.size(), 2u);
  EXPECT_EQ(builds[0]->id, fleet_.small.id);
  EXPECT_EQ(builds[1]->id, fleet_.big.id);
  EXPECT_EQ(Read([&](ReadTx& tx) { return tx.FindImage(ImageId{}); }), nullptr);
}

TEST_P(WriteContract, TheProofRefusesEveryWrongCounterAndHold) {
  HostId host = AddHost("rack-1");
  AddNode("eth-0", host);
  const std::string before = Everything();
  const auto hosts = fleet_.hosts;
  int64_t Books::* count = &Books::node_count;
  auto break_books = [&](Host& after, int which, int64_t by) {
    if (which == 0) after.books.*count += by;
    if (which >= 1 && which <= 3) after.books.allocated.at(kDimensions[which - 1]) += by;
    if (which >= 4) after.held.at(kDimensions[which - 4]) += by;
  };
  for (int which = 0; which < 7; ++which) {
    for (int64_t by : {1, -1}) {
      if (which >= 4 && by < 0) continue;  // below zero: another rule's business
      fleet_.hosts = hosts;
      ChangeSet changes = fleet_.CreateNode("eth-1", host, fleet_.small);
      break_books(changes.host_updates.front().after, which, by);
      Status status = Apply(store(), changes);
      ExpectRefused(status, kFailedPrecondition, "BOOKS_MISMATCH");
      ASSERT_FALSE(status.has_value());
      EXPECT_EQ(status.error().Fact("hosts"), "1");
      EXPECT_NE(status.error().message.find("rack-1"), std::string::npos);
      EXPECT_EQ(Everything(), before) << which;
    }
  }
}

TEST_P(WriteContract, TheProofLooksAtHostsThatOnlyTheLedgerOrANodeNames) {
  HostId host = AddHost("rack-1");
  Node node = AddNode("eth-0", host);
  const std::string before = Everything();
  const auto hosts = fleet_.hosts;
  ChangeSet moved = fleet_.Upgrade(node, fleet_.big);
  moved.host_updates.clear();
  moved.ledger.clear();
  ExpectRefused(Apply(store(), moved), kFailedPrecondition, "BOOKS_MISMATCH");
  fleet_.hosts = hosts;
  ChangeSet forgotten = fleet_.CreateNode("eth-1", host, fleet_.small);
  forgotten.host_updates.clear();
  ExpectRefused(Apply(store(), forgotten), kFailedPrecondition, "BOOKS_MISMATCH");
  forgotten.ledger.clear();
  ExpectRefused(Apply(store(), forgotten), kFailedPrecondition, "BOOKS_MISMATCH");
  ChangeSet born_wrong = fleet_.CreateHost("rack-2");
  born_wrong.new_hosts[0].books.node_count = 1;
  ExpectRefused(Apply(store(), born_wrong), kFailedPrecondition, "BOOKS_MISMATCH");
  EXPECT_EQ(Everything(), before);
}

TEST_P(WriteContract, HoldsCountForLiveNodesOnly) {
  HostId host = AddHost("rack-1");
  ChangeSet changes = fleet_.CreateNode("eth-1", host, fleet_.small);
  changes.new_nodes[0].held = {1, 2, 3};
  changes.host_updates[0].after.held = {1, 2, 3};
  ASSERT_OK(Apply(store(), changes));
  fleet_.hosts.at(host).held = {};
  ChangeSet gone = fleet_.Delete(changes.new_nodes[0]);
  ASSERT_OK(Apply(store(), gone));
  Host after = ReadHost(host);
  EXPECT_EQ(after.books, Books{});
  EXPECT_EQ(after.held, Resources{});
  EXPECT_EQ(ReadNode(changes.new_nodes[0].id), gone.node_updates[0].after);
  EXPECT_FALSE(Read([&](ReadTx& tx) { return tx.FindNode("eth-1"); }).has_value());
  EXPECT_EQ(Read([&](ReadTx& tx) { return tx.OrgUsage(fleet_.org.id); }), HostSums{});
}

TEST_P(WriteContract, AnUpdateOfAnotherVersionFailsTheWholeWrite) {
  HostId host = AddHost("rack-1");
  Node node = AddNode("eth-1", host);
  const std::string before = Everything();
  ChangeSet host_moved = fleet_.Upgrade(node, fleet_.big);
  host_moved.host_updates[0].version_before += 1;
  Status status = Apply(store(), host_moved);
  ExpectRefused(status, kInternal, "HOST_UPDATE_FAILED");
  ASSERT_FALSE(status.has_value());
  EXPECT_NE(status.error().message.find("rack-1"), std::string::npos);
  ChangeSet node_moved = host_moved;
  node_moved.host_updates[0].version_before -= 1;
  node_moved.node_updates[0].version_before += 1;
  ExpectRefused(Apply(store(), node_moved), kInternal, "NODE_UPDATE_FAILED");
  ChangeSet no_command = host_moved;
  no_command.host_updates[0].version_before -= 1;
  no_command.command_updates = {{CommandId{}, CommandState::kSuperseded, std::nullopt}};
  ExpectRefused(Apply(store(), no_command), kInternal, "COMMAND_UPDATE_FAILED");
  EXPECT_EQ(Everything(), before);
}

TEST_P(WriteContract, UpdatesOfFieldsThatUpgradesLeaveAloneAreWritten) {
  HostId host = AddHost("rack-1");
  Node node = AddNode("eth-1", host);
  Org other{fleet_.ids.New<OrgId>(), "other", fleet_.Tick()};
  Node after = node;
  after.org_id = other.id;
  after.running_config_id = node.config_id;
  after.handed_out = true;
  after.auto_upgrade = true;
  after.node_state = NodeState::kRunning;
  after.version = 2;
  ChangeSet changes;
  changes.new_orgs = {other};
  changes.node_updates = {{after, 1}};
  ASSERT_OK(Apply(store(), changes));
  EXPECT_EQ(ReadNode(node.id), after);
  EXPECT_EQ(Load(LockOf(node.id)).nodes.at(node.id).running, kSmall);
}

TEST_P(WriteContract, NodeFieldsMustBeItsConfigs) {
  HostId host = AddHost("rack-1");
  const auto hosts = fleet_.hosts;
  for (Dimension dimension : kDimensions) {
    fleet_.hosts = hosts;
    ChangeSet changes = fleet_.CreateNode("eth-1", host, fleet_.small);
    changes.new_nodes[0].resources.at(dimension) += 1;
    changes.host_updates[0].after.books.allocated.at(dimension) += 1;
    ExpectRefused(Apply(store(), changes), kInternal, "CONSTRAINT_FAILED");
  }
  fleet_.hosts = hosts;
  ChangeSet other_image = fleet_.CreateNode("eth-1", host, fleet_.small);
  other_image.new_nodes[0].image_id = fleet_.big.id;
  ExpectRefused(Apply(store(), other_image), kInternal, "CONSTRAINT_FAILED");
}

TEST_P(WriteContract, NegativeAmountsAreRefusedByTheDatabaseItself) {
  HostId host = AddHost("rack-1");
  const std::string before = Everything();
  ChangeSet changes;
  Host after = ReadHost(host);
  after.version = 2;
  after.books.node_count = -1;
  changes.host_updates = {{after, 1}};
  Status status = Apply(store(), changes);
  ExpectRefused(status, kInternal, "CONSTRAINT_FAILED");
  ASSERT_FALSE(status.has_value());
  EXPECT_NE(status.error().message.find("node_count"), std::string::npos);
  changes.host_updates[0].after.books = {0, {0, -1, 0}};
  ExpectRefused(Apply(store(), changes), kInternal, "CONSTRAINT_FAILED");
  EXPECT_EQ(Everything(), before);
}

TEST_P(WriteContract, UniqueKeysHaveErrorsOfTheirOwn) {
  HostId host = AddHost("rack-1");
  AddNode("eth-1", host);
  const std::string before = Everything();
  ChangeSet changes;
  changes.new_orgs = {{fleet_.ids.New<OrgId>(), "acme", fleet_.Tick()}};
  ExpectRefused(Apply(store(), changes), kAlreadyExists, "ORG_NAME_TAKEN");
  changes = {};
  changes.new_regions = {{fleet_.ids.New<RegionId>(), "north", fleet_.Tick()}};
  ExpectRefused(Apply(store(), changes), kAlreadyExists, "REGION_NAME_TAKEN");
  changes = {};
  changes.new_protocols = {fleet_.protocol};
  changes.new_protocols[0].id = fleet_.ids.New<ProtocolId>();
  ExpectRefused(Apply(store(), changes), kAlreadyExists, "PROTOCOL_NAME_TAKEN");
  changes = {};
  changes.new_versions = {fleet_.version};
  changes.new_versions[0].id = fleet_.ids.New<ProtocolVersionId>();
  ExpectRefused(Apply(store(), changes), kAlreadyExists, "VERSION_NAME_TAKEN");
  changes = {};
  changes.new_images = {fleet_.big};
  changes.new_images[0].id = fleet_.ids.New<ImageId>();
  ExpectRefused(Apply(store(), changes), kAlreadyExists, "IMAGE_BUILD_TAKEN");
  ExpectRefused(Apply(store(), fleet_.CreateHost("rack-1")), kAlreadyExists, "HOST_NAME_TAKEN");
  Status status = Apply(store(), fleet_.CreateNode("eth-1", host, fleet_.small));
  ExpectRefused(status, kAlreadyExists, "NODE_NAME_TAKEN");
  ASSERT_FALSE(status.has_value());
  EXPECT_NE(status.error().message.find("eth-1"), std::string::npos);
  EXPECT_EQ(Everything(), before);
}

TEST_P(WriteContract, ARequestIsStoredOnce) {
  ChangeSet changes;
  changes.requests = {fleet_.Request("r1")};
  ASSERT_OK(Apply(store(), changes));
  ExpectRefused(Apply(store(), changes), kAlreadyExists, "REQUEST_RACED");
  // The same id of another actor, or of an actor of all orgs, is another request.
  changes.requests[0].key.actor_id = "someone else";
  ASSERT_OK(Apply(store(), changes));
  changes.requests[0].key.org_id = OrgId{};
  ASSERT_OK(Apply(store(), changes));
  LockSet wanted;
  wanted.requests = {changes.requests[0].key};
  EXPECT_EQ(Load(wanted).requests.size(), 1u);
}

TEST_P(WriteContract, ADeletedNodesNameIsFreeAgainButItsNumberIsNot) {
  HostId host = AddHost("rack-1");
  Node node = AddNode("eth-7", host);
  AddNode("eth-10-2", host);
  AddNode("eth-x", host);
  AddNode("eth.99", host);
  ASSERT_OK(Apply(store(), fleet_.Delete(node)));
  EXPECT_EQ(Read([&](ReadTx& tx) { return tx.NextNodeNumber("eth"); }), 8);
  EXPECT_EQ(Read([&](ReadTx& tx) { return tx.NextNodeNumber("et"); }), 1);
  EXPECT_EQ(Read([&](ReadTx& tx) { return tx.NextNodeNumber("eth-10"); }), 3);
  Node again = AddNode("eth-7", host);
  EXPECT_NE(again.id, node.id);
  LockSet wanted;
  wanted.node_names = {"eth-7"};
  EXPECT_EQ(Load(wanted).taken_names.at("eth-7"), again.id);
}

TEST_P(WriteContract, SecretsOfADeletedNodeAreErasedAndNoOthers) {
  const HostId host = AddHost("rack-1");
  const auto add = [&](const std::string& name) {
    ChangeSet create = fleet_.CreateNode(name, host, fleet_.small);
    NodeConfig& config = create.new_configs.front();
    config.secrets = {{"token", "v1:sealed"}};
    config.values["secrets"] = "{";
    create.new_commands.front().payload =
        RenderPayload(create.new_nodes.front(), config, fleet_.small, "rack-1");
    EXPECT_TRUE(Apply(store(), create));
    return create;
  };
  const ChangeSet gone = add("eth-1");
  const ChangeSet kept = add("eth-2");
  const auto config_of = [&](const ChangeSet& node) {
    return *Read([&](ReadTx& tx) { return tx.FindConfig(node.new_configs.front().id); });
  };
  const auto payload_of = [&](const ChangeSet& node) {
    const CommandId id = node.new_commands.front().id;
    return Read([&](ReadTx& tx) { return tx.FindCommand(id); })->command.payload;
  };
  ASSERT_OK(Apply(store(), fleet_.Delete(gone.new_nodes.front())));
  EXPECT_TRUE(config_of(gone).secrets.empty());
  EXPECT_EQ(config_of(gone).values, gone.new_configs.front().values);
  EXPECT_EQ(payload_of(gone).find("sealed"), std::string::npos);
  EXPECT_NE(payload_of(gone).find("eth-1"), std::string::npos);
  EXPECT_EQ(config_of(kept).secrets, kept.new_configs.front().secrets);
  EXPECT_EQ(payload_of(kept), kept.new_commands.front().payload);
}

TEST_P(WriteContract, OneOpenUpgradeANode) {
  HostId host = AddHost("rack-1");
  Node node = AddNode("eth-1", host);
  ChangeSet first = fleet_.Upgrade(node, fleet_.big);
  ASSERT_OK(Apply(store(), first));
  const Fleet& fleet = fleet_;
  auto hosts = fleet.hosts;
  ChangeSet second = fleet_.Upgrade(first.node_updates[0].after, fleet_.small);
  ExpectRefused(Apply(store(), second), kInternal, "CONSTRAINT_FAILED");
  second.command_updates = {{first.new_commands[0].id, CommandState::kSuperseded, fleet_.Tick()}};
  ASSERT_OK(Apply(store(), second));
  auto row = Read([&](ReadTx& tx) { return tx.FindCommand(first.new_commands[0].id); });
  EXPECT_EQ(row->command.state, CommandState::kSuperseded);
  EXPECT_TRUE(row->command.ended_at.has_value());
  // The create and the second upgrade are what still counts.
  auto transitions = Load(LockOf(node.id)).nodes.at(node.id).transitions;
  ASSERT_EQ(transitions.size(), 2u);
  EXPECT_EQ(transitions[0].kind, CommandKind::kCreate);
  EXPECT_EQ(transitions[1].id, second.new_commands[0].id);
}

TEST_P(WriteContract, AFailedTransitionCountsUntilALaterOneSettlesOrReverts) {
  HostId host = AddHost("rack-1");
  Node node = AddNode("eth-1", host);
  ChangeSet first = fleet_.Upgrade(node, fleet_.big);
  ASSERT_OK(Apply(store(), first));
  auto set_state = [&](const CommandId& id, CommandState state) {
    ChangeSet changes;
    changes.command_updates = {{id, state, fleet_.Tick()}};
    ASSERT_OK(Apply(store(), changes));
  };
  auto count = [&] { return Load(LockOf(node.id)).nodes.at(node.id).transitions.size(); };
  set_state(first.new_commands[0].id, CommandState::kFailed);
  EXPECT_EQ(count(), 2u);
  ChangeSet second = fleet_.Upgrade(first.node_updates[0].after, fleet_.small);
  ASSERT_OK(Apply(store(), second));
  EXPECT_EQ(count(), 3u);
  for (CommandState ended : {CommandState::kSettled, CommandState::kReverted}) {
    set_state(second.new_commands[0].id, CommandState::kSuperseded);
    EXPECT_EQ(count(), 2u);
    set_state(second.new_commands[0].id, ended);
    EXPECT_EQ(count(), 1u) << ToText(ended);
  }
}

TEST_P(WriteContract, AnErrorOfTheFunctionLeavesNoTrace) {
  HostId host = AddHost("rack-1");
  const std::string before = Everything();
  Status status = store().Write([&](WriteTx& tx) -> Status {
    ASSIGN_OR_RETURN(Snapshot snapshot, tx.Lock(LockOf(host)));
    EXPECT_EQ(snapshot.hosts.size(), 1u);
    tx.Apply(fleet_.CreateNode("eth-1", host, fleet_.small));
    return Fail(InvalidArgument("TEST", "changed my mind"));
  });
  ExpectRefused(status, kInvalidArgument, "TEST");
  EXPECT_EQ(Everything(), before);
}

TEST_P(WriteContract, ALateFailureLeavesNoTraceOfWhatCameBefore) {
  HostId host = AddHost("rack-1");
  const std::string before = Everything();
  ChangeSet changes = fleet_.CreateNode("eth-1", host, fleet_.small);
  changes.requests = {fleet_.Request("r1"), fleet_.Request("r1")};
  ExpectRefused(Apply(store(), changes), kAlreadyExists, "REQUEST_RACED");
  EXPECT_EQ(Everything(), before);
  changes.requests.pop_back();
  ASSERT_OK(Apply(store(), changes));
}

TEST_P(WriteContract, WhatIsNotThereIsAbsentFromTheSnapshot) {
  LockSet wanted;
  wanted.nodes = {NodeId{}, fleet_.ids.New<NodeId>()};
  wanted.hosts = {fleet_.ids.New<HostId>()};
  wanted.orgs = {OrgId{}};
  Snapshot snapshot = Load(wanted);
  EXPECT_TRUE(snapshot.nodes.empty());
  EXPECT_TRUE(snapshot.hosts.empty());
  EXPECT_TRUE(snapshot.orgs.empty());
}

RUN_ON_ALL_BACKENDS(WriteContract);

}  // namespace
}  // namespace tallyman
