// What the timer of every server does with rollouts. A look without locks says whether there is
// anything to do; then the same is decided again under the locks, on what is there by then: a
// second server that comes to it finds nothing left.
#include <algorithm>
#include <future>
#include <map>
#include <span>
#include <unordered_map>

#include "control/nodes/node_writer.h"
#include "control/read_once.h"
#include "control/rollouts/rollout_rows.h"
#include "control/rollouts/rollouts.h"
#include "control/run_internal.h"
#include "planner/upgrade.h"

namespace tallyman::control {
namespace {

struct Advanced {
  int64_t released = 0;
};

// A node that is to be upgraded now.
struct Release {
  const RolloutNodeFacts* facts = nullptr;
  const NodeSnapshot* node = nullptr;
};

// Why a node alone cannot be upgraded now, and whether that may pass.
bool MayPass(const Error& error) {
  return error.reason == planner::kHostCapacityExceeded || error.reason == "HOST_BOOKS_DRIFTED";
}

// Whether what the node needs more than now fits into what is left of its host.
bool TakeRoom(const NodeSnapshot& node, const NodeConfig& config, Resources& left) {
  const Resources more = Excess(config.resources, planner::BooksPlan::ChargedBy(node));
  for (const Dimension dimension : kDimensions)
    if (more.get(dimension) > 0 && more.get(dimension) > left.get(dimension)) return false;
  for (const Dimension dimension : kDimensions) left.at(dimension) -= more.get(dimension);
  return true;
}

class Releasing {
 public:
  Releasing(const Authorized& by, const Image& image, const store::Snapshot& snapshot)
      : by_(by), image_(image), snapshot_(snapshot), writer_(by) {}

  // Sorts out what cannot be upgraded, or finds no room: one bad node holds up no other.
  void Sort(const planner::RolloutStep& step, std::vector<RolloutNode>& decided) {
    for (const RolloutNodeFacts* facts : step.release) {
      const auto found = snapshot_.nodes.find(facts->row.node_id);
      if (found == snapshot_.nodes.end()) continue;  // somebody else is at it
      const NodeSnapshot& node = found->second;
      const HostSnapshot& host = snapshot_.hosts.at(node.node.host_id);
      const Result<NodeConfig> config = planner::PlanConfig(node, image_, by_.control().policies());
      if (!config) {
        Skip(*facts, config.error(), decided);
        continue;
      }
      auto [left, is_new] = left_.try_emplace(host.host.id);
      if (is_new) left->second = FreeOf(host.host).value_or(Resources{});
      if (!TakeRoom(node, *config, left->second)) continue;
      releases_.push_back({facts, &node});
    }
  }

  Result<Decided<Changes>> Write(const Rollout& rollout, std::vector<RolloutNode>& decided) {
    ASSIGN_OR_RETURN(const planner::UpgradePlan plan, Plan(decided));
    const Time not_after = writer_.cause().now + rollout.spec.begin_within;
    for (size_t i = 0; i < plan.nodes.size(); ++i) {
      const planner::NodePlan& node = plan.nodes[i];
      const Host& host = snapshot_.hosts.at(node.before->node.host_id).host;
      RETURN_IF_ERROR(writer_.ReplaceConfig(node, image_, host, CommandKind::kUpgrade, not_after));
      RolloutNode& row = decided.emplace_back(releases_[i].facts->row);
      row.state = RolloutNodeState::kReleased;
      row.command_id = writer_.last_change().command_id;
      row.released_at = writer_.cause().now;
    }
    return writer_.Finish(plan.books);
  }

  int64_t count() const { return std::ssize(releases_); }

 private:
  // All in one piece; where that is refused, without those that are refused by themselves.
  Result<planner::UpgradePlan> Plan(std::vector<RolloutNode>& decided) {
    Result<planner::UpgradePlan> plan = PlanOf(releases_);
    // The runner reads the sums and decides again.
    if (plan || plan.error().reason == planner::kDriftSuspected) return plan;
    std::erase_if(releases_, [&](const Release& release) {
      const auto alone = PlanOf({&release, 1});
      if (!alone && !MayPass(alone.error())) Skip(*release.facts, alone.error(), decided);
      return !alone;
    });
    return PlanOf(releases_);
  }

  Result<planner::UpgradePlan> PlanOf(std::span<const Release> releases) const {
    std::vector<const NodeSnapshot*> nodes;
    for (const Release& release : releases) nodes.push_back(release.node);
    ASSIGN_OR_RETURN(const auto hosts, HostsOf(snapshot_, nodes));
    return planner::PlanUpgrade(nodes, hosts, image_, by_.control().policies(), writer_.cause());
  }

  void Skip(const RolloutNodeFacts& facts, const Error& error, std::vector<RolloutNode>& decided) {
    RolloutNode& row = decided.emplace_back(facts.row);
    row.state = RolloutNodeState::kSkipped;
    row.why = error.reason;
    row.decided_at = writer_.cause().now;
  }

  const Authorized& by_;
  const Image& image_;
  const store::Snapshot& snapshot_;
  NodeWriter writer_;
  std::map<HostId, Resources> left_;  // of hosts, as nodes take of it
  std::vector<Release> releases_;
};

// What became of nodes and of the rollout, for people to read.
void Tell(const planner::Cause& cause, const RolloutView& view, const Rollout& after,
          const std::vector<RolloutNode>& decided, ChangeSet& rows) {
  std::unordered_map<NodeId, const RolloutNodeFacts*> facts;
  for (const auto* list : {&view.released, &view.waiting})
    for (const RolloutNodeFacts& node : *list) facts[node.row.node_id] = &node;
  for (const RolloutNode& node : decided) {
    const bool failed = node.state == RolloutNodeState::kFailed;
    if (!failed && node.state != RolloutNodeState::kSkipped) continue;
    Event event =
        RolloutEvent(cause, failed ? EventKind::kRolloutNodeFailed : EventKind::kRolloutNodeSkipped,
                     after, node.why);
    event.node_id = node.node_id;
    event.host_id = node.host_id;
    event.org_id = facts.at(node.node_id)->org_id;
    rows.events.push_back(std::move(event));
  }
  if (after.wave != view.rollout.wave) {
    rows.events.push_back(RolloutEvent(cause, EventKind::kRolloutWavePassed, after,
                                       "wave " + std::to_string(view.rollout.wave + 1)));
  }
  if (after.state == view.rollout.state) return;
  rows.events.push_back(RolloutEvent(
      cause, HasEnded(after.state) ? EventKind::kRolloutEnded : EventKind::kRolloutPaused, after,
      HasEnded(after.state) ? ToText(after.state) : std::string_view(after.why)));
}

Result<Decided<Advanced>> DecideAdvance(const Authorized& by, const RolloutId& id,
                                        const store::Snapshot& snapshot, store::ReadTx& tx) {
  ASSIGN_OR_RETURN(const RolloutView view, ViewOfRollout(by.control(), tx, id));
  const planner::Cause cause = by.cause();
  planner::RolloutStep step = planner::DecideStep(view, cause.now, SilentBefore(by.control()));
  const auto image = snapshot.images.find(view.rollout.image_id);
  Decided<Advanced> decision;
  if (image != snapshot.images.end() && !step.release.empty()) {
    Releasing releasing(by, *image->second, snapshot);
    releasing.Sort(step, step.decided);
    ASSIGN_OR_RETURN(Decided<Changes> changes, releasing.Write(view.rollout, step.decided));
    static_cast<Writes&>(decision) = static_cast<Writes&&>(changes);
    decision.answer.released = releasing.count();
    if (releasing.count() > 0) step.after.progress_at = cause.now;
  }
  if (!step.changes(view.rollout)) {
    decision.leaves_trail = false;
    return decision;
  }
  Tell(cause, view, step.after, step.decided, decision.rows);
  decision.rows.rollout_updates = {Updated(view.rollout, std::move(step.after))};
  decision.rows.rollout_node_updates = std::move(step.decided);
  return decision;
}

// What a step would do, without locks.
struct Ahead {
  RolloutView view;
  std::vector<NodeId> nodes;  // that may be released
  bool has_work = false;      // it would change something
};

Status LookAhead(const Authorized& by, const RolloutId& id, store::ReadTx& tx, Ahead& ahead) {
  ahead = {};
  Control& control = by.control();
  ASSIGN_OR_RETURN(ahead.view, ViewOfRollout(control, tx, id));
  planner::RolloutStep step =
      planner::DecideStep(ahead.view, control.clock().Now(), SilentBefore(control));
  ahead.has_work = step.changes(ahead.view.rollout);
  if (step.release.empty()) return {};
  for (const RolloutNodeFacts* facts : step.release) ahead.nodes.push_back(facts->row.node_id);
  const ImageId& image = ahead.view.rollout.image_id;
  ASSIGN_OR_RETURN(const store::Snapshot snapshot,
                   tx.Load({.nodes = ahead.nodes, .images = {image}}));
  const auto found = snapshot.images.find(image);
  if (found == snapshot.images.end()) return {};
  Releasing releasing(by, *found->second, snapshot);
  releasing.Sort(step, step.decided);
  ahead.has_work = releasing.count() > 0 || step.changes(ahead.view.rollout);
  return {};
}

Result<Proposal<Advanced>> AdvanceRollout(const Authorized& by, const RolloutId& id) {
  Proposal<Advanced> proposal{.solo = true};
  Ahead ahead;
  RETURN_IF_ERROR(
      ReadOnce(by.control(), [&](store::ReadTx& tx) { return LookAhead(by, id, tx, ahead); }));
  if (!ahead.has_work) {
    proposal.answer = Advanced();
    return proposal;
  }
  proposal.author = {.actor_id = "rollout:" + ahead.view.rollout.name, .token_id = {}};
  proposal.locks.rollouts = {id};
  proposal.locks.images = {ahead.view.rollout.image_id};
  proposal.rows = 1 + std::ssize(ahead.nodes);
  proposal.locks.nodes = std::move(ahead.nodes);
  proposal.locks.with_quotas = true;
  proposal.decide = [id](const Authorized& as, const store::Snapshot& snapshot, store::ReadTx& tx) {
    return DecideAdvance(as, id, snapshot, tx);
  };
  return proposal;
}

}  // namespace

Status AdvanceRollouts(Control& control) {
  ASSIGN_OR_RETURN(const std::vector<RolloutId> open,
                   ReadOnce(control, [](store::ReadTx& tx) { return tx.OpenRollouts(); }));
  // All are begun before any is waited for: one whose hosts are locked delays no other.
  std::vector<std::future<Status>> steps;
  for (const RolloutId& id : open)
    steps.push_back(BeginInternal(control, "internal/AdvanceRollout", AdvanceRollout, id));
  Status first;
  for (std::future<Status>& step : steps) {
    Status status = step.get();
    if (first && !status) first = std::move(status);
  }
  return first;
}

}  // namespace tallyman::control
