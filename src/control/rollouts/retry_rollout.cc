// Failed and skipped nodes of a rollout wait again, each from the config that it has by now.
#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "control/read_once.h"
#include "control/reads/resolve.h"
#include "control/rollouts/rollout_rows.h"
#include "control/rollouts/rollouts.h"
#include "planner/upgrade.h"

namespace tallyman::control {
namespace {

using planner::RolloutEffect;

Status CheckChosen(const RetryRolloutRequest& request) {
  if (request.nodes.empty() == (request.failed || request.skipped)) return {};
  return Fail(InvalidArgument("NOTHING_CHOSEN",
                              "say what to try again: names of nodes, or all failed ones, all "
                              "skipped ones, or both")
                  .With("field", "nodes"));
}

Result<std::vector<const RolloutNodeFacts*>> Choose(const RolloutView& view,
                                                    const RetryRolloutRequest& request) {
  std::vector<const RolloutNodeFacts*> chosen;
  std::set<std::string, std::less<>> left(request.nodes.begin(), request.nodes.end());
  for (const RolloutNodeFacts& facts : view.judged) {
    const bool failed = facts.row.state == RolloutNodeState::kFailed;
    if (!failed && facts.row.state != RolloutNodeState::kSkipped) continue;
    const bool named = left.erase(facts.node) + left.erase(facts.row.node_id.ToString()) > 0;
    if (named || (failed ? request.failed : request.skipped)) chosen.push_back(&facts);
  }
  if (left.empty()) return chosen;
  return Fail(
      InvalidArgument("NODE_NOT_IN_ROLLOUT",
                      fmt::format("{} is no failed or skipped node of rollout {}: see "
                                  "`tallyman rollout nodes {}`",
                                  Quote(*left.begin()), view.rollout.name, view.rollout.name))
          .With("field", "nodes")
          .With("value", Quote(*left.begin())));
}

// Why the node cannot be upgraded by the rollout; "": it can.
Result<std::string> WhyNot(const Authorized& by, const RolloutNodeFacts& facts,
                           const store::Snapshot& fleet, const Image& image, store::ReadTx& tx) {
  const auto found = fleet.nodes.find(facts.row.node_id);
  if (found == fleet.nodes.end() || !facts.live) return "NODE_GONE";
  const planner::Policies& policies = by.control().policies();
  if (!facts.row.to_config_id) {
    const auto config = planner::PlanConfig(found->second, image, policies);
    return config ? "" : config.error().reason;
  }
  ASSIGN_OR_RETURN(const auto before, tx.FindConfig(*facts.row.to_config_id));
  if (!before) return "CONFIG_FORGOTTEN";
  ASSIGN_OR_RETURN(const std::shared_ptr<const Image> back, tx.FindImage(before->image_id));
  if (back == nullptr) return "IMAGE_NOT_FOUND";
  const auto config = planner::PlanReturn(found->second, *before, *back, policies);
  return config ? "" : config.error().reason;
}

void WaitAgain(const RolloutNodeFacts& facts, const NodeSnapshot& node, Rollout& rollout,
               std::vector<RolloutNode>& rows) {
  RolloutNode& row = rows.emplace_back(facts.row);
  RolloutWave& wave = rollout.waves[static_cast<size_t>(row.wave)];
  if (row.state == RolloutNodeState::kFailed && !row.was_unwell && wave.accepted_failures > 0)
    --wave.accepted_failures;
  row.state = RolloutNodeState::kWaiting;
  row.why.clear();
  row.from_config_id = node.node.config_id;
  row.command_id.reset();
  row.not_before.reset();
  row.released_at.reset();
  row.decided_at.reset();
}

Result<Decided<RetriedRollout>> DecideRetry(const Authorized& by, const RolloutId& id,
                                            const RetryRolloutRequest& request,
                                            RetriedRollout answer, store::ReadTx& tx) {
  ASSIGN_OR_RETURN(const RolloutView view, ViewOfRollout(by.control(), tx, id, true));
  const RolloutEffect effect = planner::EffectOf(planner::RolloutWord::kRetry, view.rollout.state);
  RETURN_IF_ERROR(CheckEffect(effect, view.rollout));
  ASSIGN_OR_RETURN(const auto chosen, Choose(view, request));
  store::LockSet wanted;
  for (const RolloutNodeFacts* facts : chosen) wanted.nodes.push_back(facts->row.node_id);
  ASSIGN_OR_RETURN(const store::Snapshot fleet, tx.Load(wanted));
  ASSIGN_OR_RETURN(const auto image, tx.FindImage(view.rollout.image_id));
  if (image == nullptr) return Fail(ImageNotFound(view.rollout.image_id.ToString()));
  ASSIGN_OR_RETURN(const auto open, tx.OpenRolloutNodes());
  std::set<NodeId> elsewhere;
  for (const store::OpenRolloutNode& node : open) elsewhere.insert(node.row.node_id);

  const planner::Cause cause = by.cause();
  Decided<RetriedRollout> decision{{}, std::move(answer)};
  Rollout after = view.rollout;
  for (const RolloutNodeFacts* facts : chosen) {
    ASSIGN_OR_RETURN(std::string why, WhyNot(by, *facts, fleet, *image, tx));
    if (elsewhere.contains(facts->row.node_id)) why = "ROLLOUT_OVERLAPS";
    if (!why.empty()) {
      decision.answer.left_out.emplace_back(facts->node, why);
      continue;
    }
    WaitAgain(*facts, fleet.nodes.at(facts->row.node_id), after,
              decision.rows.rollout_node_updates);
    decision.answer.retried.push_back(facts->node);
  }
  if (decision.answer.retried.empty()) {
    const auto& left_out = decision.answer.left_out;
    return Fail(FailedPrecondition(
                    "NOTHING_TO_RETRY",
                    left_out.empty()
                        ? fmt::format("rollout {} has no such node", view.rollout.name)
                        : fmt::format("none of {} nodes can be tried again: {} is {}",
                                      left_out.size(), left_out[0].first, left_out[0].second))
                    .About("rollout " + view.rollout.name));
  }
  after.progress_at = cause.now;
  if (effect == RolloutEffect::kAgain) {
    after.state = RolloutState::kRunning;
    after.ended_at.reset();
    after.waves.back().passed_at.reset();
  }
  RolloutUpdate update = Updated(view.rollout, std::move(after));
  decision.answer.rollout = update.after;
  decision.rows.events.push_back(
      RolloutEvent(cause, EventKind::kRolloutResumed, update.after,
                   fmt::format("{} nodes are tried again", decision.answer.retried.size())));
  decision.rows.rollout_updates = {std::move(update)};
  return decision;
}

}  // namespace

Result<Proposal<RetriedRollout>> RetryRollout(const Authorized& by,
                                              const RetryRolloutRequest& request) {
  RETURN_IF_ERROR(CheckChosen(request));
  RetriedRollout answer;
  RETURN_IF_ERROR(ReadOnce(by.control(), [&](store::ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(store::RolloutRow row, ResolveRollout(tx, by.actor(), request.rollout));
    answer.rollout = std::move(row.rollout);
    answer.org = row.org;
    answer.image = row.image;
    return {};
  }));
  const RolloutId id = answer.rollout.id;
  Proposal<RetriedRollout> proposal{.solo = true};
  proposal.locks.rollouts = {id};
  proposal.decide = [id, request, answer = std::move(answer)](
                        const Authorized& as, const store::Snapshot&, store::ReadTx& tx) {
    return DecideRetry(as, id, request, answer, tx);
  };
  return proposal;
}

}  // namespace tallyman::control
