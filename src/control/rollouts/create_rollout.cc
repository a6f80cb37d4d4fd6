// A rollout is planned and stored; nothing of its nodes changes. Each is planned by itself against
// what is there now, and upgraded later from that config only.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "base/digest.h"
#include "base/text.h"
#include "control/nodes/node_writer.h"
#include "control/nodes/upgrade_targets.h"
#include "control/reads/resolve.h"
#include "control/rollouts/rollout_rows.h"
#include "control/rollouts/rollouts.h"

namespace tallyman::control {
namespace {

constexpr size_t kNodesShown = 10;

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

Status CheckOverlap(store::ReadTx& tx, const std::vector<const NodeSnapshot*>& nodes) {
  ASSIGN_OR_RETURN(const auto open, tx.OpenRolloutNodes());
  std::unordered_map<NodeId, const std::string*> taken;
  for (const store::OpenRolloutNode& node : open) taken[node.node_id] = &node.rollout;
  const NodeSnapshot* first = nullptr;
  int64_t count = 0;
  for (const NodeSnapshot* node : nodes) {
    if (!taken.contains(node->node.id)) continue;
    if (first == nullptr) first = node;
    ++count;
  }
  if (first == nullptr) return {};
  const std::string& other = *taken.at(first->node.id);
  return Fail(
      FailedPrecondition("ROLLOUT_OVERLAPS",
                         fmt::format("node {}, one of {} such nodes, is in rollout {}, which has "
                                     "not ended: wait for it, leave the nodes out, or end it with "
                                     "`tallyman rollout abort {}`",
                                     first->node.name, count, other, other))
          .About("node " + first->node.name)
          .With("rollout", other)
          .With("nodes", std::to_string(count)));
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

std::vector<PlannedWave> Summarize(const planner::RolloutPlan& plan) {
  std::vector<PlannedWave> waves;
  std::vector<std::set<HostId>> hosts(plan.waves.size());
  for (const RolloutWave& wave : plan.waves) waves.push_back({.wave = wave});
  for (const planner::PlannedNode& node : plan.nodes) {
    const auto at = static_cast<size_t>(node.wave);
    const planner::RolloutCandidate& candidate = *node.candidate;
    const bool grows = Excess(candidate.after, candidate.before) != Resources{};
    if (grows) {
      ++waves[at].growing;
    } else if (candidate.after != candidate.before) {
      ++waves[at].shrinking;
    }
    hosts[at].insert(candidate.host);
    if (waves[at].first_nodes.size() < kNodesShown) waves[at].first_nodes.push_back(candidate.name);
  }
  for (size_t i = 0; i < waves.size(); ++i) waves[i].hosts = std::ssize(hosts[i]);
  return waves;
}

// The org that all nodes are of; none: they are of several.
std::optional<OrgId> OrgOf(const std::vector<const NodeSnapshot*>& nodes) {
  const OrgId& first = nodes.front()->node.org_id;
  const bool all = std::ranges::all_of(
      nodes, [&](const NodeSnapshot* node) { return node->node.org_id == first; });
  return all ? std::optional(first) : std::nullopt;
}

std::string DigestOf(const planner::RolloutPlan& plan, const Rollout& rollout) {
  std::string text = rollout.name + "\n" + rollout.image_id.ToString() + "\n" + PlanToJson(rollout);
  for (const planner::PlannedNode& node : plan.nodes) {
    fmt::format_to(std::back_inserter(text), "\n{} {} {} {}", node.wave, node.candidate->name,
                   node.candidate->config.ToString(), node.candidate->host.ToString());
  }
  for (const planner::RolloutBlock& block : plan.blocked)
    fmt::format_to(std::back_inserter(text), "\nblocked {} {}", block.candidate->name,
                   block.dimension);
  return Sha256Hex(text);
}

Result<Decided<ProposedRollout>> DecideCreate(const Authorized& by,
                                              const CreateRolloutRequest& request,
                                              const UpgradeTargets& targets,
                                              const store::Snapshot& snapshot, store::ReadTx& tx) {
  const auto image = snapshot.images.find(targets.image);
  if (image == snapshot.images.end()) return Fail(ImageNotFound(targets.image.ToString()));
  ASSIGN_OR_RETURN(const store::Snapshot fleet, tx.Load({.nodes = targets.nodes}));
  ASSIGN_OR_RETURN(const auto nodes, FindNodes(fleet, by.actor(), targets.nodes));
  ASSIGN_OR_RETURN(const auto candidates,
                   CandidatesOf(nodes, *image->second, by.control().policies()));
  const std::vector<planner::RolloutHost> hosts = HostsIn(fleet);
  ASSIGN_OR_RETURN(planner::RolloutPlan plan,
                   planner::PlanRollout(request.numbers, candidates, hosts));
  RETURN_IF_ERROR(CheckOverlap(tx, nodes));
  const planner::Cause cause = by.cause();
  Decided<ProposedRollout> decision;
  ProposedRollout& answer = decision.answer;
  Rollout& rollout = answer.rollout;
  rollout.id = by.control().ids().New<RolloutId>();
  rollout.name = request.name;
  rollout.org_id = OrgOf(nodes);
  rollout.image_id = targets.image;
  rollout.spec = plan.spec;
  rollout.waves = plan.waves;
  rollout.created_by = cause.actor_id;
  answer.digest = DigestOf(plan, rollout);
  rollout.created_at = rollout.progress_at = cause.now;
  rollout.waves.front().started_at = cause.now;
  if (rollout.org_id) answer.org = nodes.front()->org_name;
  answer.image = image->second->Reference();
  answer.node_count = std::ssize(plan.nodes);
  answer.waves = Summarize(plan);
  answer.same_image_count = targets.same_image_count;
  answer.deleting_count = targets.deleting_count;
  for (const planner::RolloutBlock& block : plan.blocked)
    answer.blocked.push_back({.node = block.candidate->name,
                              .host = fleet.hosts.at(block.candidate->host).host.name,
                              .dimension = block.dimension,
                              .need = block.need,
                              .free = block.free});
  decision.rows.new_rollouts = {rollout};
  int64_t place = 0;
  for (const planner::PlannedNode& node : plan.nodes)
    decision.rows.new_rollout_nodes.push_back({.rollout_id = rollout.id,
                                               .node_id = node.candidate->node,
                                               .host_id = node.candidate->host,
                                               .wave = node.wave,
                                               .place = ++place,
                                               .from_config_id = node.candidate->config});
  decision.rows.events.push_back(
      RolloutEvent(cause, EventKind::kRolloutCreated, rollout,
                   fmt::format("{} nodes to {}", answer.node_count, answer.image)));
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
  Proposal<ProposedRollout> proposal{.solo = true, .plan = request.plan};
  proposal.rows = std::ssize(targets.nodes);
  proposal.locks.images = {targets.image};
  proposal.decide = [request, targets = std::move(targets)](
                        const Authorized& as, const store::Snapshot& snapshot, store::ReadTx& tx) {
    return DecideCreate(as, request, targets, snapshot, tx);
  };
  return proposal;
}

}  // namespace tallyman::control
