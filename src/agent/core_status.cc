// What the agent says of its machine.
#include <fmt/core.h>

#include <algorithm>

#include "agent/container_end.h"
#include "agent/core.h"
#include "agent/told.h"
#include "base/text.h"
#include "tallyman/v1/agent.pb.h"

namespace tallyman::agent {
namespace {

constexpr size_t kNodesMax = 10'000;

void FillResources(const Resources& from, v1::Resources& to) {
  to.set_cpu_cores(from.cpu_cores);
  to.set_memory_bytes(from.memory_bytes);
  to.set_disk_bytes(from.disk_bytes);
}

// A node's reported state, from its journal and from what is observed.
void FillSeen(const ObservedNode& seen, const JournalNode* meant, v1::NodeStatus& to) {
  const bool in_place = seen.running || (meant != nullptr && !meant->failed);
  if (seen.config_id && in_place) to.set_config_id(seen.config_id->ToString());
  to.set_remains(to.config_id().empty());
  to.set_image_uri(Told(seen.image_uri));
  to.set_container_id(Told(seen.container_id));
  to.set_image_digest(Told(seen.image_digest));
  to.set_disk_used_bytes(seen.disk_used_bytes);
  FillResources(seen.limits, *to.mutable_limits());
  if (seen.running) {
    to.set_run_state(v1::RUN_STATE_RUNNING);
  } else if (meant != nullptr && !meant->should_run && !meant->failed) {
    to.set_run_state(v1::RUN_STATE_STOPPED);
  } else {
    to.set_run_state(v1::RUN_STATE_FAILED);
  }
}

// What is made again from the journal is in motion: it will run what ran before, so that this is to
// stay held.
void SayMadeAgain(std::string_view why, v1::NodeStatus& to) {
  to.set_pending(true);
  to.set_problem(fmt::format("{}: it is made again", why));
}

}  // namespace

Status AgentCore::FillStatus(v1::HostStatus& status) {
  std::set<NodeId> pending;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [id, command] : state_.commands)
      if (command.IsPending()) pending.insert(command.node_id);
  }
  auto seen = parts_.runtime.List();
  RETURN_IF_ERROR(FillCapacity(status));
  status.set_agent_version(options_.agent_version);
  if (seen) {
    FillNodes(*seen, pending, status);
    return {};
  }
  // Then nothing is known of any node; the host's own data are still reported.
  const std::string what = "its nodes cannot be listed: " + seen.error().message;
  parts_.log.Write({LogLevel::kError, "nodes_not_listed", what, seen.error().facts});
  const std::string and_what = status.problem().empty() ? "" : "; " + status.problem();
  status.set_problem(Told(what + and_what));
  return {};
}

Status AgentCore::FillCapacity(v1::HostStatus& status) {
  auto measured = parts_.runtime.MeasureCapacity();
  std::lock_guard lock(mutex_);
  if (measured) capacity_ = *measured;
  if (!capacity_) return Fail(measured.error());
  FillResources(capacity_->available, *status.mutable_capacity());
  FillResources(capacity_->reserved, *status.mutable_reserved());
  status.set_thin_disks(capacity_->thin_disks);
  const std::string problem =
      Told(measured ? measured->problem : "it cannot be measured: " + measured.error().message);
  status.set_problem(problem);
  // Its message may contain a number that changes each time.
  const bool begins = host_problem_.empty() && !problem.empty();
  host_problem_ = problem;
  if (!begins) return {};
  JournalChange change;
  AddIncident(ReportedIncident::kHostProblem, std::nullopt, problem, {}, change);
  SaveCare(change);
  return {};
}

// The problem of a node that an operator should know about.
void AgentCore::NoteSeen(const ObservedNode& seen, bool pending) {
  auto found = state_.nodes.find(seen.node_id);
  if (found == state_.nodes.end() || pending) return;
  NodeCare& care = care_[seen.node_id];
  // Parts of a failed node may be missing; but an unreadable node may stay unreadable.
  if (!seen.unreadable.empty() || (!seen.config_id && !found->second.failed)) care.broken = true;
  if (!seen.unreadable.empty() || seen.disk_problem == care.disk_problem) return;
  care.disk_problem = seen.disk_problem;
  if (seen.disk_problem.empty()) return;
  JournalChange change;
  AddIncident(ReportedIncident::kNodeDiskError, seen.node_id, seen.disk_problem, {}, change);
  SaveCare(change);
}

void AgentCore::FillNodes(const std::vector<ObservedNode>& seen, const std::set<NodeId>& pending,
                          v1::HostStatus& status) {
  std::lock_guard lock(mutex_);
  std::set<NodeId> left = pending;
  for (const auto& [id, node] : state_.nodes) left.insert(id);
  for (const ObservedNode& node : seen) {
    v1::NodeStatus& to = *status.add_nodes();
    to.set_node_id(node.node_id.ToString());
    left.erase(node.node_id);
    NoteSeen(node, pending.contains(node.node_id));
    auto meant = state_.nodes.find(node.node_id);
    const bool known = meant != state_.nodes.end();
    if (known) {
      to.set_restarts(meant->second.restarts);
      const auto& end = node.end ? node.end : meant->second.last_end;
      if (end) FillEnd(*end, *to.mutable_last_end());
    }
    to.set_problem(Told(node.disk_problem));
    if (!node.unreadable.empty()) {
      // Any further statement about it might be false.
      to.set_pending(true);
      to.set_problem(Told("it cannot be read: " + node.unreadable));
      continue;
    }
    FillSeen(node, known ? &meant->second : nullptr, to);
    to.set_pending(pending.contains(node.node_id));
    if (!to.pending() && known && !meant->second.failed && !node.config_id)
      SayMadeAgain("its container is gone", to);
    auto care = care_.find(node.node_id);
    if (care == care_.end() || !node.running || !care->second.health) continue;
    to.set_health(*care->second.health == NodeHealth::kHealthy ? v1::HEALTH_HEALTHY
                                                               : v1::HEALTH_UNHEALTHY);
    to.set_health_message(Told(care->second.health_message));
  }
  // The machine has nothing of these nodes.
  for (const NodeId& id : left) {
    v1::NodeStatus& to = *status.add_nodes();
    to.set_node_id(id.ToString());
    to.set_pending(pending.contains(id));
    auto meant = state_.nodes.find(id);
    if (meant == state_.nodes.end()) continue;
    to.set_run_state(v1::RUN_STATE_FAILED);
    if (pending.contains(id) || meant->second.failed) continue;
    care_[id].broken = true;
    SayMadeAgain("nothing of it is on the machine", to);
  }
  status.set_complete(status.nodes_size() <= static_cast<int>(kNodesMax));
  while (status.nodes_size() > static_cast<int>(kNodesMax)) status.mutable_nodes()->RemoveLast();
}

}  // namespace tallyman::agent
