// What people wish of a simulated fleet, and what the timers of servers do with it.
#include <fmt/core.h>

#include <algorithm>

#include "control/rollouts/rollouts.h"
#include "tallyman/v1/host.pb.h"
#include "tests/simulation/simulation.h"

namespace tallyman {
namespace {

using namespace tallyman::agent;
using namespace tallyman::store;

constexpr int kOpenMax = 2;
constexpr const char* kOwners[] = {"disk-swap", "move"};

template <class Choices>
decltype(auto) AnyOf(Chance& chance, const Choices& choices) {
  return choices[static_cast<size_t>(chance.Below(std::ssize(choices)))];
}

// What a server answers when it has lost its way.
bool IsItsOwnFault(Code code) {
  return code == Code::kInternal || code == Code::kDataLoss || code == Code::kUnknown;
}

}  // namespace

BlockingJob Simulation::BusyForAWhile() {
  return {.retry_after_seconds = 30 + chance_.Below(100), .description = "busy"};
}

void Simulation::NoteFailure(const std::string& what, const Error& error) {
  if (wrong_.empty() && IsItsOwnFault(error.code))
    wrong_ = fmt::format("{} is answered {}: {}", what, error.reason, error.message);
}

bool Simulation::Ask(const char* method, const google::protobuf::Message& request,
                     google::protobuf::Message* response, const Actor* by) {
  const Status status = Serve(by == nullptr ? admin_ : *by, method, request, response);
  Note(fmt::format("operator: {} {} {}", method, request.ShortDebugString(),
                   status ? "done" : status.error().reason));
  if (!status) NoteFailure(method, status.error());
  return status.has_value();
}

void Simulation::CreateNode() {
  v1::CreateNodesRequest create;
  create.set_image(fmt::format("chain/full@{}", AnyOf(chance_, kVersions)));
  create.set_org(chance_.OneIn(4) ? "beta" : "acme");
  create.set_name(fmt::format("n-{}", ++names_));
  const std::string host = fmt::format("host-{}", 1 + names_ % kHosts);
  auto* on = create.mutable_by_hosts()->add_hosts();
  on->set_host(host);
  on->set_count(1);
  const bool made = Ask("tallyman.v1.NodeService/CreateNodes", create);
  if (made && drain_rules_.IsDrained(host)) wrong_ = "a node is made on a host that is drained";
}

void Simulation::Operate() {
  const bool of_rollouts = leaves_nodes_alone_ ? !chance_.OneIn(6) : chance_.OneIn(3);
  of_rollouts ? OperateRollouts() : OperateNode();
}

void Simulation::OperateRollouts() {
  const std::vector<v1::Rollout> open = OpenRollouts();
  const int64_t act = chance_.Below(14);
  if (open.empty() || (act < 4 && std::ssize(open) < kOpenMax) || act == 0) return CreateRollout();
  const v1::Rollout& rollout = AnyOf(chance_, open);
  if (act < 6) return DrainHost();
  if (act < 8) return ResumeHost();
  if (act < 9 && chance_.OneIn(2)) return AbortRollout(rollout.name());
  const bool paused = rollout.state() == v1::ROLLOUT_STATE_PAUSED;
  if (paused && !chance_.OneIn(6)) return ResumeRollout(rollout.name());
  if (paused || chance_.OneIn(3)) PauseRollout(rollout.name());
}

std::vector<v1::Rollout> Simulation::OpenRollouts() {
  v1::ListRolloutsResponse response;
  v1::ListRolloutsRequest list;
  list.set_page_size(1000);
  if (!Serve(admin_, "tallyman.v1.RolloutService/ListRollouts", list, &response)) return {};
  std::vector<v1::Rollout> open;
  for (const v1::Rollout& rollout : response.rollouts())
    if (!rollout.has_ended_at()) open.push_back(rollout);
  return open;
}

void Simulation::CreateRollout() {
  v1::CreateRolloutRequest create;
  create.set_name(fmt::format("r-{}", ++rollouts_));
  create.set_image(fmt::format("chain/full@{}", AnyOf(chance_, kVersions)));
  if (chance_.OneIn(2)) {
    create.mutable_selector()->set_protocol("chain");
    if (chance_.OneIn(2)) create.mutable_selector()->set_org("acme");
  } else {
    for (const v1::Node& node : Nodes())
      if (!chance_.OneIn(4)) create.add_nodes(node.name());
  }
  int64_t reach = 1 + chance_.Below(2);
  for (int64_t stages = chance_.Below(3); stages > 0; --stages, reach += 1 + chance_.Below(3))
    create.add_stages()->set_nodes(reach);
  if (create.stages_size() > 0 && chance_.OneIn(2)) create.add_stages()->set_percent(100);
  if (create.stages_size() > 0 && chance_.OneIn(3)) create.add_pause_after(1);
  if (!chance_.OneIn(4)) create.set_max_in_flight(1 + chance_.Below(4));
  if (chance_.OneIn(2)) create.set_per_host(1 + chance_.Below(2));
  if (chance_.OneIn(2)) create.set_max_failures(chance_.Below(4));
  create.mutable_soak()->set_seconds(10 * (1 + chance_.Below(6)));
  create.mutable_begin_within()->set_seconds(60 * (1 + chance_.Below(6)));
  create.mutable_healthy_within()->set_seconds(60 * (2 + chance_.Below(10)));
  create.mutable_no_progress()->set_seconds(60 * (10 + chance_.Below(40)));
  const Actor of_acme{.id = "acme-admin", .org_id = acme_, .role = Role::kAdmin};
  const bool by_org = chance_.OneIn(4);
  if (!Ask("tallyman.v1.RolloutService/CreateRollout", create, nullptr,
           by_org ? &of_acme : nullptr))
    return;
  rollout_rules_.Created(create.name(), by_org ? std::optional(acme_) : std::nullopt);
}

void Simulation::PauseRollout(const std::string& name) {
  v1::PauseRolloutRequest pause;
  pause.set_rollout(name);
  v1::PauseRolloutResponse response;
  if (!Ask("tallyman.v1.RolloutService/PauseRollout", pause, &response)) return;
  chance_.coverage.Saw(Situation::kWithdrawnByPause, response.withdrawn_size());
  Quiet(name);
}

void Simulation::AbortRollout(const std::string& name) {
  v1::AbortRolloutRequest abort;
  abort.set_rollout(name);
  if (Ask("tallyman.v1.RolloutService/AbortRollout", abort)) Quiet(name);
}

void Simulation::Quiet(const std::string& name) {
  const Status seen =
      store_->Read([&](ReadTx& tx) { return rollout_rules_.Quieted(tx, clock_.Now(), name); });
  if (!seen) wrong_ = seen.error().message;
}

void Simulation::ResumeRollout(const std::string& name) {
  v1::ResumeRolloutRequest resume;
  resume.set_rollout(name);
  if (Ask("tallyman.v1.RolloutService/ResumeRollout", resume)) rollout_rules_.Resumed(name);
}

void Simulation::DrainHost() {
  v1::DrainHostsRequest drain;
  drain.add_hosts(AnyOf(chance_, hosts_)->name());
  drain.set_owner(AnyOf(chance_, kOwners));
  v1::DrainHostsResponse response;
  if (Ask("tallyman.v1.HostService/DrainHosts", drain, &response))
    drain_rules_.Drained(drain.hosts(0), drain.owner(), response);
  // Somebody thinks better of it.
  if (chance_.OneIn(3)) ResumeHost();
}

void Simulation::ResumeHost() {
  const auto drains = drain_rules_.Open();
  v1::ResumeHostsRequest resume;
  resume.add_hosts(AnyOf(chance_, hosts_)->name());
  resume.set_owner(AnyOf(chance_, kOwners));
  if (!drains.empty() && !chance_.OneIn(8)) {
    const auto& [host, owner] = AnyOf(chance_, drains);
    resume.set_hosts(0, host);
    resume.set_owner(owner);
  }
  resume.set_even_if_silent(chance_.OneIn(2));
  const Status ready = store_->Read(
      [&](ReadTx& tx) { return drain_rules_.Resuming(tx, resume.hosts(0), resume.owner()); });
  if (!ready) wrong_ = ready.error().message;
  v1::ResumeHostsResponse response;
  if (Ask("tallyman.v1.HostService/ResumeHosts", resume, &response))
    drain_rules_.Resumed(resume.hosts(0), resume.owner(), response);
}

void Simulation::AdvanceRollouts() {
  // Nodes that cannot be disturbed when their turn comes.
  SimulatedHost& host = *AnyOf(chance_, hosts_);
  for (const ObservedNode& node : host.Seen())
    if (chance_.Strikes(8)) host.machine().SetBlockingJob(node.node_id, BusyForAWhile());
  Server& server = Idle();
  busy_ = &server;
  MayBeDisturbed(server);
  AdvanceOn(server);
  server.store->Disturb({});
  busy_ = nullptr;
}

void Simulation::AdvanceOn(Server& server) {
  int open = 0;
  const Status read = store_->Read([&](ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(const auto rollouts, tx.OpenRollouts());
    open = static_cast<int>(rollouts.size());
    return {};
  });
  if (!read) wrong_ = read.error().message;
  if (!read || open == 0) return;
  Note(fmt::format("server {} steps {} rollouts", &server - servers_.data() + 1, open));
  server.store->LetWritesWaitFor(1 + open);
  const Status stepped = control::AdvanceRollouts(*server.control);
  server.store->LetWritesWaitFor(0);
  if (!stepped) NoteFailure("a step of rollouts", stepped.error());
}

void Simulation::MayBeDisturbed(Server& server) {
  if (!chance_.OneIn(3)) return;
  const int64_t act = chance_.Below(4);
  server.store->Disturb([this, act] {
    Note("in the middle of it:");
    if (act == 0) {
      chance_.coverage.Saw(Situation::kServersMeet);
      return AdvanceOn(Idle());
    }
    const std::vector<v1::Rollout> open = OpenRollouts();
    if (act == 1 && !open.empty()) return PauseRollout(AnyOf(chance_, open).name());
    if (act == 2) return OperateNode();
    chance_.coverage.Saw(Situation::kAgentComesBetween);
    AnyOf(chance_, hosts_)->Talk();
  });
}

void Simulation::OperateNode() {
  const std::vector<v1::Node> nodes = Nodes();
  const int64_t act = chance_.Below(22);
  auto send = [&](const char* method, const google::protobuf::Message& request) {
    Ask(method, request);
  };
  if (nodes.empty() || (act < 3 && std::ssize(nodes) < kNodesMax)) return CreateNode();
  const v1::Node& node = nodes[static_cast<size_t>(chance_.Below(std::ssize(nodes)))];
  const std::string& name = node.name();
  for (auto& host : hosts_) {
    for (const ObservedNode& seen : host->Seen()) {
      if (seen.node_id.ToString() == node.id() && chance_.Strikes(3))
        host->machine().SetBlockingJob(seen.node_id, BusyForAWhile());
    }
  }
  if (act < 11) {
    v1::UpgradeNodesRequest upgrade;
    upgrade.add_nodes(name);
    upgrade.set_image(fmt::format("chain/full@{}", AnyOf(chance_, kVersions)));
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
    return send("tallyman.v1.NodeService/StopNodes", stop);
  }
  if (act < 18) {
    v1::StartNodesRequest start;
    start.add_nodes(name);
    return send("tallyman.v1.NodeService/StartNodes", start);
  }
  if (act < 19) {
    v1::RestartNodesRequest restart;
    restart.add_nodes(name);
    return send("tallyman.v1.NodeService/RestartNodes", restart);
  }
  v1::DeleteNodesRequest remove;
  remove.add_nodes(name);
  send("tallyman.v1.NodeService/DeleteNodes", remove);
}

}  // namespace tallyman
