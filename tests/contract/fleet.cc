#include "tests/contract/fleet.h"

#include "base/time.h"

namespace tallyman {
namespace {

Resources Plus(const Resources& a, const Resources& b) { return *Add(a, b); }
Resources Minus(const Resources& a, const Resources& b) { return *Subtract(a, b); }

}  // namespace

Fleet::Fleet(uint64_t seed)
    : clock(FromMicros(1'700'000'000'000'000)), random(seed), ids(clock, random) {
  org = {ids.New<OrgId>(), "acme", Tick()};
  region = {ids.New<RegionId>(), "north", Tick()};
  protocol = {ids.New<ProtocolId>(), "ethereum", "Ethereum", std::nullopt, Tick()};
  version = {ids.New<ProtocolVersionId>(), protocol.id, "reth", "1.0.0", std::nullopt, Tick()};
  small = MakeImage(1, kSmall);
  big = MakeImage(2, kBig);
}

Time Fleet::Tick() {
  clock.Advance(std::chrono::microseconds(1000));
  return clock.Now();
}

Image Fleet::MakeImage(int64_t build, const Resources& minimum) {
  Image image;
  image.id = ids.New<ImageId>();
  image.protocol = protocol;
  image.version = version;
  image.build = build;
  image.uri = "registry.test/reth:" + std::to_string(build);
  image.minimum = minimum;
  image.properties = {{"archive", "keeps all state", "false", {1, 1'000, 500}},
                      {"network", "", "mainnet", {}},
                      {"token", "", "", {}, true}};
  image.firewall_rules = {
      {"p2p", Direction::kIn, FirewallAction::kAllow, Transport::kBoth, {"10.0.0.0/8"}, {30303}}};
  image.committed_at = Tick();
  image.created_at = Tick();
  return image;
}

ChangeSet Fleet::Catalogue() const {
  ChangeSet changes;
  changes.new_orgs = {org};
  changes.new_regions = {region};
  changes.new_protocols = {protocol};
  changes.new_versions = {version};
  changes.new_images = {small, big};
  return changes;
}

ChangeSet Fleet::CreateHost(const std::string& name, const Resources& capacity) {
  Host host;
  host.id = ids.New<HostId>();
  host.name = name;
  host.region_id = region.id;
  host.capacity = capacity;
  host.created_at = host.updated_at = Tick();
  hosts[host.id] = host;
  host_ids[name] = host.id;
  ChangeSet changes;
  changes.new_hosts = {host};
  return changes;
}

NodeConfig Fleet::Config(const Image& image) {
  NodeConfig config;
  config.id = ids.New<ConfigId>();
  config.image_id = image.id;
  config.values = {{"archive", "false"}, {"network", "main \"net\""}};
  config.firewall_rules = image.firewall_rules;
  config.resources = image.minimum;
  config.created_at = Tick();
  return config;
}

void Fleet::Charge(ChangeSet& changes, const Node& node, LedgerKind kind, const Books& delta,
                   const Resources& held_delta) {
  Host& host = hosts.at(node.host_id);
  host.books = *Add(host.books, delta);
  host.held = Plus(host.held, held_delta);
  changes.host_updates.push_back({host, host.version});
  Host& after = changes.host_updates.back().after;
  after.version = ++host.version;
  after.ledger_seq = ++host.ledger_seq;
  after.updated_at = host.updated_at = Tick();
  LedgerEntry entry;
  entry.host_id = host.id;
  entry.seq = host.ledger_seq;
  entry.node_id = node.id;
  entry.kind = kind;
  entry.delta = delta;
  entry.balance = host.books;
  entry.request_id = "request-" + std::to_string(host.ledger_seq);
  entry.actor_id = "tester";
  entry.created_at = Tick();
  changes.ledger.push_back(entry);
  Event event;
  event.kind = kind == LedgerKind::kCreate    ? EventKind::kNodeCreated
               : kind == LedgerKind::kUpgrade ? EventKind::kUpgradeStarted
                                              : EventKind::kNodeDeleted;
  event.org_id = node.org_id;
  event.host_id = host.id;
  event.node_id = node.id;
  event.actor_id = "tester";
  event.request_id = entry.request_id;
  event.detail = "{}";
  event.created_at = Tick();
  changes.events.push_back(event);
}

ChangeSet Fleet::CreateNode(const std::string& name, const HostId& host, const Image& image) {
  ChangeSet changes;
  NodeConfig config = Config(image);
  Node node;
  node.id = ids.New<NodeId>();
  node.name = name;
  node.org_id = org.id;
  node.host_id = host;
  node.image_id = image.id;
  node.config_id = config.id;
  node.protocol_id = image.protocol.id;
  node.protocol_version_id = image.version.id;
  node.semantic_version = image.version.semantic_version;
  node.resources = config.resources;
  node.created_at = node.updated_at = Tick();
  changes.new_configs = {config};
  changes.new_nodes = {node};
  Command command;
  command.id = ids.New<CommandId>();
  command.node_id = node.id;
  command.host_id = host;
  command.seq = node.version;
  command.to_config_id = config.id;
  command.payload = "{}";
  command.created_at = Tick();
  changes.new_commands = {command};
  Charge(changes, node, LedgerKind::kCreate, {1, node.resources}, {});
  return changes;
}

ChangeSet Fleet::Upgrade(const Node& before, const Image& image) {
  ChangeSet changes;
  NodeConfig config = Config(image);
  Node node = before;
  node.image_id = image.id;
  node.config_id = config.id;
  node.resources = config.resources;
  node.next_state = NextState::kUpgrading;
  node.updated_at = Tick();
  ++node.version;
  changes.new_configs = {config};
  changes.node_updates = {{node, before.version}};
  Command command;
  command.id = ids.New<CommandId>();
  command.node_id = node.id;
  command.host_id = node.host_id;
  command.kind = CommandKind::kUpgrade;
  command.seq = node.version;
  command.from_config_id = before.config_id;
  command.to_config_id = config.id;
  command.payload = R"({"node":1})";
  command.created_at = Tick();
  changes.new_commands = {command};
  Charge(changes, node, LedgerKind::kUpgrade, {0, Minus(node.resources, before.resources)}, {});
  return changes;
}

ChangeSet Fleet::Delete(const Node& before) {
  ChangeSet changes;
  Node node = before;
  node.node_state = NodeState::kDeleted;
  node.released_at = node.deleted_at = node.updated_at = Tick();
  ++node.version;
  changes.node_updates = {{node, before.version}};
  Charge(changes, node, LedgerKind::kRelease, {-1, Minus({}, node.resources)}, {});
  return changes;
}

RequestRecord Fleet::Request(const std::string& id) const {
  RequestRecord record;
  record.key = {org.id, "tester", id};
  record.method = "UpgradeNodes";
  record.address = "local";
  record.body_digest = "digest";
  record.response = std::string("\0\xff answer", 9);
  record.created_at = FromMicros(5);
  return record;
}

Token Fleet::MakeToken(const std::string& name, Role role) {
  Token token;
  token.id = ids.New<TokenId>();
  token.name = name;
  token.secret_digest = std::string(60, '5') + "abcd";
  token.role = role;
  token.created_by = "tester";
  token.created_at = Tick();
  return token;
}

Status Apply(store::Store& store, ChangeSet changes) {
  return store.Write([&](store::WriteTx& tx) -> Status {
    tx.Apply(changes);
    return {};
  });
}

}  // namespace tallyman
