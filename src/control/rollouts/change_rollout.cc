// Pause, resume and abort. What no host has begun is withdrawn in the same transaction: after the
// answer to a pause or an abort, no host begins.
#include <fmt/core.h>

#include <algorithm>

#include "control/nodes/node_step.h"
#include "control/read_once.h"
#include "control/rollouts/rollout_rows.h"
#include "control/rollouts/rollouts.h"

namespace tallyman::control {
namespace {

using planner::RolloutEffect;

void Resume(const RolloutView& view, Time now, Rollout& rollout) {
  rollout.state = RolloutState::kRunning;
  rollout.why.clear();
  rollout.progress_at = now;
  // Whoever resumes has seen what has failed so far.
  for (const RolloutCount& count : view.counts)
    if (count.state == RolloutNodeState::kFailed)
      rollout.waves[static_cast<size_t>(count.wave)].accepted_failures = count.count - count.unwell;
}

Result<Decided<ChangedRollout>> DecideChange(const Authorized& by, const RolloutId& id,
                                             planner::RolloutWord word, ChangedRollout answer,
                                             const store::Snapshot& snapshot, store::ReadTx& tx) {
  ASSIGN_OR_RETURN(const RolloutView view, ViewOfRollout(by.control(), tx, id));
  answer.rollout = view.rollout;
  const RolloutEffect effect = planner::EffectOf(word, view.rollout.state);
  RETURN_IF_ERROR(CheckEffect(effect, view.rollout));
  // One that has paused by itself has left open what hosts had not begun.
  const bool is_paused = effect == RolloutEffect::kNothing && word == planner::RolloutWord::kPause;
  if (effect == RolloutEffect::kNothing && !is_paused)
    return Decided<ChangedRollout>{{}, std::move(answer)};

  NodeWriter writer(by);
  ASSIGN_OR_RETURN(planner::BooksPlan books, BeginBooksOfLocked(writer, snapshot));
  Rollout& rollout = answer.rollout;
  EventKind told = EventKind::kRolloutResumed;
  std::vector<RolloutNode> rows;
  if (effect == RolloutEffect::kResume) {
    Resume(view, writer.cause().now, rollout);
  } else {
    RETURN_IF_ERROR(
        WithdrawOpen(writer, books, snapshot, view, answer.withdrawn, answer.begun, rows));
    told = EventKind::kRolloutPaused;
    if (effect == RolloutEffect::kPause) {
      rollout.state = RolloutState::kPaused;
      rollout.why = fmt::format("{}: by {}", planner::kPausedByHand, by.actor().id);
    } else if (effect == RolloutEffect::kAbort) {
      rollout.state = RolloutState::kAborting;
      rollout.why.clear();
      told = EventKind::kRolloutAborted;
    }
  }
  Decided<ChangedRollout> decision{static_cast<Writes&&>(writer.Finish(books)), std::move(answer)};
  decision.answer.changed = !is_paused || !decision.rows.command_updates.empty();
  if (!decision.answer.changed) return decision;
  RolloutUpdate update = Updated(view.rollout, decision.answer.rollout);
  decision.answer.rollout = update.after;
  decision.rows.events.push_back(
      RolloutEvent(writer.cause(), told, update.after, update.after.why));
  decision.rows.rollout_updates = {std::move(update)};
  decision.rows.rollout_node_updates = std::move(rows);
  return decision;
}

}  // namespace

Result<Proposal<ChangedRollout>> ChangeRollout(const Authorized& by,
                                               const ChangeRolloutRequest& request) {
  ChangedRollout answer;
  Proposal<ChangedRollout> proposal{.solo = true};
  RETURN_IF_ERROR(ReadOnce(by.control(), [&](store::ReadTx& tx) -> Status {
    ASSIGN_OR_RETURN(store::RolloutRow row, ResolveRollout(tx, by.actor(), request.rollout));
    answer = {.rollout = std::move(row.rollout), .org = row.org, .image = row.image};
    proposal.locks = {};
    if (request.word == planner::RolloutWord::kResume) return {};
    ASSIGN_OR_RETURN(const RolloutView view, ViewOfRollout(by.control(), tx, answer.rollout.id));
    return LockInFlight(tx, view, proposal.locks);
  }));
  const RolloutId id = answer.rollout.id;
  proposal.rows = std::max<int64_t>(1, std::ssize(proposal.locks.nodes));
  proposal.locks.rollouts = {id};
  proposal.decide = [id, word = request.word, answer = std::move(answer)](
                        const Authorized& as, const store::Snapshot& snapshot, store::ReadTx& tx) {
    return DecideChange(as, id, word, answer, snapshot, tx);
  };
  return proposal;
}

}  // namespace tallyman::control
