#include "tests/simulation/simulation.h"

#include <fmt/core.h>

#include <future>

#include "control/hosts/reports.h"
#include "tallyman/v1/agent.pb.h"
#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/host.pb.h"
#include "tallyman/v1/node.pb.h"
#include "tallyman/v1/org.pb.h"
#include "tallyman/v1/region.pb.h"

namespace tallyman {
namespace {

constexpr int kHosts = 2;
constexpr int kNodesMax = 5;
constexpr std::chrono::minutes kDeadline(10);
constexpr size_t kLateMax = 20;
constexpr const char* kVersions[] = {"1.0.0", "2.0.0", "3.0.0", "4.0.0"};

Error Lost(const char* what) { return {Code::kUnavailable, "LOST", what}; }

}  // namespace

Status UnsteadyStore::Write(const std::function<Status(WriteTx&)>& body) {
  if (chance_.Strikes(60)) {
    // The server dies before the commit.
    return store_.Write([&](WriteTx& tx) -> Status {
      RETURN_IF_ERROR(body(tx));
      return Fail(Error(Code::kUnavailable, "DATABASE_IO", "made to fail"));
    });
  }
  return store_.Write(body);
}

Simulation::Simulation(uint64_t seed) : chance_(seed), random_(seed + 1) {
  chance_.faults = false;
  StartServer();
  BuildFleet();
}

Simulation::~Simulation() {
  hosts_.clear();
  dispatcher_.reset();
  control_.reset();
}

void Simulation::StartServer() {
  dispatcher_.reset();
  control_.reset();
  unsteady_.reset();
  store_.reset();
  SqliteStoreOptions options;
  options.create_if_missing = true;
  options.for_migration = true;
  options.synchronous = SqliteSynchronous::kOff;
  auto opened = SqliteStore::Open((dir_.path() / "books.db").string(), options);
  if (!opened) throw std::runtime_error(opened.error().message);
  store_ = *std::move(opened);
  if (auto migrated = store_->Migrate(); !migrated)
    throw std::runtime_error(migrated.error().message);
  unsteady_ = std::make_unique<UnsteadyStore>(*store_, chance_);
  control_ = std::make_unique<Control>(*unsteady_, clock_, random_, log_, metrics_);
  dispatcher_ = std::make_unique<Dispatcher>(*control_);
}

void Simulation::BuildFleet() {
  auto must = [&](std::string_view method, const google::protobuf::Message& request) {
    auto response = dispatcher_->NewResponse(method);
    Status status = Serve(admin_, method, request, response.get());
    if (!status) throw std::runtime_error(status.error().message);
    return response;
  };
  v1::CreateOrgRequest org;
  org.set_name("acme");
  must("tallyman.v1.OrgService/CreateOrg", org);
  v1::CreateRegionRequest region;
  region.set_name("eu");
  must("tallyman.v1.RegionService/CreateRegion", region);
  v1::CreateHostsRequest hosts;
  for (int i = 1; i <= kHosts; ++i) {
    v1::HostSpec& host = *hosts.add_hosts();
    host.set_name(fmt::format("host-{}", i));
    host.set_region("eu");
    host.mutable_capacity()->set_cpu_cores(64);
    host.mutable_capacity()->set_memory_bytes(256 * kGiga);
    host.mutable_capacity()->set_disk_bytes(8000 * kGiga);
  }
  must("tallyman.v1.HostService/CreateHosts", hosts);
  v1::CreateImagesRequest images;
  images.set_create_missing(true);
  // Up in one dimension, down in another.
  constexpr int64_t kNeeds[][3] = {{2, 4, 100}, {6, 8, 200}, {1, 16, 50}, {4, 2, 400}};
  for (int i = 0; i < 4; ++i) {
    v1::ImageSpec& image = *images.add_images();
    image.set_protocol("chain");
    image.set_variant("full");
    image.set_semantic_version(kVersions[i]);
    image.set_image_uri(fmt::format("docker://chain:{}", kVersions[i]));
    image.mutable_minimum()->set_cpu_cores(kNeeds[i][0]);
    image.mutable_minimum()->set_memory_bytes(kNeeds[i][1] * kGiga);
    image.mutable_minimum()->set_disk_bytes(kNeeds[i][2] * kGiga);
    v1::Property& property = *image.add_properties();
    property.set_key("archive");
    property.set_default_value("off");
    property.mutable_add()->set_cpu_cores(1);
  }
  must("tallyman.v1.CatalogService/CreateImages", images);
  for (int i = 1; i <= kHosts; ++i) {
    v1::GetHostRequest get;
    get.set_host(fmt::format("host-{}", i));
    auto answer = must("tallyman.v1.HostService/GetHost", get);
    const auto& host = static_cast<v1::GetHostResponse&>(*answer).host();
    hosts_.push_back(std::make_unique<SimulatedHost>(*HostId::Parse(host.id()), host.name(),
                                                     (dir_.path() / host.name()).string(), *this,
                                                     clock_, log_, chance_));
  }
}

Status Simulation::Serve(const Actor& actor, std::string_view method,
                         const google::protobuf::Message& request,
                         google::protobuf::Message* response) {
  std::promise<Result<Reply>> promise;
  dispatcher_->Dispatch(method, request,
                        {.actor = actor, .address = "", .deadline = {}, .cancelled = {}},
                        [&](Result<Reply> reply) { promise.set_value(std::move(reply)); });
  auto answer = ToMessage(promise.get_future().get());
  if (!answer) return Fail(answer.error());
  if (response != nullptr) response->CopyFrom(**answer);
  return {};
}

Status Simulation::Carry(const HostId& host, std::string_view method,
                         const google::protobuf::Message& request,
                         google::protobuf::Message& response) {
  const Actor actor{.id = "agent", .org_id = {}, .role = Role::kHost, .host_id = host};
  auto keep = [&] {
    std::unique_ptr<google::protobuf::Message> copy(request.New());
    copy->CopyFrom(request);
    late_.push_back({host, std::string(method), std::move(copy)});
    if (late_.size() > kLateMax) late_.pop_front();
  };
  if (chance_.Strikes(80)) throw AgentKilled();
  if (chance_.Strikes(12)) return Fail(Lost("the request was lost"));
  if (chance_.Strikes(12)) {
    keep();
    return Fail(Lost("the request was late"));
  }
  Status served = Serve(actor, method, request, &response);
  if (chance_.Strikes(12)) keep();  // twice, the second time late
  if (chance_.Strikes(80)) throw AgentKilled();
  if (chance_.Strikes(12)) return Fail(Lost("the answer was lost"));
  return served;
}

void Simulation::DeliverLate() {
  if (late_.empty()) return;
  const auto at = chance_.Below(std::ssize(late_));
  Letter letter = std::move(late_[static_cast<size_t>(at)]);
  late_.erase(late_.begin() + at);
  Note("late: " + letter.method);
  const Actor actor{.id = "agent", .org_id = {}, .role = Role::kHost, .host_id = letter.host};
  // Whoever sent it does not listen any more.
  (void)Serve(actor, letter.method, *letter.request, nullptr).has_value();
}

std::vector<std::string> Simulation::NodeNames() {
  v1::ListNodesRequest list;
  list.set_order_by("name");
  v1::ListNodesResponse response;
  std::vector<std::string> names;
  if (!Serve(admin_, "tallyman.v1.NodeService/ListNodes", list, &response)) return names;
  for (const v1::Node& node : response.nodes()) names.push_back(node.name());
  return names;
}

void Simulation::Operate() {
  const std::vector<std::string> names = NodeNames();
  const int64_t act = chance_.Below(20);
  auto send = [&](const char* method, const google::protobuf::Message& request) {
    Status status = Serve(admin_, method, request, nullptr);
    Note(fmt::format("operator: {} {} {}", method, request.ShortDebugString(),
                     status ? "done" : status.error().reason));
  };
  if (names.empty() || (act < 3 && std::ssize(names) < kNodesMax)) {
    v1::CreateNodesRequest create;
    create.set_image(fmt::format("chain/full@{}", kVersions[chance_.Below(4)]));
    create.set_org("acme");
    create.set_name(fmt::format("n-{}", ++names_));
    auto* on = create.mutable_by_hosts()->add_hosts();
    on->set_host(fmt::format("host-{}", 1 + chance_.Below(kHosts)));
    on->set_count(1);
    return send("tallyman.v1.NodeService/CreateNodes", create);
  }
  const std::string& name = names[static_cast<size_t>(chance_.Below(std::ssize(names)))];
  if (act < 11) {
    v1::UpgradeNodesRequest upgrade;
    upgrade.add_nodes(name);
    upgrade.set_image(fmt::format("chain/full@{}", kVersions[chance_.Below(4)]));
    return send("tallyman.v1.NodeService/UpgradeNodes", upgrade);
  }
  if (act < 13) {
    v1::RetryUpgradeRequest retry;
    retry.set_node(name);
    return send("tallyman.v1.NodeService/RetryUpgrade", retry);
  }
  if (act < 15) {
    v1::UpdateNodeRequest update;
    update.set_node(name);
    (*update.mutable_set_values())["archive"] = chance_.OneIn(2) ? "on" : "off";
    return send("tallyman.v1.NodeService/UpdateNode", update);
  }
  if (act < 17) {
    v1::StopNodesRequest stop;
    stop.add_nodes(name);
    if (chance_.OneIn(2)) return send("tallyman.v1.NodeService/StopNodes", stop);
    v1::StartNodesRequest start;
    start.add_nodes(name);
    return send("tallyman.v1.NodeService/StartNodes", start);
  }
  v1::DeleteNodesRequest remove;
  remove.add_nodes(name);
  send("tallyman.v1.NodeService/DeleteNodes", remove);
}

void Simulation::ExpireOverdue() { (void)ExpireCommands(*control_, kDeadline).has_value(); }

void Simulation::Step() {
  SimulatedHost& host = *hosts_[static_cast<size_t>(chance_.Below(kHosts))];
  const int64_t act = chance_.Below(100);
  if (act < 14) {
    Operate();
  } else if (act < 44) {
    Note("talk " + host.name());
    host.Talk();
  } else if (act < 74) {
    Note("work " + host.name());
    host.Work();
    // What takes longer is looked at again soon.
    if (chance_.OneIn(3)) clock_.Advance(std::chrono::milliseconds(250));
  } else if (act < 80) {
    DeliverLate();
  } else if (act < 92) {
    const int64_t seconds = chance_.OneIn(8) ? 900 : 1 + chance_.Below(20);
    Note(fmt::format("{} s pass", seconds));
    clock_.Advance(std::chrono::seconds(seconds));
  } else if (act < 95) {
    Note("deadlines");
    ExpireOverdue();
  } else if (act < 96) {
    Note("the server crashes");
    StartServer();
  } else if (act < 97) {
    Note("agent of " + host.name() + " is killed");
    host.Kill();
  } else {
    BadNight(host);
  }
}

// Something of what real machines do.
void Simulation::BadNight(SimulatedHost& host) {
  const std::chrono::seconds a_while(1 + chance_.Below(chance_.OneIn(4) ? 600 : 60));
  switch (chance_.Below(7)) {
    case 0:
      Note("the power of " + host.name() + " is cut");
      return host.CutPower();
    case 1:
      Note("the registry is away from " + host.name());
      return host.LoseRegistry(a_while);
    case 2:
      Note("the disk of " + host.name() + " is full");
      return host.FillDisk(a_while);
    case 3: {
      const auto by = std::chrono::hours(chance_.OneIn(2) ? 2 : -2);
      Note(fmt::format("the clock of {} is set by {} h", host.name(), by.count()));
      return host.SetClock(by);
    }
    default:
      break;
  }
  Note("nodes of " + host.name() + " crash, are busy, unhealthy or broken");
  for (const ObservedNode& node : host.Seen()) {
    if (!chance_.OneIn(2)) continue;
    switch (chance_.Below(6)) {
      case 0:
        host.machine().Crash(node.node_id);
        break;
      case 1:
        host.machine().SetUnhealthy(node.node_id, "no peers");
        break;
      case 2:
        host.machine().Break(node.node_id);
        break;
      default:
        host.machine().SetBlockingJob(
            node.node_id,
            BlockingJob{.retry_after_seconds = 30 + chance_.Below(100), .description = "busy"});
        break;
    }
  }
}

bool Simulation::IsQuiet() {
  bool quiet = true;
  for (auto& host : hosts_) quiet = quiet && !host->HasWork();
  LockSet none;
  for (const char* state : {"open", "taken", "unknown"}) {
    Status read = store_->Read([&](ReadTx& tx) -> Status {
      ListQuery query;
      query.order_by = "id";
      query.conditions = {{"state", Comparison::kEqual, std::string(state)}};
      query.limit = 1;
      ASSIGN_OR_RETURN(auto rows, tx.ListCommands(query));
      quiet = quiet && rows.empty();
      return {};
    });
    quiet = quiet && read;
  }
  return quiet;
}

void Simulation::Settle() {
  chance_.faults = false;
  Note("faults stop");
  for (auto& host : hosts_) {
    host->Kill();
    for (const ObservedNode& node : host->Seen()) {
      host->machine().SetBlockingJob(node.node_id, std::nullopt);
      host->machine().SetUnhealthy(node.node_id, "");
    }
  }
  StartServer();
  while (!late_.empty()) DeliverLate();
  // A node that has crashed often is started again after minutes.
  constexpr int kQuietRounds = 12;
  int quiet_rounds = 0;
  for (int round = 0; round < 400 && quiet_rounds < kQuietRounds; ++round) {
    for (auto& host : hosts_) {
      host->Talk();
      while (host->Work()) {
      }
      host->Talk();
    }
    ExpireOverdue();
    clock_.Advance(std::chrono::seconds(31));
    quiet_rounds = IsQuiet() ? quiet_rounds + 1 : 0;
  }
}

std::string Simulation::Report(const std::string& what) const {
  std::string text = what + "\n";
  const size_t from = trace_.size() > 60 ? trace_.size() - 60 : 0;
  for (size_t i = from; i < trace_.size(); ++i) text += fmt::format("  {} {}\n", i, trace_[i]);
  return text;
}

std::string Simulation::Run(int steps) {
  chance_.faults = true;
  for (int i = 0; i < steps; ++i) {
    Step();
    if (std::string wrong = CheckNow(); !wrong.empty()) return Report(wrong);
  }
  Settle();
  if (std::string wrong = CheckNow(); !wrong.empty()) return Report(wrong);
  if (std::string wrong = CheckSettled(); !wrong.empty()) return Report(wrong);
  return {};
}

}  // namespace tallyman
