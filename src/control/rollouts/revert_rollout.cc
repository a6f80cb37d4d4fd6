// Going back is a rollout of its own: of one wave, with the budgets of the one before, from the
// config that this gave each node to the one that the node had. What makes rollouts safe holds for
// it as well; nothing but the configs is different.
#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>

#include "control/nodes/node_step.h"
#include "control/read_once.h"
#include "control/reads/resolve.h"
#include "control/rollouts/rollout_draft.h"
#include "control/rollouts/rollout_rows.h"

namespace tallyman::control {
namespace {

using planner::RolloutEffect;

Status CheckRevertible(const Rollout& rollout) {
  if (rollout.reverts.empty()) return {};
  return Fail(FailedPrecondition("REVERT_OF_REVERT",
                                 fmt::format("rollout {} takes back rollout {} itself: abort it, "
                                             "or make another rollout to the image that you want",
                                             rollout.name, rollout.reverts))
                  .About("rollout " + rollout.name));
}

// What the rollout has upgraded, or is at.
std::vector<const RolloutNodeFacts*> UpgradedBy(const RolloutView& view) {
  std::vector<const RolloutNodeFacts*> upgraded;
  for (const auto* list : {&view.released, &view.judged})
    for (const RolloutNodeFacts& facts : *list)
      if (facts.row.state != RolloutNodeState::kSkipped && facts.command && !IsOpen(facts))
        upgraded.push_back(&facts);
  return upgraded;
}

// A node that goes back.
struct Return {
  const RolloutNodeFacts* facts = nullptr;
  const NodeSnapshot* node = nullptr;
  const KnownConfig* before = nullptr;
};

std::vector<Return> ReturnsOf(const RolloutView& view, const store::Snapshot& fleet,
                              std::vector<std::string>& changed) {
  std::vector<Return> returns;
  std::set<NodeId> seen;  // a failed one that hosts are still at work on is in both lists
  for (const RolloutNodeFacts* facts : UpgradedBy(view)) {
    if (!seen.insert(facts->row.node_id).second) continue;
    const auto node = fleet.nodes.find(facts->row.node_id);
    if (node == fleet.nodes.end() || !facts->live) continue;
    // It went back by itself, or somebody has changed it since.
    const auto before = node->second.configs.find(facts->row.from_config_id);
    const bool runs_it = node->second.node.config_id == facts->target;
    if (runs_it && before != node->second.configs.end()) {
      returns.push_back({facts, &node->second, &before->second});
    } else if (node->second.node.config_id != facts->row.from_config_id) {
      changed.push_back(facts->node);
    }
  }
  return returns;
}

std::vector<planner::RolloutCandidate> CandidatesOf(const std::vector<Return>& returns) {
  std::vector<planner::RolloutCandidate> candidates;
  for (const Return& back : returns)
    candidates.push_back({.node = back.node->node.id,
                          .name = back.node->node.name,
                          .host = back.node->node.host_id,
                          .config = back.node->node.config_id,
                          .before = planner::BooksPlan::ChargedBy(*back.node),
                          .after = back.before->resources});
  return candidates;
}

planner::RolloutRequest NumbersOf(const RolloutSpec& spec) {
  planner::RolloutRequest numbers;
  numbers.stages = {{.amount = 100, .is_percent = true}};
  numbers.max_in_flight = spec.max_in_flight;
  numbers.per_host = spec.per_host;
  numbers.soak = spec.soak;
  numbers.begin_within = spec.begin_within;
  numbers.healthy_within = spec.healthy_within;
  numbers.no_progress = spec.no_progress;
  return numbers;
}

// The image that most of them go back to.
const Image& ImageOf(const std::vector<Return>& returns) {
  std::map<ImageId, int64_t> counts;
  const Image* most = returns.front().before->image.get();
  for (const Return& back : returns) {
    const Image& image = *back.before->image;
    if (++counts[image.id] > counts[most->id]) most = &image;
  }
  return *most;
}

Result<RolloutDraft> DraftOf(store::ReadTx& tx, const RolloutView& view, const std::string& name,
                             const std::vector<Return>& returns, const store::Snapshot& fleet) {
  if (returns.empty()) {
    return Fail(FailedPrecondition("NOTHING_TO_REVERT",
                                   fmt::format("no node runs any more what rollout {} gave it, or "
                                               "what it had before is forgotten",
                                               view.rollout.name))
                    .About("rollout " + view.rollout.name));
  }
  RolloutDraft draft;
  draft.name = name;
  draft.reverts = view.rollout.name;
  draft.image_id = ImageOf(returns).id;
  draft.image = ImageOf(returns).Reference();
  for (const Return& back : returns) {
    draft.nodes.push_back(back.node);
    draft.back_to[back.node->node.id] = back.facts->row.from_config_id;
  }
  ASSIGN_OR_RETURN(const auto open, tx.OpenRolloutNodes());
  for (const store::OpenRolloutNode& node : open) {
    if (node.row.rollout_id == view.rollout.id || !draft.back_to.contains(node.row.node_id))
      continue;
    return Fail(FailedPrecondition(
                    "ROLLOUT_OVERLAPS",
                    fmt::format("a node of rollout {} is in rollout {} now, which has not ended: "
                                "end that first with `tallyman rollout abort {}`",
                                view.rollout.name, node.rollout, node.rollout))
                    .With("rollout", node.rollout));
  }
  draft.candidates = CandidatesOf(returns);
  const std::vector<planner::RolloutHost> hosts = HostsIn(fleet);
  ASSIGN_OR_RETURN(draft.plan,
                   planner::PlanRollout(NumbersOf(view.rollout.spec), draft.candidates, hosts));
  // Stopping half way would leave the rest with what is to go.
  draft.plan.waves.front().max_failures = draft.plan.waves.front().size;
  return draft;
}

// The nodes leave the rollout, and it ends.
void EndBefore(const planner::Cause& cause, const RolloutView& view, RolloutEffect effect,
               const std::string& by_rollout, const std::vector<Return>& returns, ChangeSet& rows) {
  for (const Return& back : returns) {
    if (back.facts->row.state != RolloutNodeState::kReleased) continue;
    RolloutNode& row = rows.rollout_node_updates.emplace_back(back.facts->row);
    row.state = RolloutNodeState::kSkipped;
    row.why = "REVERTED";
    row.decided_at = cause.now;
  }
  Rollout after = view.rollout;
  after.why = fmt::format("REVERTED: by rollout {}", by_rollout);
  if (effect == RolloutEffect::kAbort) {
    after.state = RolloutState::kAborting;
    rows.events.push_back(RolloutEvent(cause, EventKind::kRolloutAborted, after, after.why));
  }
  rows.rollout_updates.push_back(Updated(view.rollout, std::move(after)));
}

Result<Decided<ProposedRollout>> DecideRevert(const Authorized& by, const RolloutId& id,
                                              const std::string& name,
                                              const store::Snapshot& snapshot, store::ReadTx& tx) {
  ASSIGN_OR_RETURN(const RolloutView view, ViewOfRollout(by.control(), tx, id, true));
  RETURN_IF_ERROR(CheckRevertible(view.rollout));
  const RolloutEffect effect = planner::EffectOf(planner::RolloutWord::kRevert, view.rollout.state);
  RETURN_IF_ERROR(CheckEffect(effect, view.rollout));
  store::LockSet wanted{.with_history = true};
  for (const RolloutNodeFacts* facts : UpgradedBy(view)) {
    wanted.nodes.push_back(facts->row.node_id);
    wanted.node_configs.push_back({facts->row.node_id, facts->row.from_config_id});
  }
  ASSIGN_OR_RETURN(const store::Snapshot fleet, tx.Load(wanted));
  std::vector<std::string> changed;
  const std::vector<Return> returns = ReturnsOf(view, fleet, changed);
  ASSIGN_OR_RETURN(const RolloutDraft draft, DraftOf(tx, view, name, returns, fleet));
  Decided<ProposedRollout> decision = ProposeRollout(by, draft, fleet);
  decision.answer.changed = std::move(changed);

  NodeWriter writer(by);
  ASSIGN_OR_RETURN(planner::BooksPlan books, BeginBooksOfLocked(writer, snapshot));
  std::vector<RolloutNode> waiting;
  std::vector<std::string> begun;  // they go back when they have ended
  RETURN_IF_ERROR(
      WithdrawOpen(writer, books, snapshot, view, decision.answer.withdrawn, begun, waiting));
  auto withdrawn = static_cast<Writes&&>(writer.Finish(books));
  ChangeSet& rows = withdrawn.rows;
  rows.rollout_node_updates = std::move(waiting);
  EndBefore(by.cause(), view, effect, name, returns, rows);
  ChangeSet& made = decision.rows;
  rows.new_rollouts = std::move(made.new_rollouts);
  rows.new_rollout_nodes = std::move(made.new_rollout_nodes);
  rows.events.insert(rows.events.end(), std::make_move_iterator(made.events.begin()),
                     std::make_move_iterator(made.events.end()));
  static_cast<Writes&>(decision) = std::move(withdrawn);
  return decision;
}

}  // namespace

Result<Proposal<ProposedRollout>> RevertRollout(const Authorized& by,
                                                const RevertRolloutRequest& request) {
  Rollout before;
  Proposal<ProposedRollout> proposal{.solo = true, .plan = request.plan};
  RETURN_IF_ERROR(ReadOnce(by.control(), [&](store::ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(const store::RolloutRow row, ResolveRollout(tx, by.actor(), request.rollout));
    before = row.rollout;
    ASSIGN_OR_RETURN(const RolloutView view, ViewOfRollout(by.control(), tx, before.id));
    return LockInFlight(tx, view, proposal.locks);
  }));
  RETURN_IF_ERROR(CheckRevertible(before));
  const RolloutId id = before.id;
  const std::string name = request.name.empty() ? before.name + "-revert" : request.name;
  RETURN_IF_ERROR(CheckNewName("name", name));
  proposal.rows = std::max<int64_t>(1, std::ssize(proposal.locks.nodes));
  proposal.locks.rollouts = {id};
  proposal.decide = [id, name](const Authorized& as, const store::Snapshot& snapshot,
                               store::ReadTx& tx) {
    return DecideRevert(as, id, name, snapshot, tx);
  };
  return proposal;
}

}  // namespace tallyman::control
