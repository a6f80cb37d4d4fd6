// What must hold after every step, and what must hold in the end.
#include <fmt/core.h>

#include <set>

#include "control/audit/audit.h"
#include "planner/hold.h"
#include "tests/simulation/simulation.h"

namespace tallyman {
namespace {

std::string TextOf(const Resources& r) {
  return fmt::format("{}/{}/{}", r.cpu_cores, r.memory_bytes, r.disk_bytes);
}

}  // namespace

// What runs on a machine is charged or held: promise 4 stands on this.
std::string Simulation::CheckMachine(ReadTx& tx, const SimulatedHost& host) {
  for (const ObservedNode& seen : host.Seen()) {
    if (!seen.running) continue;
    auto row = tx.FindNode(seen.node_id.ToString());
    if (!row || !*row) return fmt::format("a node runs on {} that nobody made", host.name());
    const Node& node = (*row)->node;
    if (!node.IsLive())
      return fmt::format("node {} is released, and runs on {}", node.name, host.name());
    const Resources kept = Add(node.resources, node.held).value();
    if (Max(kept, seen.limits) != kept) {
      return fmt::format("node {} runs with {} but is charged {} and held {}", node.name,
                         TextOf(seen.limits), TextOf(node.resources), TextOf(node.held));
    }
  }
  return {};
}

std::string Simulation::CheckNow() {
  std::string wrong;
  Status read = store_->Read([&](ReadTx& tx) -> Status {
    // Promise 1, and the ledger that explains it.
    ASSIGN_OR_RETURN(auto hosts, tx.AuditHosts(HostId(), 100));
    for (const HostAudit& audit : hosts) {
      if (auto drifts = CompareHost(audit); !drifts.empty()) {
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
      if (wrong.empty()) wrong = CheckMachine(tx, *host);
    }
    return {};
  });
  return read ? wrong : read.error().message;
}

// A live node, now that nothing is open any more.
std::string Simulation::CheckNode(const Node& node, const NodeSnapshot& snapshot) {
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
      if (wrong.empty()) wrong = CheckNode(node.node, node);
    }
    for (const auto& host : hosts_) {
      for (const ObservedNode& seen : host->Seen()) {
        if (wrong.empty() && !live.contains(seen.node_id))
          wrong = fmt::format("{} still has something of a node that is gone", host->name());
      }
    }
    return {};
  });
  return read ? wrong : read.error().message;
}

}  // namespace tallyman
