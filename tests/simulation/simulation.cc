#include "tests/simulation/simulation.h"

#include <fmt/core.h>

#include <future>

#include "control/hosts/reports.h"
#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/host.pb.h"
#include "tallyman/v1/org.pb.h"
#include "tallyman/v1/region.pb.h"
#include "tests/support/any_room.h"

namespace tallyman {
namespace {

using namespace tallyman::agent;
using namespace tallyman::api;
using namespace tallyman::store;

constexpr int kNodesFirst = 6;
constexpr std::chrono::minutes kDeadline(10);
constexpr std::chrono::minutes kHistory(30);
constexpr size_t kLateMax = 20;
// Rounds of half a minute: until all is quiet at the latest, and how long it has to stay so. A node
// that has crashed often is started again after minutes.
constexpr std::chrono::seconds kRound(31);
constexpr int kRoundsMax = 200;
constexpr int kQuietRounds = 12;

Error Lost(const char* what) { return {Code::kUnavailable, "LOST", what}; }

}  // namespace

Simulation::Simulation(uint64_t seed)
    : chance_(seed), random_(seed + 1), leaves_nodes_alone_(seed % 3 == 0) {
  chance_.faults = false;
  backend_ = ChosenBackend().make();
  store_ = &backend_->store();
  StartServers();
  BuildFleet();
}

Simulation::~Simulation() { hosts_.clear(); }

void Simulation::StartServers() {
  for (Server& server : servers_) {
    server.dispatcher.reset();
    server.control.reset();
    server.store = std::make_unique<UnsteadyStore>(backend_->Another(), chance_);
    server.control =
        std::make_unique<control::Control>(*server.store, clock_, random_, log_, metrics_);
    server.dispatcher = std::make_unique<Dispatcher>(*server.control);
  }
}

Simulation::Server& Simulation::Idle() {
  Server& server = servers_[static_cast<size_t>(chance_.Below(std::ssize(servers_)))];
  if (&server != busy_) return server;
  return servers_[busy_ == &servers_.front() ? 1 : 0];
}

void Simulation::BuildFleet() {
  auto must = [&](std::string_view method, const google::protobuf::Message& request) {
    auto response = servers_.front().dispatcher->NewResponse(method);
    Status status = Serve(admin_, method, request, response.get());
    if (!status) throw std::runtime_error(status.error().message);
    return response;
  };
  v1::CreateOrgRequest org;
  for (const char* name : {"beta", "acme"}) {
    org.set_name(name);
    must("tallyman.v1.OrgService/CreateOrg", org);
  }
  v1::CreateRegionRequest region;
  region.set_name("eu");
  must("tallyman.v1.RegionService/CreateRegion", region);
  v1::CreateHostsRequest hosts;
  for (int i = 1; i <= kHosts; ++i) {
    v1::HostSpec& host = *hosts.add_hosts();
    host.set_name(fmt::format("host-{}", i));
    host.set_region("eu");
    // The last one is soon full.
    const bool is_small = i == kHosts;
    host.mutable_capacity()->set_cpu_cores(is_small ? 6 : 64);
    host.mutable_capacity()->set_memory_bytes((is_small ? 20 : 256) * kGiga);
    host.mutable_capacity()->set_disk_bytes(8000 * kGiga);
  }
  must("tallyman.v1.HostService/CreateHosts", hosts);
  v1::CreateImagesRequest images;
  images.set_create_missing(true);
  // Up in one dimension, down in another.
  constexpr int64_t kNeeds[][3] = {{2, 4, 100}, {6, 8, 200}, {1, 16, 50}, {4, 2, 400}, {3, 5, 90}};
  for (size_t i = 0; i < std::size(kVersions); ++i) {
    v1::ImageSpec& image = *images.add_images();
    image.set_protocol("chain");
    image.set_variant("full");
    image.set_semantic_version(kVersions[i]);
    image.set_image_uri(fmt::format("docker://chain:{}", kVersions[i]));
    image.mutable_minimum()->set_cpu_cores(kNeeds[i][0]);
    image.mutable_minimum()->set_memory_bytes(kNeeds[i][1] * kGiga);
    image.mutable_minimum()->set_disk_bytes(kNeeds[i][2] * kGiga);
    if (kVersions[i] == kPrivateVersion) image.set_org("acme");
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
  const Status read = store_->Read([&](ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(const auto acme, tx.FindOrg("acme"));
    acme_ = acme->id;
    return {};
  });
  if (!read) throw std::runtime_error(read.error().message);
}

Status Simulation::Serve(const Actor& actor, std::string_view method,
                         const google::protobuf::Message& request,
                         google::protobuf::Message* response) {
  std::promise<Result<Reply>> promise;
  Idle().dispatcher->Dispatch(method, request, {.actor = actor, .address = ""},
                              [&](Result<Reply> reply) { promise.set_value(std::move(reply)); });
  auto answer = ToMessage(promise.get_future().get());
  if (!answer) return Fail(answer.error());
  if (response != nullptr) response->CopyFrom(**answer);
  return {};
}

Status Simulation::Carry(const HostId& host, std::string_view method,
                         const google::protobuf::Message& request,
                         google::protobuf::Message& response) {
  const Actor actor{.id = "agent", .role = Role::kHost, .host_id = host};
  auto keep = [&] {
    std::unique_ptr<google::protobuf::Message> copy(request.New());
    copy->CopyFrom(request);
    late_.push_back({host, std::string(method), std::move(copy), clock_.Now()});
    if (late_.size() > kLateMax) late_.pop_front();
  };
  const auto* report = dynamic_cast<const v1::ReportRequest*>(&request);
  if (report != nullptr) NoteSent(host, *report);
  if (clock_.Now() < cut_off_[host]) return Fail(Lost("the host is cut off"));
  if (chance_.Strikes(80, Situation::kAgentKilledInCall)) throw AgentKilled();
  if (chance_.Strikes(12, Situation::kRequestLost)) return Fail(Lost("the request was lost"));
  if (chance_.Strikes(12)) {
    keep();
    return Fail(Lost("the request was late"));
  }
  Status served = Serve(actor, method, request, &response);
  if (report != nullptr && served)
    NoteServed(host, *report, static_cast<const v1::ReportResponse&>(response), false,
               clock_.Now());
  if (chance_.Strikes(12)) keep();  // twice, the second time late
  if (chance_.Strikes(80, Situation::kAgentKilledInCall)) throw AgentKilled();
  if (chance_.Strikes(12, Situation::kAnswerLost)) return Fail(Lost("the answer was lost"));
  return served;
}

// Each report has a number of its own.
void Simulation::NoteSent(const HostId& host, const v1::ReportRequest& request) {
  for (const auto& each : hosts_)
    if (each->id() == host) machines_.See(each->machine(), clock_.Now());
  int64_t& last = sent_[host];
  if (request.sequence() <= last && wrong_.empty())
    wrong_ = fmt::format("report {} is sent after report {}", request.sequence(), last);
  last = std::max(last, request.sequence());
}

void Simulation::NoteServed(const HostId& host, const v1::ReportRequest& request,
                            const v1::ReportResponse& response, bool late, Time sent) {
  Coverage& coverage = chance_.coverage;
  if (response.ignored()) return coverage.Saw(Situation::kReportIgnored);
  if (late) coverage.Saw(Situation::kLateReportTaken);
  if (request.status().complete()) rollout_rules_.TookStatus(host, sent, late);
  for (const v1::Outcome& outcome : request.outcomes()) {
    const auto id = CommandId::Parse(outcome.command_id());
    if (!told_.insert({*id, outcome.attempt()}).second) coverage.Saw(Situation::kOutcomeToldTwice);
  }
  for (const v1::Incident& incident : request.incidents()) {
    if (incident.number() <= incidents_[host]) coverage.Saw(Situation::kIncidentToldTwice);
    incidents_[host] = std::max(incidents_[host], incident.number());
  }
}

void Simulation::DeliverLate() {
  if (late_.empty()) return;
  const auto at = chance_.Below(std::ssize(late_));
  Letter letter = std::move(late_[static_cast<size_t>(at)]);
  late_.erase(late_.begin() + at);
  Note("late: " + letter.method);
  const Actor actor{.id = "agent", .role = Role::kHost, .host_id = letter.host};
  // Whoever sent it does not listen any more.
  auto response = servers_.front().dispatcher->NewResponse(letter.method);
  if (!Serve(actor, letter.method, *letter.request, response.get())) return;
  if (const auto* report = dynamic_cast<const v1::ReportRequest*>(letter.request.get()))
    NoteServed(letter.host, *report, static_cast<const v1::ReportResponse&>(*response), true,
               letter.sent);
}

std::vector<v1::Node> Simulation::Nodes() {
  v1::ListNodesRequest list;
  list.set_order_by("name");
  v1::ListNodesResponse response;
  if (!Serve(admin_, "tallyman.v1.NodeService/ListNodes", list, &response)) return {};
  return {response.nodes().begin(), response.nodes().end()};
}

void Simulation::ExpireOverdue() {
  (void)control::ExpireCommands(*Idle().control, kDeadline).has_value();
  (void)store_->Read([&](ReadTx& tx) -> Status {
    CountCommands(tx);
    return {};
  });
}

// What commands have left is forgotten after a while, and no node misses its config.
void Simulation::ForgetHistory() {
  const Status done = store_->Write([&](WriteTx& tx) -> Status {
    ForgetQuery query{.commands_before = clock_.Now() - kHistory};
    ASSIGN_OR_RETURN(const Forgotten forgotten, tx.Forget(query));
    chance_.coverage.Saw(Situation::kCommandForgotten, forgotten.commands);
    return {};
  });
  if (!done) wrong_ = done.error().message;
  for (const v1::Node& node : Nodes()) {
    v1::GetNodeRequest get;
    get.set_node(node.id());
    v1::GetNodeResponse shown;
    if (Status read = Serve(admin_, "tallyman.v1.NodeService/GetNode", get, &shown); !read)
      wrong_ = read.error().message;
  }
}

void Simulation::Step() {
  SimulatedHost& host = *hosts_[static_cast<size_t>(chance_.Below(kHosts))];
  const int64_t act = chance_.Below(100);
  if (act < 17) {
    Operate();
  } else if (act < 24) {
    AdvanceRollouts();
  } else if (act < 48) {
    Note("talk " + host.name());
    host.Talk();
  } else if (act < 74) {
    Note("work " + host.name());
    for (int64_t left = 1 + chance_.Below(5); left > 0; --left) {
      host.Work();
      // What takes longer is looked at again soon.
      if (chance_.OneIn(2)) clock_.Advance(std::chrono::milliseconds(250));
    }
    if (chance_.OneIn(10)) host.SpoilAwaited();
    if (host.IsAwaiting() && chance_.OneIn(3)) SetClock(host);
  } else if (act < 80) {
    DeliverLate();
  } else if (act < 92) {
    const int64_t seconds = chance_.OneIn(8) ? 900 : 1 + chance_.Below(20);
    Note(fmt::format("{} s pass", seconds));
    clock_.Advance(std::chrono::seconds(seconds));
    for (auto& each : hosts_) each->LetNodesWrite();
    if (chance_.OneIn(2)) AdvanceRollouts();
    EndJobs(host);
    for (const ObservedNode& node : host.Seen())
      if (chance_.OneIn(4)) host.machine().Crash(node.node_id);
  } else if (act < 95) {
    Note("deadlines");
    ExpireOverdue();
    ForgetHistory();
  } else if (act < 96) {
    Note("the servers crash");
    StartServers();
  } else if (act < 97) {
    Note("agent of " + host.name() + " is killed");
    host.Kill();
  } else {
    BadNight(host);
  }
}

// What nodes do by themselves does not go on for ever.
void Simulation::EndJobs(SimulatedHost& host) {
  for (const ObservedNode& node : host.Seen()) {
    if (chance_.OneIn(2)) host.machine().SetBlockingJob(node.node_id, std::nullopt);
    if (chance_.OneIn(8)) host.machine().SetUnhealthy(node.node_id, "");
  }
}

void Simulation::SetClock(SimulatedHost& host) {
  const auto by = std::chrono::hours(chance_.OneIn(2) ? 2 : -2);
  Note(fmt::format("the clock of {} is set by {} h", host.name(), by.count()));
  host.SetClock(by);
}

// Something of what real machines do.
void Simulation::BadNight(SimulatedHost& host) {
  const std::chrono::seconds a_while(1 + chance_.Below(chance_.OneIn(4) ? 600 : 60));
  switch (chance_.Below(8)) {
    case 0:
      Note("the power of " + host.name() + " is cut");
      return host.CutPower();
    case 1:
      Note("the registry is away from " + host.name());
      return host.LoseRegistry(a_while);
    case 2:
      Note("the disk of " + host.name() + " is full");
      return host.FillDisk(a_while);
    case 3:
      return SetClock(host);
    case 4:
      Note("nothing gets through to " + host.name());
      chance_.coverage.Saw(Situation::kHostCutOff);
      cut_off_[host.id()] = clock_.Now() + 2 * a_while;
      return;
    default:
      break;
  }
  Note("nodes of " + host.name() + " crash, are busy, unhealthy or broken");
  for (const ObservedNode& node : host.Seen()) {
    if (chance_.OneIn(2)) LetFail(host.machine(), node);
  }
}

void Simulation::LetFail(SimulatedRuntime& machine, const ObservedNode& node) {
  switch (chance_.Below(5)) {
    case 0:
      return machine.Crash(node.node_id);
    case 1:
      return machine.SetUnhealthy(node.node_id, "no peers");
    case 2:
      return machine.Break(node.node_id);
    case 3:
      return machine.SetBlockingJob(node.node_id, BusyForAWhile());
    default:
      return machine.LoseContainer(node.node_id);
  }
}

// What has not come to its end; empty: all is quiet.
std::string Simulation::FindMotion(bool with_unknown) {
  for (auto& host : hosts_) {
    if (host->HasWork()) return host->name() + " has something to do or to say";
  }
  std::string motion;
  for (const char* state : {"open", "taken", "unknown"}) {
    if (!with_unknown && state == std::string_view("unknown")) break;
    Status read = store_->Read([&](ReadTx& tx) -> Status {
      ListQuery query;
      query.order_by = "id";
      query.conditions = {{"state", Comparison::kEqual, std::string(state)}};
      query.limit = 1;
      ASSIGN_OR_RETURN(auto rows, tx.ListCommands(query));
      for (const CommandRow& row : rows)
        motion = fmt::format("{} of node {} stays {}", ToText(row.command.kind), row.node, state);
      return {};
    });
    if (!read) motion = read.error().message;
  }
  for (const v1::Rollout& rollout : OpenRollouts()) {
    if (with_unknown && rollout.state() != v1::ROLLOUT_STATE_PAUSED)
      motion = "rollout " + rollout.name() + " has not ended and says nothing";
  }
  return motion;
}

void Simulation::StopFaults() {
  chance_.faults = false;
  Note("faults stop");
  for (auto& host : hosts_) {
    host->Kill();
    host->Heal();
    for (const ObservedNode& node : host->Seen()) {
      // Nobody will do anything about what is broken now.
      if (chance_.OneIn(2)) LetFail(host->machine(), node);
      host->machine().SetBlockingJob(node.node_id, std::nullopt);
      host->machine().SetUnhealthy(node.node_id, "");
    }
  }
  StartServers();
  cut_off_.clear();
  while (!late_.empty()) DeliverLate();
}

void Simulation::WorkAll() {
  for (auto& host : hosts_) {
    host->Talk();
    while (host->Work()) {
    }
    host->Talk();
  }
  clock_.Advance(kRound);
}

std::string Simulation::Settle(bool with_unknown) {
  int quiet_rounds = 0;
  std::string motion;
  for (int round = 0; quiet_rounds < kQuietRounds; ++round) {
    if (round == kRoundsMax) return "it never comes to an end: " + motion;
    WorkAll();
    AdvanceRollouts();
    ExpireOverdue();
    if (std::string wrong = CheckRollouts(); !wrong.empty()) return wrong;
    motion = FindMotion(with_unknown);
    quiet_rounds = motion.empty() ? quiet_rounds + 1 : 0;
  }
  return {};
}

// Whoever waits for what is away has to give up. What became of a command may stay unknown until it
// is back.
std::string Simulation::SettleWhileSomethingIsAway() {
  const bool disk = chance_.OneIn(2);
  chance_.coverage.Saw(disk ? Situation::kDiskFullThatLasts : Situation::kOutageThatLasts);
  Note(disk ? "all disks stay full" : "the registry stays away");
  for (auto& host : hosts_) {
    disk ? host->FillDisk(std::chrono::hours(1000)) : host->LoseRegistry(std::chrono::hours(1000));
  }
  for (int i = 0; i < 5; ++i) Operate();
  std::string wrong = Settle(false);
  for (auto& host : hosts_) host->Heal();
  return wrong;
}

// Those that have paused by themselves say why; whoever wakes up goes on with them, or aborts them.
std::string Simulation::EndRollouts() {
  for (auto open = OpenRollouts(); !open.empty(); open = OpenRollouts()) {
    for (const v1::Rollout& rollout : open)
      chance_.OneIn(2) ? ResumeRollout(rollout.name()) : AbortRollout(rollout.name());
    if (std::string wrong = Settle(true); !wrong.empty()) return wrong;
  }
  return {};
}

std::string Simulation::Report(const std::string& what) const {
  std::string text = what + "\n";
  const size_t from = trace_.size() > 60 ? trace_.size() - 60 : 0;
  for (size_t i = from; i < trace_.size(); ++i) text += fmt::format("  {} {}\n", i, trace_[i]);
  return text;
}

std::string Simulation::Run(int steps) {
  // A fleet that runs, before anything goes wrong.
  for (int i = 0; i < kNodesFirst; ++i) CreateNode();
  for (int round = 0; round < kRoundsMax && !FindMotion(true).empty(); ++round) WorkAll();
  if (chance_.OneIn(2)) CreateRollout();
  chance_.faults = true;
  for (int i = 0; i < steps; ++i) {
    Step();
    if (std::string wrong = CheckNow(); !wrong.empty()) return Report(wrong);
  }
  StopFaults();
  std::string wrong;
  if (chance_.OneIn(2)) wrong = SettleWhileSomethingIsAway();
  if (wrong.empty()) wrong = Settle(true);
  if (wrong.empty()) wrong = EndRollouts();
  if (wrong.empty()) wrong = CheckNow();
  if (wrong.empty()) wrong = CheckSettled();
  return wrong.empty() ? wrong : Report(wrong);
}

}  // namespace tallyman
