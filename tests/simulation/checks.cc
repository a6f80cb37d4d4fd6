// What must hold after every step, and what must hold in the end.
#include <fmt/core.h>

#include <set>

#include "control/audit/audit.h"
#include "planner/hold.h"
#include "tests/simulation/simulation.h"

namespace tallyman {
namespace {

using namespace tallyman::agent;
using namespace tallyman::store;

std::string TextOf(const Resources& r) {
  return fmt::format("{}/{}/{}", r.cpu_cores, r.memory_bytes, r.disk_bytes);
}

}  // namespace

// What runs on a machine is charged or held: promise 4 stands on this. And what was given back has
// let go of the machine.
std::string Simulation::CheckMachine(ReadTx& tx, const SimulatedHost& host) {
  for (const ObservedNode& seen : host.Seen()) {
    auto row = tx.FindNode(seen.node_id.ToString());
    if (!row || !*row) return fmt::format("a node is on {} that nobody made", host.name());
    const Node& node = (*row)->node;
    if (!node.IsLive())
      return fmt::format("node {} is released, and something of it is on {}", node.name,
                         host.name());
    const Resources kept = Add(node.resources, node.held).value();
    if (Max(kept, seen.limits) != kept) {
      return fmt::format("node {} runs with {} but is charged {} and held {}", node.name,
                         TextOf(seen.limits), TextOf(node.resources), TextOf(node.held));
    }
  }
  return {};
}

// A host begins nothing whose acknowledgement was not accepted.
std::string Simulation::CheckBegun(ReadTx& tx, const SimulatedHost& host) {
  const JournalState* memory = host.Remembered();
  if (memory == nullptr) return {};
  for (const auto& [id, command] : memory->commands) {
    if (command.stage == Stage::kFetched) continue;
    auto row = tx.FindCommand(id);
    if (!row || !*row) return "a host has a command that nobody gave";
    const Command& known = (*row)->command;
    if (!known.taken_at || (known.state == CommandState::kOpen && known.attempt <= command.attempt))
      return fmt::format("{} of node {} is under way on {}, which has not taken it",
                         ToText(known.kind), (*row)->node, host.name());
  }
  return {};
}

// Of rollouts and drains; the machines are looked at first.
std::string Simulation::CheckRollouts() {
  for (const auto& host : hosts_) machines_.See(host->machine(), clock_.Now());
  Status read = store_->Read([&](ReadTx& tx) -> Status {
    RETURN_IF_ERROR(rollout_rules_.See(tx, clock_.Now()));
    return drain_rules_.See(tx);
  });
  if (!read) return read.error().message;
  return rollout_rules_.broken().empty() ? drain_rules_.broken() : rollout_rules_.broken();
}

std::string Simulation::CheckNow() {
  std::string wrong = CheckRollouts();
  Status read = store_->Read([&](ReadTx& tx) -> Status {
    // Promise 1, and the ledger that explains it.
    ASSIGN_OR_RETURN(auto hosts, tx.AuditHosts(HostId(), 100));
    for (const HostAudit& audit : hosts) {
      if (auto drifts = planner::CompareHost(audit); !drifts.empty()) {
        wrong = fmt::format("the books of {} are wrong: {} {}", audit.host.name,
                            ToText(drifts.front().kind), drifts.front().dimension);
      }
      // Promise 2: what was committed stays.
      int64_t& seen = ledger_seen_[audit.host.id];
      if (audit.host.ledger_seq < seen) wrong = audit.host.name + " has lost ledger entries";
      seen = audit.host.ledger_seq;
    }
    ASSIGN_OR_RETURN(auto nodes, tx.AuditNodes(NodeId(), 100));
    for (const NodeAudit& node : nodes) wrong = "node " + node.node.name + " has drifted";
    for (const auto& host : hosts_) {
      if (wrong.empty()) wrong = host->rules().broken();
      if (wrong.empty()) wrong = CheckMachine(tx, *host);
      if (wrong.empty()) wrong = CheckBegun(tx, *host);
    }
    if (wrong.empty()) wrong = wrong_;
    return {};
  });
  return read ? wrong : read.error().message;
}

// A live node, now that nothing is open any more.
std::string Simulation::CheckNode(ReadTx& tx, const Node& node, const NodeSnapshot& snapshot) {
  bool failed = false;
  for (const Transition& command : snapshot.transitions) {
    if (IsPending(command.state))
      return fmt::format("node {}: its {} stays {} for ever", node.name, ToText(command.kind),
                         ToText(command.state));
    failed = failed || IsTransition(command.kind);
  }
  std::optional<ConfigId> runs;
  bool is_up = false;
  for (const auto& host : hosts_) {
    for (const ObservedNode& seen : host->Seen()) {
      if (seen.node_id != node.id) continue;
      if (host->id() != node.host_id) return "node " + node.name + " is on two hosts";
      if (!seen.unreadable.empty()) return "node " + node.name + " stays unreadable for ever";
      if (seen.config_id) runs = seen.config_id;
      is_up = seen.running;
    }
  }
  if (node.next_state) return "node " + node.name + ": next_state stays for ever";
  auto reported = tx.FindReported({node.host_id, node.id});
  if (!reported) return reported.error().message;
  if (!*reported && runs) return "node " + node.name + ": nothing was ever reported of it";
  if (*reported) {
    const NodeReport& report = (*reported)->report;
    if (report.pending) return "node " + node.name + ": it is said to be in motion";
    if ((report.run_state == ReportedRun::kRunning) != is_up)
      return "node " + node.name + ": whether it runs is not what was reported";
    if (is_up && report.config_id != runs)
      return "node " + node.name + ": what runs is not what was reported";
  }
  if (is_up && node.running_config_id != runs)
    return "node " + node.name + ": books and machine disagree about what runs";
  if (failed) {
    // It waits for an operator; what may run stays held.
    if (node.node_state != NodeState::kFailed) return "node " + node.name + " hides its failure";
    return {};
  }
  if (node.node_state != NodeState::kRunning && node.node_state != NodeState::kStopped)
    return fmt::format("node {} stays {} for ever", node.name, ToText(node.node_state));
  if (runs != node.config_id || node.running_config_id != runs)
    return "node " + node.name + ": books and machine disagree about its config";
  if (is_up != (node.node_state == NodeState::kRunning))
    return fmt::format("node {} is {} and {}", node.name, ToText(node.node_state),
                       is_up ? "runs" : "does not run");
  if (node.held != Resources{}) return "node " + node.name + ": its hold is never given back";
  return {};
}

// Each outcome that a host had was told, and is what the books say of its command.
std::string Simulation::CheckTold(ReadTx& tx, const SimulatedHost& host) {
  if (host.Remembered() == nullptr) return "the agent of " + host.name() + " does not come back";
  if (!host.Remembered()->commands.empty())
    return host.name() + " has commands in its journal for ever";
  for (const auto& [attempt, outcome] : host.rules().outcomes()) {
    auto row = tx.FindCommand(attempt.first);
    if (!row || !*row) return "a host has carried out a command that nobody gave";
    const Command& command = (*row)->command;
    const std::string what =
        fmt::format("{} of node {}, attempt {}, ended {}", ToText(command.kind), (*row)->node,
                    attempt.second, ToText(outcome.result));
    if (!told_.contains(attempt)) return what + ", which was not told";
    if (command.attempt != attempt.second) continue;
    const bool settled = command.state == CommandState::kSettled;
    if (outcome.result == CommandResult::kOk && !settled)
      return fmt::format("{}, and is {}", what, ToText(command.state));
    const bool undone =
        outcome.result == CommandResult::kRollback || outcome.result == CommandResult::kFailure;
    if (undone && settled) return fmt::format("{}, and is {}", what, ToText(command.state));
  }
  return {};
}

// What happened on a host counts once.
std::string Simulation::CheckIncidents(ReadTx& tx, const SimulatedHost& host) {
  std::map<NodeId, int64_t> happened;
  for (const auto& [number, incident] : host.rules().incidents()) {
    if (incident.kind == ReportedIncident::kNodeCrashed) {
      happened[*incident.node_id] += incident.count;
      chance_.coverage.Saw(Situation::kCrashTold);
    }
    if (incident.kind == ReportedIncident::kNodeUnhealthy)
      chance_.coverage.Saw(Situation::kHealthTold);
  }
  for (const auto& [id, count] : happened) {
    auto reported = tx.FindReported({host.id(), id});
    if (!reported) return reported.error().message;
    const int64_t counted = *reported ? (*reported)->crashes : 0;
    if (*reported && counted != count)
      return fmt::format("node {} has crashed {} times, and {} are counted", id.ToString(), count,
                         counted);
  }
  return {};
}

void Simulation::CountCommands(ReadTx& tx) {
  for (auto [state, situation] : {std::pair(CommandState::kUnknown, Situation::kUnknown),
                                  std::pair(CommandState::kSuperseded, Situation::kSuperseded),
                                  std::pair(CommandState::kCancelled, Situation::kCancelled)}) {
    ListQuery query;
    query.order_by = "id";
    query.conditions = {{"state", Comparison::kEqual, std::string(ToText(state))}};
    auto rows = tx.ListCommands(query);
    if (rows) chance_.coverage.Saw(situation, std::ssize(*rows));
  }
}

std::string Simulation::CheckSettled() {
  std::string wrong;
  Status read = store_->Read([&](ReadTx& tx) -> Status {
    std::set<NodeId> live;
    LockSet wanted;
    for (const auto& host : hosts_) {
      ASSIGN_OR_RETURN(auto nodes, tx.LiveNodesOf(host->id()));
      live.insert(nodes.begin(), nodes.end());
      wanted.nodes.insert(wanted.nodes.end(), nodes.begin(), nodes.end());
    }
    ASSIGN_OR_RETURN(const Snapshot snapshot, tx.Load(wanted));
    for (const auto& [id, node] : snapshot.nodes) {
      if (wrong.empty()) wrong = CheckNode(tx, node.node, node);
    }
    for (const auto& host : hosts_) {
      for (const ObservedNode& seen : host->Seen()) {
        if (wrong.empty() && !live.contains(seen.node_id))
          wrong = fmt::format("{} still has something of a node that is gone", host->name());
      }
      if (wrong.empty()) wrong = CheckTold(tx, *host);
      if (wrong.empty()) wrong = CheckIncidents(tx, *host);
    }
    CountCommands(tx);
    return {};
  });
  return read ? wrong : read.error().message;
}

}  // namespace tallyman
