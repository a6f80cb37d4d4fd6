// A rollout is planned and stored; nothing of its nodes changes. Each is planned by itself against
// what is there now, and upgraded later from that config only.
#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/text.h"
#include "control/nodes/node_writer.h"
#include "control/nodes/upgrade_targets.h"
#include "control/read_once.h"
#include "control/reads/resolve.h"
#include "control/rollouts/rollout_draft.h"
#include "control/rollouts/rollout_rows.h"
#include "control/rollouts/rollouts.h"

namespace tallyman::control {
namespace {

using LockedRollouts = std::set<RolloutId>;

Status CheckCount(const UpgradeTargets& targets) {
  if (targets.nodes.empty()) {
    return Fail(
        FailedPrecondition("NOTHING_TO_UPGRADE",
                           fmt::format("all {} nodes have the image already, or are being deleted",
                                       targets.same_image_count + targets.deleting_count)));
  }
  if (targets.nodes.size() <= kRolloutNodesMax) return {};
  return Fail(InvalidArgument("TOO_MANY_NODES",
                              fmt::format("the rollout is of {} nodes, and at most {} are taken: "
                                          "make one rollout for each region or org",
                                          targets.nodes.size(), kRolloutNodesMax))
                  .With("field", "nodes"));
}

// Those of the nodes that are in another open rollout.
using TakenNodes = std::unordered_map<NodeId, store::OpenRolloutNode>;

Result<TakenNodes> FindTaken(store::ReadTx& tx, const std::vector<NodeId>& nodes) {
  const std::set<NodeId> wanted(nodes.begin(), nodes.end());
  ASSIGN_OR_RETURN(auto open, tx.OpenRolloutNodes());
  TakenNodes taken;
  for (store::OpenRolloutNode& node : open)
    if (wanted.contains(node.row.node_id)) taken[node.row.node_id] = std::move(node);
  return taken;
}

Error Overlaps(const TakenNodes& taken, const std::vector<const NodeSnapshot*>& nodes) {
  const auto first = std::ranges::find_if(
      nodes, [&](const NodeSnapshot* node) { return taken.contains(node->node.id); });
  const std::string& name = (*first)->node.name;
  const std::string& other = taken.at((*first)->node.id).rollout;
  return FailedPrecondition(
             "ROLLOUT_OVERLAPS",
             fmt::format("node {}, one of {} such nodes, is in rollout {}, which has not ended: "
                         "wait for it, leave the nodes out, take them over with --take-over, or "
                         "end it with `tallyman rollout abort {}`",
                         name, taken.size(), other, other))
      .About("node " + name)
      .With("rollout", other)
      .With("nodes", std::to_string(taken.size()));
}

// What hosts are at work on stays where it is: what it will run is not known yet.
Status LeaveInFlight(const TakenNodes& taken, std::vector<const NodeSnapshot*>& nodes,
                     std::vector<std::string>& in_flight) {
  std::erase_if(nodes, [&](const NodeSnapshot* node) {
    const bool is_pending = std::ranges::any_of(
        node->transitions,
        [](const Transition& transition) { return transition.state != CommandState::kFailed; });
    const bool leave = is_pending && taken.contains(node->node.id);
    if (leave) in_flight.push_back(node->node.name);
    return leave;
  });
  if (!nodes.empty()) return {};
  return Fail(FailedPrecondition(
      "ROLLOUT_IN_FLIGHT",
      fmt::format("the hosts of all {} nodes are at work on them for another rollout: try again "
                  "when that is over",
                  in_flight.size())));
}

// The nodes leave the rollouts that they are in.
Status TakeOver(const planner::Cause& cause, const LockedRollouts& locked, TakenNodes taken,
                const std::vector<const NodeSnapshot*>& nodes, ChangeSet& rows) {
  for (const NodeSnapshot* node : nodes) {
    const auto found = taken.find(node->node.id);
    if (found == taken.end()) continue;
    auto& [row, rollout] = found->second;
    if (!locked.contains(row.rollout_id)) {
      return Fail(Error(Code::kAborted, "ROLLOUT_CHANGED",
                        fmt::format("node {} came into rollout {} in the meantime: try again",
                                    node->node.name, rollout)));
    }
    row.state = RolloutNodeState::kSkipped;
    row.why = "TAKEN_OVER";
    row.decided_at = cause.now;
    Event event = NewEvent(cause, EventKind::kRolloutNodeSkipped,
                           Detail({{"rollout", rollout}, {"why", row.why}}));
    event.node_id = row.node_id;
    event.host_id = row.host_id;
    event.org_id = node->node.org_id;
    rows.events.push_back(std::move(event));
    rows.rollout_node_updates.push_back(std::move(row));
  }
  return {};
}

Result<std::vector<planner::RolloutCandidate>> CandidatesOf(
    const std::vector<const NodeSnapshot*>& nodes, const Image& image,
    const planner::Policies& policies) {
  std::vector<planner::RolloutCandidate> candidates;
  for (const NodeSnapshot* node : nodes) {
    ASSIGN_OR_RETURN(planner::RolloutCandidate candidate, CandidateOf(*node, image, policies));
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

Result<Decided<ProposedRollout>> DecideCreate(const Authorized& by,
                                              const CreateRolloutRequest& request,
                                              const UpgradeTargets& targets,
                                              const LockedRollouts& locked,
                                              const store::Snapshot& snapshot, store::ReadTx& tx) {
  const auto image = snapshot.images.find(targets.image);
  if (image == snapshot.images.end()) return Fail(ImageNotFound(targets.image.ToString()));
  ASSIGN_OR_RETURN(const store::Snapshot fleet, tx.Load({.nodes = targets.nodes}));
  ASSIGN_OR_RETURN(auto nodes, FindNodes(fleet, by.actor(), targets.nodes));
  ASSIGN_OR_RETURN(TakenNodes taken, FindTaken(tx, targets.nodes));
  std::vector<std::string> in_flight;
  if (request.take_over) RETURN_IF_ERROR(LeaveInFlight(taken, nodes, in_flight));
  RolloutDraft draft = {.name = request.name,
                        .reverts = {},
                        .image_id = targets.image,
                        .image = image->second->Reference(),
                        .candidates = {},
                        .plan = {},
                        .nodes = nodes,
                        .back_to = {}};
  ASSIGN_OR_RETURN(draft.candidates, CandidatesOf(nodes, *image->second, by.control().policies()));
  const std::vector<planner::RolloutHost> hosts = HostsIn(fleet);
  ASSIGN_OR_RETURN(draft.plan, planner::PlanRollout(request.numbers, draft.candidates, hosts));
  if (!request.take_over && !taken.empty()) return Fail(Overlaps(taken, nodes));
  Decided<ProposedRollout> decision = ProposeRollout(by, draft, fleet);
  RETURN_IF_ERROR(TakeOver(by.cause(), locked, std::move(taken), nodes, decision.rows));
  ProposedRollout& answer = decision.answer;
  answer.same_image_count = targets.same_image_count;
  answer.deleting_count = targets.deleting_count;
  answer.taken_over_count = std::ssize(decision.rows.rollout_node_updates);
  answer.in_flight = std::move(in_flight);
  return decision;
}

}  // namespace

std::string ProposedRollout::PlanToken() const { return digest; }

void ProposedRollout::ForgetNewIds() { rollout.id = {}; }

Result<Proposal<ProposedRollout>> CreateRollout(const Authorized& by,
                                                const CreateRolloutRequest& request) {
  RETURN_IF_ERROR(CheckNewName("name", request.name));
  ASSIGN_OR_RETURN(UpgradeTargets targets, FindUpgradeTargets(by, request.targets));
  RETURN_IF_ERROR(CheckCount(targets));
  LockedRollouts others;
  if (request.take_over) {
    RETURN_IF_ERROR(ReadOnce(by.control(), [&](store::ReadTx& tx) -> Status {
      others.clear();
      ASSIGN_OR_RETURN(const TakenNodes taken, FindTaken(tx, targets.nodes));
      for (const auto& [id, node] : taken) others.insert(node.row.rollout_id);
      return {};
    }));
  }
  Proposal<ProposedRollout> proposal{.solo = true, .plan = request.plan};
  proposal.rows = std::ssize(targets.nodes);
  proposal.locks.images = {targets.image};
  proposal.locks.rollouts.assign(others.begin(), others.end());
  proposal.decide = [request, targets = std::move(targets), others = std::move(others)](
                        const Authorized& as, const store::Snapshot& snapshot, store::ReadTx& tx) {
    return DecideCreate(as, request, targets, others, snapshot, tx);
  };
  return proposal;
}

}  // namespace tallyman::control
