// What rollouts cost beside the same upgrades without them.
//
//   rollout_bench PART
//
//   upgrade N   N nodes of a fleet whose hosts answer at once: by a rollout, and by the same
//   batches
//               of UpgradeNodes with the same reports
//   create N    planning and creating a rollout of N nodes, and a dry run of UpgradeNodes
//   step N      a step with nothing to do: 100 open rollouts of N nodes in all, and one of N, all
//               of whose hosts are at work
//   pause N     pausing a rollout with N nodes in flight, and an upgrade of N nodes
//
// Prints one line of JSON: ours and the reference, in milliseconds; `upgrade` also the processor
// time of each.
//
//   BENCH_FLEET  the prepared fleet, copied to BENCH_WORK for each run; none: BENCH_WORK is there
//                already
//   BENCH_WORK   the database: a file of SQLite, or postgres://...
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "bench/fleet.h"
#include "bench/rig.h"
#include "control/inventory/inventory.h"
#include "control/rollouts/rollouts.h"
#include "tallyman/v1/agent.pb.h"
#include "tallyman/v1/node.pb.h"
#include "tallyman/v1/rollout.pb.h"

namespace tallyman {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int64_t kPerHost = 50;
constexpr size_t kBatch = 500;

double Milliseconds(SteadyClock::duration time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

double ProcessorMilliseconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_usec) / 1e3;
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

template <class Act>
double Time(const Act& act) {
  const auto begin = SteadyClock::now();
  act();
  return Milliseconds(SteadyClock::now() - begin);
}

double Median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void Insist(bool holds, const char* what) {
  if (!holds) MustBeOk(Fail(Internal("BENCH_ROLLOUT", what)));
}

// A fleet, and agents that carry out at once what they are told.
class Fleet {
 public:
  explicit Fleet(size_t nodes) {
    const std::string work = Setting("BENCH_WORK", "/tmp/tallyman-bench-work.db");
    if (const std::string fleet = Setting("BENCH_FLEET", ""); !fleet.empty())
      CopyFleet(fleet, work);
    rig_ = MustBeOk(Rig::Open(work, {.nodes_max = INT64_MAX}));
    ReadNodes(nodes);
    for (auto& [id, host] : hosts_) Report(host, {});
  }
  // The agents do not say what is in force on their machines: only the books are looked at.
  ~Fleet() { Insist(MustBeOk(rig_->Audit()).drifts_total == 0, "the books do not balance"); }
  Fleet(const Fleet&) = delete;
  Fleet& operator=(const Fleet&) = delete;

  Rig& rig() { return *rig_; }
  const std::vector<std::string>& nodes() const { return nodes_; }

  template <class Response>
  Response Ask(const std::string& method, const google::protobuf::Message& request,
               const Actor& actor) {
    std::promise<Result<api::Reply>> promise;
    auto future = promise.get_future();
    rig_->dispatcher->Dispatch(
        "tallyman.v1." + method, request, {.actor = actor},
        [&](Result<api::Reply> reply) { promise.set_value(std::move(reply)); });
    const auto answer = MustBeOk(api::ToMessage(future.get()));
    return static_cast<const Response&>(*answer);
  }
  template <class Response>
  Response Ask(const std::string& method, const google::protobuf::Message& request) {
    return Ask<Response>(method, request, rig_->actor);
  }

  // Every host fetches what there is, takes it, and, where it `finishes`, does it.
  size_t Obey(bool finishes) {
    size_t done = 0;
    for (auto& [id, host] : hosts_) {
      v1::FetchCommandsRequest fetch;
      fetch.set_max_commands(1000);
      const auto fetched =
          Ask<v1::FetchCommandsResponse>("AgentService/FetchCommands", fetch, host.actor);
      if (fetched.commands_size() == 0) continue;
      v1::ReportRequest taken;
      v1::ReportRequest ended;
      for (const v1::HandedCommand& command : fetched.commands()) {
        v1::Ack& ack = *taken.add_acks();
        ack.set_command_id(command.command_id());
        ack.set_attempt(command.attempt());
        v1::Outcome& outcome = *ended.add_outcomes();
        outcome.set_command_id(command.command_id());
        outcome.set_attempt(command.attempt());
        outcome.set_result(v1::OUTCOME_RESULT_OK);
        outcome.set_running_config_id(command.config_id());
        outcome.set_run_state(v1::RUN_STATE_RUNNING);
        host.runs[command.node_id()] = command.config_id();
      }
      done += static_cast<size_t>(fetched.commands_size());
      Send(host, taken);
      if (finishes) Report(host, std::move(ended));
    }
    return done;
  }

  v1::CreateRolloutRequest Rollout(const std::string& name, const std::vector<std::string>& nodes,
                                   const std::string& image = kLargeImage) const {
    v1::CreateRolloutRequest create;
    create.set_name(name);
    for (const std::string& node : nodes) create.add_nodes(node);
    create.set_image(image);
    create.add_stages()->set_percent(100);
    create.set_max_in_flight(std::min<int64_t>(std::ssize(nodes), static_cast<int64_t>(kBatch)));
    create.set_per_host(kPerHost);
    create.mutable_soak()->set_seconds(0);
    return create;
  }
  void Create(const v1::CreateRolloutRequest& request) {
    Ask<v1::CreateRolloutResponse>("RolloutService/CreateRollout", request);
  }
  void Advance() { MustBeOk(control::AdvanceRollouts(*rig_->control)); }
  v1::Rollout Shown(const std::string& name) {
    v1::GetRolloutRequest get;
    get.set_rollout(name);
    return Ask<v1::GetRolloutResponse>("RolloutService/GetRollout", get).rollout();
  }

 private:
  struct Host {
    Actor actor;
    int64_t sequence = 0;
    std::map<std::string, std::string> runs;  // by node its config
  };

  void ReadNodes(size_t count) {
    const std::vector<std::string> all = MustBeOk(rig_->NodeIds());
    Insist(all.size() >= count, "the fleet is too small");
    std::map<std::string, std::vector<std::string>> by_host;
    MustBeOk(rig_->store->Read([&](store::ReadTx& tx) -> Status {
      for (const std::string& id : all) {
        ASSIGN_OR_RETURN(const auto node, tx.FindNode(id));
        const HostId& host_id = node->node.host_id;
        Host& host = hosts_[host_id];
        host.actor = {.id = "agent", .role = Role::kHost, .host_id = host_id};
        host.runs[id] = node->node.config_id.ToString();
        by_host[host_id.ToString()].push_back(id);
      }
      return {};
    }));
    // Hosts in turn, as a rollout takes them.
    for (size_t i = 0; nodes_.size() < count; ++i)
      for (const auto& [host, nodes] : by_host)
        if (i < nodes.size() && nodes_.size() < count) nodes_.push_back(nodes[i]);
  }

  void Send(Host& host, v1::ReportRequest request) {
    request.set_sequence(++host.sequence);
    Ask<v1::ReportResponse>("AgentService/Report", request, host.actor);
  }
  // With a complete status.
  void Report(Host& host, v1::ReportRequest request) {
    request.mutable_status()->set_complete(true);
    for (const auto& [node, config] : host.runs) {
      v1::NodeStatus& status = *request.mutable_status()->add_nodes();
      status.set_node_id(node);
      status.set_config_id(config);
      status.set_run_state(v1::RUN_STATE_RUNNING);
    }
    Send(host, std::move(request));
  }

  std::unique_ptr<Rig> rig_;
  std::map<HostId, Host> hosts_;
  std::vector<std::string> nodes_;
};

struct Taken {
  double time = 0;
  double processor = 0;
};

template <class Act>
Taken Take(const Act& act) {
  const double before = ProcessorMilliseconds();
  const double time = Time(act);
  return {time, ProcessorMilliseconds() - before};
}

void Upgrade(size_t count) {
  Taken ours;
  Taken reference;
  {
    Fleet fleet(count);
    ours = Take([&] {
      fleet.Create(fleet.Rollout("r", fleet.nodes()));
      for (size_t done = 0; done < count; done += fleet.Obey(true)) fleet.Advance();
      fleet.Advance();
      fleet.Advance();
    });
    const v1::Rollout rollout = fleet.Shown("r");
    Insist(rollout.state() == v1::ROLLOUT_STATE_DONE, "the rollout has not ended");
    Insist(rollout.waves(0).healthy() == static_cast<int64_t>(count), "not all are healthy");
  }
  {
    Fleet fleet(count);
    reference = Take([&] {
      for (size_t done = 0; done < count;) {
        const size_t end = std::min(done + kBatch, count);
        const auto at = fleet.nodes().begin();
        MustBeOk(fleet.rig().UpgradeAndWait(
            {at + static_cast<std::ptrdiff_t>(done), at + static_cast<std::ptrdiff_t>(end)},
            kLargeImage));
        done += fleet.Obey(true);
        Insist(done == end, "a batch was not carried out");
      }
    });
  }
  std::printf(
      "{\"ours\": %.3f, \"reference\": %.3f, \"ours_cpu\": %.3f, \"reference_cpu\": %.3f}\n",
      ours.time, reference.time, ours.processor, reference.processor);
}

void Create(size_t count) {
  Fleet fleet(count);
  v1::UpgradeNodesRequest upgrade;
  for (const std::string& node : fleet.nodes()) upgrade.add_nodes(node);
  upgrade.set_image(kLargeImage);
  upgrade.set_dry_run(true);
  const double reference =
      Time([&] { fleet.Ask<v1::UpgradeNodesResponse>("NodeService/UpgradeNodes", upgrade); });
  const v1::CreateRolloutRequest create = fleet.Rollout("r", fleet.nodes());
  const double ours = Time([&] { fleet.Create(create); });
  std::printf("{\"ours\": %.3f, \"reference\": %.3f}\n", ours, reference);
}

// How long a step takes once all nodes are in flight; `rollouts` have the nodes in equal parts.
double StepOf(size_t rollouts, size_t count) {
  Fleet fleet(count);
  const size_t each = count / rollouts;
  for (size_t i = 0; i < rollouts; ++i) {
    const auto at = fleet.nodes().begin() + static_cast<std::ptrdiff_t>(i * each);
    fleet.Create(
        fleet.Rollout("r-" + std::to_string(i), {at, at + static_cast<std::ptrdiff_t>(each)}));
  }
  fleet.Advance();
  fleet.Obey(false);
  std::vector<double> times;
  for (int i = 0; i < 9; ++i) times.push_back(Time([&] { fleet.Advance(); }));
  return Median(times);
}

void Step(size_t count) {
  std::printf("{\"ours\": %.3f, \"reference\": %.3f}\n", StepOf(100, count), StepOf(1, count));
}

void Pause(size_t count) {
  double ours = 0;
  {
    Fleet fleet(count);
    fleet.Create(fleet.Rollout("r", fleet.nodes()));
    fleet.Advance();
    v1::PauseRolloutRequest pause;
    pause.set_rollout("r");
    v1::PauseRolloutResponse paused;
    ours = Time([&] {
      paused = fleet.Ask<v1::PauseRolloutResponse>("RolloutService/PauseRollout", pause);
    });
    Insist(paused.withdrawn_size() == static_cast<int>(count), "not all are taken back");
    Insist(fleet.Obey(false) == 0, "a host begins after the pause");
  }
  Fleet fleet(count);
  const double reference =
      Time([&] { MustBeOk(fleet.rig().UpgradeAndWait(fleet.nodes(), kLargeImage)); });
  std::printf("{\"ours\": %.3f, \"reference\": %.3f}\n", ours, reference);
}

}  // namespace
}  // namespace tallyman

int main(int argc, char** argv) {
  using namespace tallyman;  // NOLINT: a short main
  const std::string part = argc > 1 ? argv[1] : "";
  const size_t count = argc > 2 ? std::stoull(argv[2]) : 0;
  if (part == "upgrade" && count > 0) {
    Upgrade(count);
  } else if (part == "create" && count > 0) {
    Create(count);
  } else if (part == "step" && count >= 100) {
    Step(count);
  } else if (part == "pause" && count > 0) {
    Pause(count);
  } else {
    std::fprintf(stderr, "usage: rollout_bench upgrade|create|step|pause NODES\n");
    return 2;
  }
  return 0;
}
