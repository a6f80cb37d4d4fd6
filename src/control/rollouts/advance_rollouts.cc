// What the timer of every server does with rollouts. A look without locks says whether there is
// anything to do; then the same is decided again under the locks, on what is there by then: a
// second server that comes to it finds nothing left.
#include <algorithm>
#include <future>
#include <map>
#include <span>
#include <unordered_map>

#include "base/sorted_unique.h"
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

// A node that is to be upgraded now, or to go back.
struct Release {
  const RolloutNodeFacts* facts = nullptr;
  const NodeSnapshot* node = nullptr;
  const Image* image = nullptr;
  NodeConfig config;
};

// The configs that nodes of a revert had; an error for one that cannot be read.
using ConfigsBefore = std::map<ConfigId, Result<NodeConfig>>;

Result<ConfigsBefore> ReadConfigsBefore(store::ReadTx& tx, const planner::RolloutStep& step) {
  ConfigsBefore configs;
  for (const RolloutNodeFacts* facts : step.release) {
    if (!facts->row.to_config_id) continue;
    const ConfigId& id = *facts->row.to_config_id;
    auto found = tx.FindConfig(id);
    if (!found && found.error().code != Code::kDataLoss) return Fail(std::move(found.error()));
    if (!found) {
      configs.emplace(id, Fail(std::move(found.error())));
    } else if (!*found) {
      configs.emplace(id, Fail(DataLoss("ROW_MISSING", "the config before is missing")));
    } else {
      configs.emplace(id, **std::move(found));
    }
  }
  return configs;
}

std::vector<ImageId> ImagesOf(const Rollout& rollout, const ConfigsBefore& before) {
  std::vector<ImageId> images = {rollout.image_id};
  for (const auto& [id, config] : before)
    if (config) images.push_back(config->image_id);
  return SortedUnique(std::move(images));
}

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
  Releasing(const Authorized& by, const Rollout& rollout, const ConfigsBefore& before,
            const store::Snapshot& snapshot)
      : by_(by), rollout_(rollout), before_(before), snapshot_(snapshot), writer_(by) {}

  // Sorts out what cannot be upgraded, or finds no room: one bad node holds up no other.
  void Sort(const planner::RolloutStep& step, std::vector<RolloutNode>& decided) {
    for (const RolloutNodeFacts* facts : step.release) {
      const auto found = snapshot_.nodes.find(facts->row.node_id);
      if (found == snapshot_.nodes.end()) continue;  // somebody else is at it
      const NodeSnapshot& node = found->second;
      const HostSnapshot& host = snapshot_.hosts.at(node.node.host_id);
      Release release{.facts = facts, .node = &node, .image = nullptr, .config = {}};
      if (Status planned = PlanOne(release); !planned) {
        Skip(*facts, planned.error(), decided);
        continue;
      }
      if (release.image == nullptr) continue;  // came in between
      auto [left, is_new] = left_.try_emplace(host.host.id);
      if (is_new) left->second = FreeOf(host.host).value_or(Resources{});
      if (!TakeRoom(node, release.config, left->second)) continue;
      releases_.push_back(std::move(release));
    }
  }

  Result<Decided<Changes>> Write(std::vector<RolloutNode>& decided) {
    ASSIGN_OR_RETURN(const planner::UpgradePlan plan, Plan(decided));
    const Time not_after = writer_.cause().now + rollout_.spec.begin_within;
    for (size_t i = 0; i < plan.nodes.size(); ++i) {
      const planner::NodePlan& node = plan.nodes[i];
      const Host& host = snapshot_.hosts.at(node.before->node.host_id).host;
      RETURN_IF_ERROR(
          writer_.ReplaceConfig(node, *releases_[i].image, host, CommandKind::kUpgrade, not_after));
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
    std::vector<NodeConfig> configs;
    for (const Release& release : releases) {
      nodes.push_back(release.node);
      configs.push_back(release.config);
    }
    ASSIGN_OR_RETURN(const auto hosts, HostsOf(snapshot_, nodes));
    return planner::PlanConfigs(nodes, std::move(configs), hosts, by_.control().policies(),
                                writer_.cause());
  }

  // Its image and config; no image: it is not among what was read.
  Status PlanOne(Release& release) const {
    const std::optional<ConfigId>& to = release.facts->row.to_config_id;
    const auto before = to ? before_.find(*to) : before_.end();
    if (to && before == before_.end()) return {};
    if (to && !before->second) return Fail(before->second.error());
    const auto image = snapshot_.images.find(to ? before->second->image_id : rollout_.image_id);
    if (image == snapshot_.images.end()) return {};
    release.image = image->second.get();
    const planner::Policies& policies = by_.control().policies();
    ASSIGN_OR_RETURN(
        release.config,
        to ? planner::PlanReturn(*release.node, *before->second, *release.image, policies)
           : planner::PlanConfig(*release.node, *release.image, policies));
    return {};
  }

  void Skip(const RolloutNodeFacts& facts, const Error& error, std::vector<RolloutNode>& decided) {
    RolloutNode& row = decided.emplace_back(facts.row);
    row.state = RolloutNodeState::kSkipped;
    row.why = error.reason;
    row.decided_at = writer_.cause().now;
  }

  const Authorized& by_;
  const Rollout& rollout_;
  const ConfigsBefore& before_;
  const store::Snapshot& snapshot_;
  NodeWriter writer_;
  std::map<HostId, Resources> left_;  // of hosts, as nodes take of it
  std::vector<Release> releases_;
};

// What became of nodes and of the rollout, for people to read.
void Tell(const planner::Cause& cause, const RolloutView& view, const Rollout& after,
          const std::vector<RolloutNode>& decided, ChangeSet& rows) {
  std::unordered_map<NodeId, const RolloutNodeFacts*> facts;
  for (const auto* list : {&view.released, &view.waiting, &view.regressed})
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
  Decided<Advanced> decision;
  if (!step.release.empty()) {
    ASSIGN_OR_RETURN(const ConfigsBefore before, ReadConfigsBefore(tx, step));
    Releasing releasing(by, view.rollout, before, snapshot);
    releasing.Sort(step, step.decided);
    ASSIGN_OR_RETURN(Decided<Changes> changes, releasing.Write(step.decided));
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

// One that has paused by itself takes back what no host has begun, as somebody's pause does.
bool HasLeftOpen(const RolloutView& view) {
  return view.rollout.state == RolloutState::kPaused &&
         std::ranges::any_of(view.released,
                             [](const RolloutNodeFacts& facts) { return IsOpen(facts); });
}

// What a step would do, without locks.
struct Ahead {
  RolloutView view;
  store::LockSet locks;
  bool has_work = false;  // it would change something
};

Status LookAhead(const Authorized& by, const RolloutId& id, store::ReadTx& tx, Ahead& ahead) {
  ahead = {};
  Control& control = by.control();
  ASSIGN_OR_RETURN(ahead.view, ViewOfRollout(control, tx, id));
  ahead.locks.rollouts = {id};
  ahead.has_work = HasLeftOpen(ahead.view);
  if (ahead.has_work) return LockInFlight(tx, ahead.view, ahead.locks);
  planner::RolloutStep step =
      planner::DecideStep(ahead.view, control.clock().Now(), SilentBefore(control));
  ahead.has_work = step.changes(ahead.view.rollout);
  if (step.release.empty()) return {};
  for (const RolloutNodeFacts* facts : step.release)
    ahead.locks.nodes.push_back(facts->row.node_id);
  ASSIGN_OR_RETURN(const ConfigsBefore before, ReadConfigsBefore(tx, step));
  ahead.locks.images = ImagesOf(ahead.view.rollout, before);
  ASSIGN_OR_RETURN(const store::Snapshot snapshot, tx.Load(ahead.locks));
  Releasing releasing(by, ahead.view.rollout, before, snapshot);
  releasing.Sort(step, step.decided);
  ahead.has_work = releasing.count() > 0 || step.changes(ahead.view.rollout);
  return {};
}

Result<Decided<Advanced>> DecideTakeBack(const Authorized& by, const RolloutId& id,
                                         const store::Snapshot& snapshot, store::ReadTx& tx) {
  ASSIGN_OR_RETURN(const RolloutView view, ViewOfRollout(by.control(), tx, id));
  Decided<Advanced> decision;
  // Somebody may have resumed it, or taken it back, in the meantime.
  decision.leaves_trail = HasLeftOpen(view);
  if (!decision.leaves_trail) return decision;
  NodeWriter writer(by);
  ASSIGN_OR_RETURN(planner::BooksPlan books, BeginBooksOfLocked(writer, snapshot));
  std::vector<std::string> withdrawn;
  std::vector<std::string> begun;
  std::vector<RolloutNode> rows;
  RETURN_IF_ERROR(WithdrawOpen(writer, books, snapshot, view, withdrawn, begun, rows));
  static_cast<Writes&>(decision) = static_cast<Writes&&>(writer.Finish(books));
  decision.rows.rollout_node_updates = std::move(rows);
  return decision;
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
  proposal.rows = 1 + std::ssize(ahead.locks.nodes);
  proposal.locks = std::move(ahead.locks);
  proposal.locks.with_quotas = true;
  proposal.decide = [id, takes_back = HasLeftOpen(ahead.view)](
                        const Authorized& as, const store::Snapshot& snapshot, store::ReadTx& tx) {
    return takes_back ? DecideTakeBack(as, id, snapshot, tx) : DecideAdvance(as, id, snapshot, tx);
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
