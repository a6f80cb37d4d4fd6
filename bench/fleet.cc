#include "bench/fleet.h"

#include <algorithm>
#include <filesystem>
#include <future>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/id_source.h"
#include "base/system.h"
#include "bench/rig.h"
#include "control/inventory/inventory.h"
#include "model/command.h"
#include "planner/config.h"

namespace tallyman {
namespace {

using namespace tallyman::control;

constexpr int64_t kNodesPerWrite = 5000;
constexpr int64_t kHostsPerWrite = 2000;

const Resources kEvenNeed = {4, 8 * kGiga, 100 * kGiga};

ImageSpec SpecOf(std::string version, const Resources& minimum) {
  ImageSpec spec;
  spec.protocol = "chain";
  spec.variant = "full";
  spec.uri = "docker://registry.example/chain:" + version;
  spec.semantic_version = std::move(version);
  spec.committed_at = Time(std::chrono::seconds(1'700'000'000));
  spec.minimum = minimum;
  spec.properties = {{"archive", "Keeps all history", "false", {2, 4 * kGiga, 500 * kGiga}},
                     {"network", "Which network to join", "mainnet", {}}};
  spec.firewall_rules = {
      {"p2p", Direction::kIn, FirewallAction::kAllow, Transport::kBoth, {}, {30303}}};
  return spec;
}

Status Define(Rig& rig) {
  ASSIGN_OR_RETURN(Org org,
                   (rig.Run<std::string, Org>(CreateOrg, "OrgService/CreateOrg", kBenchOrg)));
  ASSIGN_OR_RETURN(Region region, (rig.Run<std::string, Region>(
                                      CreateRegion, "RegionService/CreateRegion", kBenchRegion)));
  CreateImagesRequest request;
  request.create_missing = true;
  request.images = {SpecOf("1.0.0", kEvenNeed), SpecOf("2.0.0", {6, 12 * kGiga, 150 * kGiga}),
                    SpecOf("3.0.0", {12, 24 * kGiga, 200 * kGiga})};
  ASSIGN_OR_RETURN(CreatedImages images,
                   (rig.Run<CreateImagesRequest, CreatedImages>(
                       CreateImages, "CatalogService/CreateImages", request)));
  if (org.id.is_nil() || region.id.is_nil() || std::ssize(images.items) != 3) {
    return Fail(Internal("BENCH_FLEET", "the catalogue of the fleet was not made"));
  }
  return {};
}

struct Catalogue {
  Org org;
  Region region;
  std::vector<std::shared_ptr<const Image>> images;
  std::vector<NodeConfig> configs;  // of a new node, by image
};

Result<Catalogue> ReadCatalogue(Rig& rig) {
  Catalogue catalogue;
  RETURN_IF_ERROR(rig.store->Read([&](store::ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(auto org, tx.FindOrg(kBenchOrg));
    ASSIGN_OR_RETURN(auto region, tx.FindRegion(kBenchRegion));
    catalogue.org = org.value();
    catalogue.region = region.value();
    for (const char* version : {"1.0.0", "2.0.0", "3.0.0"}) {
      ASSIGN_OR_RETURN(auto builds, tx.FindBuilds("chain", "full", version));
      catalogue.images.push_back(builds.at(0));
      ASSIGN_OR_RETURN(NodeConfig config,
                       planner::ResolveNew(*builds[0], {}, rig.control->policies()));
      catalogue.configs.push_back(std::move(config));
    }
    return {};
  }));
  return catalogue;
}

class Generator {
 public:
  Generator(Rig& rig, const Catalogue& catalogue, const FleetShape& shape)
      : catalogue_(catalogue),
        shape_(shape),
        clock_(rig.clock),
        ids_(rig.control->ids()),
        rig_(rig) {}

  Status Run() {
    for (int64_t i = 0; i < shape_.hosts; ++i) {
      RETURN_IF_ERROR(AddHost(i));
      bool full = std::ssize(changes_.new_nodes) >= kNodesPerWrite ||
                  std::ssize(changes_.new_hosts) >= kHostsPerWrite;
      if (full) RETURN_IF_ERROR(Write());
    }
    return Write();
  }

 private:
  int64_t Draw(int64_t below) {
    return static_cast<int64_t>(random_.Next() % static_cast<uint64_t>(below));
  }

  int64_t NodesOf(int64_t host) {
    if (shape_.varied) return Draw(2 * shape_.nodes / shape_.hosts + 1);
    // As even as it can be, also where the division leaves a rest.
    return (host + 1) * shape_.nodes / shape_.hosts - host * shape_.nodes / shape_.hosts;
  }

  Resources CapacityOf(int64_t nodes) {
    if (shape_.varied) {
      static constexpr int64_t kCores[] = {32, 64, 96};
      int64_t cores = kCores[Draw(3)];
      return {cores, cores * 4 * kGiga, 10'000 * kGiga};
    }
    // Room for every node to grow by half, and for what is held meanwhile.
    int64_t room = 2 * std::max<int64_t>(nodes, 1);
    return {room * kEvenNeed.cpu_cores, room * kEvenNeed.memory_bytes, room * kEvenNeed.disk_bytes};
  }

  Status AddHost(int64_t index) {
    Time now = clock_.Now();
    int64_t nodes = NodesOf(index);
    Host host;
    host.id = ids_.New<HostId>();
    host.name = "host-" + std::to_string(index + 1);
    host.region_id = catalogue_.region.id;
    host.capacity = CapacityOf(nodes);
    host.created_at = host.updated_at = now;
    for (int64_t i = 0; i < nodes; ++i) {
      size_t image = shape_.varied ? static_cast<size_t>(Draw(3)) : 0;
      const Resources& need = catalogue_.configs[image].resources;
      ASSIGN_OR_RETURN(Resources allocated, Add(host.books.allocated, need));
      if (shape_.varied && !allocated.FitsIn(host.capacity)) break;
      host.books.allocated = allocated;
      ++host.books.node_count;
      AddNode(host, image, now);
    }
    changes_.new_hosts.push_back(std::move(host));
    return {};
  }

  // The host's books count the node already.
  void AddNode(Host& host, size_t image_index, Time now) {
    const Image& image = *catalogue_.images[image_index];
    NodeConfig& config = changes_.new_configs.emplace_back(catalogue_.configs[image_index]);
    config.id = ids_.New<ConfigId>();
    config.created_at = now;
    Node& node = changes_.new_nodes.emplace_back();
    node.id = ids_.New<NodeId>();
    node.name = "n-" + std::to_string(++nodes_made_);
    node.org_id = catalogue_.org.id;
    node.host_id = host.id;
    node.image_id = image.id;
    node.config_id = config.id;
    node.protocol_id = image.protocol.id;
    node.protocol_version_id = image.version.id;
    node.semantic_version = image.version.semantic_version;
    node.node_state = NodeState::kRunning;
    node.resources = config.resources;
    node.running_config_id = config.id;
    node.handed_out = true;
    node.created_at = node.updated_at = now;
    AddHistory(host, node, config, image, now);
    node.version = 2;
  }

  void AddHistory(Host& host, const Node& node, const NodeConfig& config, const Image& image,
                  Time now) {
    const std::string request = "fleet-" + std::to_string(writes_);
    Command& command = changes_.new_commands.emplace_back();
    command.id = ids_.New<CommandId>();
    command.node_id = node.id;
    command.host_id = host.id;
    command.kind = CommandKind::kCreate;
    command.state = CommandState::kSettled;
    command.seq = node.version;
    command.to_config_id = config.id;
    command.payload = RenderPayload(node, config, image, host.name);
    command.created_at = now;
    command.ended_at = now;
    changes_.ledger.push_back({.host_id = host.id,
                               .seq = ++host.ledger_seq,
                               .node_id = node.id,
                               .kind = LedgerKind::kCreate,
                               .delta = {1, node.resources},
                               .balance = host.books,
                               .request_id = request,
                               .actor_id = "bench",
                               .created_at = now});
    Event& event = changes_.events.emplace_back();
    event.kind = EventKind::kNodeCreated;
    event.org_id = node.org_id;
    event.host_id = host.id;
    event.node_id = node.id;
    event.actor_id = "bench";
    event.request_id = request;
    event.detail = R"({"image":")" + image.Reference() + "\"}";
    event.created_at = now;
  }

  Status Write() {
    ++writes_;
    ChangeSet changes = std::move(changes_);
    changes_ = {};
    return rig_.store->Write([&](store::WriteTx& tx) -> Status {
      RETURN_IF_ERROR(tx.Lock({}));
      tx.Apply(changes);
      return {};
    });
  }

  const Catalogue& catalogue_;
  const FleetShape& shape_;
  Clock& clock_;
  IdSource& ids_;
  Rig& rig_;
  SeededRandom random_{20'241'124};
  ChangeSet changes_;
  int64_t nodes_made_ = 0;
  int64_t writes_ = 0;
};

}  // namespace

Status MakeFleet(const std::string& database, const FleetShape& shape) {
  ASSIGN_OR_RETURN(auto rig, Rig::Open(database, {.create = true, .durable = false}));
  RETURN_IF_ERROR(Define(*rig));
  ASSIGN_OR_RETURN(Catalogue catalogue, ReadCatalogue(*rig));
  RETURN_IF_ERROR(Generator(*rig, catalogue, shape).Run());
  ASSIGN_OR_RETURN(AuditAnswer audit, rig->Audit());
  if (!audit.balanced()) {
    return Fail(Internal("BENCH_FLEET", "the fleet that was made does not balance"));
  }
  return {};  // closing the last connection checkpoints the file
}

}  // namespace tallyman
