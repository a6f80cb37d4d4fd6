#include "control/rollouts/rollout_rows.h"

#include <fmt/core.h>

#include "base/text.h"
#include "control/control.h"
#include "control/new_event.h"
#include "control/nodes/node_step.h"
#include "planner/upgrade.h"

namespace tallyman::control {

Result<store::RolloutRow> ResolveRollout(store::ReadTx& tx, const Actor& actor,
                                         std::string_view name_or_id) {
  ASSIGN_OR_RETURN(auto row, tx.FindRollout(name_or_id));
  if (row && (!actor.org_id || row->rollout.org_id == actor.org_id)) return *std::move(row);
  return Fail(NotFound("ROLLOUT_NOT_FOUND", fmt::format("there is no rollout {}: see `tallyman "
                                                        "rollout list`",
                                                        Quote(name_or_id)))
                  .About(fmt::format("rollout {}", Quote(name_or_id)))
                  .With("field", "rollout")
                  .With("value", Quote(name_or_id)));
}

Result<planner::RolloutCandidate> CandidateOf(const NodeSnapshot& node, const Image& image,
                                              const planner::Policies& policies) {
  ASSIGN_OR_RETURN(const NodeConfig config, planner::PlanConfig(node, image, policies));
  return planner::RolloutCandidate{.node = node.node.id,
                                   .name = node.node.name,
                                   .host = node.node.host_id,
                                   .config = node.node.config_id,
                                   .before = planner::BooksPlan::ChargedBy(node),
                                   .after = config.resources,
                                   .is_well = node.node.node_state == NodeState::kRunning};
}

std::vector<planner::RolloutHost> HostsIn(const store::Snapshot& fleet) {
  std::vector<planner::RolloutHost> hosts;
  for (const auto& [id, host] : fleet.hosts)
    hosts.push_back(
        {.id = id, .name = host.host.name, .free = FreeOf(host.host).value_or(Resources{})});
  return hosts;
}

Time SilentBefore(Control& control) {
  return control.clock().Now() - control.policies().host_silent;
}

Result<RolloutView> ViewOfRollout(Control& control, store::ReadTx& tx, const RolloutId& id,
                                  bool with_judged) {
  ASSIGN_OR_RETURN(auto view, tx.ReadRollout({.id = id,
                                              .now = control.clock().Now(),
                                              .silent_before = SilentBefore(control),
                                              .with_judged = with_judged}));
  if (view) return *std::move(view);
  return Fail(DataLoss("ROW_MISSING", fmt::format("rollout {} is missing", id.ToString())));
}

Status CheckEffect(planner::RolloutEffect effect, const Rollout& rollout) {
  const bool ended = effect == planner::RolloutEffect::kEnded;
  if (!ended && effect != planner::RolloutEffect::kAborting) return {};
  const std::string about = "rollout " + rollout.name;
  if (ended) {
    return Fail(FailedPrecondition("ROLLOUT_ENDED",
                                   fmt::format("rollout {} has ended ({}): make another one",
                                               rollout.name, ToText(rollout.state)))
                    .About(about));
  }
  return Fail(FailedPrecondition("ROLLOUT_ABORTING",
                                 fmt::format("rollout {} is being aborted, which cannot be taken "
                                             "back: make another rollout when it has ended",
                                             rollout.name))
                  .About(about));
}

bool IsOpen(const RolloutNodeFacts& facts) { return facts.command == CommandState::kOpen; }

Status LockInFlight(store::ReadTx& tx, const RolloutView& view, store::LockSet& locks) {
  locks.nodes.clear();
  for (const RolloutNodeFacts& facts : view.released)
    if (planner::IsInFlight(facts)) locks.nodes.push_back(facts.row.node_id);
  locks.with_history = true;
  ASSIGN_OR_RETURN(locks.node_configs, ConfigsAhead(tx, locks.nodes));
  return {};
}

Status WithdrawOpen(NodeWriter& writer, planner::BooksPlan& books, const store::Snapshot& snapshot,
                    const RolloutView& view, std::vector<std::string>& withdrawn,
                    std::vector<std::string>& begun, std::vector<RolloutNode>& rows) {
  for (const RolloutNodeFacts& facts : view.released) {
    if (!planner::IsInFlight(facts)) continue;
    const auto changed = [&] {
      return Fail(Error(Code::kAborted, "ROLLOUT_CHANGED",
                        fmt::format("rollout {} released node {} in the meantime: try again",
                                    view.rollout.name, facts.node)));
    };
    const auto node = snapshot.nodes.find(facts.row.node_id);
    if (node == snapshot.nodes.end()) return changed();
    planner::NodeLifecycle life(node->second, writer.cause().now);
    if (!IsOpen(facts)) {
      begun.push_back(facts.node);
      life.BeginsNoMore(*facts.row.command_id);
      if (life.changed()) RETURN_IF_ERROR(WriteStep(writer, books, node->second, life));
      continue;
    }
    if (!life.TakeBack(*facts.row.command_id, "rollout")) return changed();
    RETURN_IF_ERROR(WriteStep(writer, books, node->second, life));
    withdrawn.push_back(facts.node);
    if (life.StateOf(*facts.row.command_id) != CommandState::kCancelled) continue;
    if (facts.row.state != RolloutNodeState::kReleased) continue;  // it has failed already
    RolloutNode& row = rows.emplace_back(facts.row);
    row.state = RolloutNodeState::kWaiting;
    row.command_id.reset();
    row.released_at.reset();
  }
  return {};
}

Result<planner::BooksPlan> BeginBooksOfLocked(const NodeWriter& writer,
                                              const store::Snapshot& snapshot) {
  std::vector<const NodeSnapshot*> nodes;
  for (const auto& [id, node] : snapshot.nodes) nodes.push_back(&node);
  return writer.BeginBooks(snapshot, nodes);
}

RolloutUpdate Updated(const Rollout& before, Rollout after) {
  after.version = before.version + 1;
  return {.after = std::move(after), .version_before = before.version};
}

Event RolloutEvent(const planner::Cause& cause, EventKind kind, const Rollout& rollout,
                   std::string_view details) {
  Event event = NewEvent(cause, kind,
                         details.empty() ? Detail({{"rollout", rollout.name}})
                                         : Detail({{"rollout", rollout.name}, {"why", details}}));
  event.org_id = rollout.org_id;
  return event;
}

}  // namespace tallyman::control
