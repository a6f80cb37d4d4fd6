#include "control/rollouts/rollout_draft.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "base/digest.h"
#include "control/control.h"
#include "control/rollouts/rollout_rows.h"

namespace tallyman::control {
namespace {

constexpr size_t kNodesShown = 10;

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

// Of what the rollout is made of, and not of when.
std::string DigestOf(const RolloutDraft& draft, const Rollout& rollout) {
  std::string text = rollout.name + "\n" + rollout.image_id.ToString() + "\n" + PlanToJson(rollout);
  for (const planner::PlannedNode& node : draft.plan.nodes) {
    fmt::format_to(std::back_inserter(text), "\n{} {} {} {}", node.wave, node.candidate->name,
                   node.candidate->config.ToString(), node.candidate->host.ToString());
  }
  for (const planner::RolloutBlock& block : draft.plan.blocked)
    fmt::format_to(std::back_inserter(text), "\nblocked {} {}", block.candidate->name,
                   block.dimension);
  return Sha256Hex(text);
}

std::vector<BlockedNode> BlockedIn(const planner::RolloutPlan& plan, const store::Snapshot& fleet) {
  std::vector<BlockedNode> blocked;
  for (const planner::RolloutBlock& block : plan.blocked)
    blocked.push_back({.node = block.candidate->name,
                       .host = fleet.hosts.at(block.candidate->host).host.name,
                       .dimension = block.dimension,
                       .need = block.need,
                       .free = block.free});
  return blocked;
}

}  // namespace

Decided<ProposedRollout> ProposeRollout(const Authorized& by, const RolloutDraft& draft,
                                        const store::Snapshot& fleet) {
  const planner::Cause cause = by.cause();
  const planner::RolloutPlan& plan = draft.plan;
  Decided<ProposedRollout> decision;
  ProposedRollout& answer = decision.answer;
  Rollout& rollout = answer.rollout;
  rollout.id = by.control().ids().New<RolloutId>();
  rollout.name = draft.name;
  rollout.org_id = OrgOf(draft.nodes);
  rollout.image_id = draft.image_id;
  rollout.reverts = draft.reverts;
  rollout.spec = plan.spec;
  rollout.waves = plan.waves;
  rollout.created_by = cause.actor_id;
  answer.digest = DigestOf(draft, rollout);
  rollout.created_at = rollout.progress_at = cause.now;
  rollout.waves.front().started_at = cause.now;
  if (rollout.org_id) answer.org = draft.nodes.front()->org_name;
  answer.image = draft.image;
  answer.node_count = std::ssize(plan.nodes);
  answer.waves = Summarize(plan);
  answer.blocked = BlockedIn(plan, fleet);
  decision.rows.new_rollouts = {rollout};
  int64_t place = 0;
  for (const planner::PlannedNode& node : plan.nodes) {
    RolloutNode& row = decision.rows.new_rollout_nodes.emplace_back();
    row.rollout_id = rollout.id;
    row.node_id = node.candidate->node;
    row.host_id = node.candidate->host;
    row.wave = node.wave;
    row.place = ++place;
    row.from_config_id = node.candidate->config;
    row.was_unwell = !node.candidate->is_well;
    const auto back = draft.back_to.find(row.node_id);
    if (back != draft.back_to.end()) row.to_config_id = back->second;
  }
  decision.rows.events.push_back(RolloutEvent(
      cause, EventKind::kRolloutCreated, rollout,
      draft.reverts.empty()
          ? fmt::format("{} nodes to {}", answer.node_count, answer.image)
          : fmt::format("{} nodes back from rollout {}", answer.node_count, draft.reverts)));
  return decision;
}

}  // namespace tallyman::control
