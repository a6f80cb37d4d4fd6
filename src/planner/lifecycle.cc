#include "planner/lifecycle.h"

#include <algorithm>
#include <cassert>
#include <ranges>

#include "planner/books_plan.h"
#include "planner/hold.h"

namespace tallyman::planner {
namespace {

using enum CommandEffect;

constexpr size_t kWords = EnumText<CommandWord>::kWords.size();
constexpr size_t kStates = EnumText<CommandState>::kWords.size();
// clang-format off: one row a word
constexpr CommandEffect kEffects[kWords][kStates] = {
    //                   open       taken     settled   reverted  failed    unknown   superseded cancelled
    /* ack           */ {kTake,     kNothing, kRefused, kRefused, kRefused, kNothing, kRefused,  kRefused},
    /* ok            */ {kNotTaken, kSettle,  kRefused, kRefused, kRefused, kSettle,  kRefused,  kRefused},
    /* rollback      */ {kNotTaken, kRevert,  kRefused, kRefused, kRefused, kRevert,  kRefused,  kRefused},
    /* failure       */ {kNotTaken, kFail,    kRefused, kRefused, kRefused, kFail,    kRefused,  kRefused},
    /* busy          */ {kNotTaken, kReopen,  kRefused, kRefused, kRefused, kReopen,  kRefused,  kRefused},
    /* never started */ {kNotTaken, kRevert,  kRefused, kRefused, kRefused, kRevert,  kRefused,  kRefused},
    /* gone          */ {kNotTaken, kAbsent,  kRefused, kRefused, kRefused, kAbsent,  kRefused,  kRefused},
    /* lost sight    */ {kNotTaken, kLose,    kRefused, kRefused, kRefused, kLose,    kRefused,  kRefused},
    /* deadline      */ {kNothing,  kLose,    kNothing, kNothing, kNothing, kNothing, kNothing,  kNothing},
    /* late          */ {kPassBy,   kNothing, kNothing, kNothing, kNothing, kNothing, kNothing,  kNothing},
    /* at rest       */ {kNothing,  kNothing, kNothing, kNothing, kNothing, kResolve, kNothing,  kNothing},
    /* withdraw      */ {kCancel,   kTooLate, kRefused, kRefused, kRefused, kTooLate, kRefused,  kRefused},
};
// clang-format on

bool HasEndedWell(CommandState state) {
  return state == CommandState::kSettled || state == CommandState::kReverted;
}

bool IsWithdrawn(CommandState state) {
  return state == CommandState::kSuperseded || state == CommandState::kCancelled;
}

// What a node is waiting for while such a command is open.
std::optional<NextState> NextOf(CommandKind kind) {
  switch (kind) {
    case CommandKind::kUpgrade:
      return NextState::kUpgrading;
    case CommandKind::kStart:
      return NextState::kStarting;
    case CommandKind::kStop:
      return NextState::kStopping;
    case CommandKind::kRestart:
      return NextState::kRestarting;
    case CommandKind::kDelete:
      return NextState::kDeleting;
    case CommandKind::kCreate:
    case CommandKind::kUpdate:
      break;
  }
  return std::nullopt;
}

}  // namespace

CommandEffect EffectOf(CommandWord word, CommandState state) {
  return kEffects[static_cast<size_t>(word)][static_cast<size_t>(state)];
}

CommandWord WordOf(OutcomeResult result) {
  switch (result) {
    case OutcomeResult::kOk:
      return CommandWord::kOk;
    case OutcomeResult::kRollback:
      return CommandWord::kRollback;
    case OutcomeResult::kFailure:
      return CommandWord::kFailure;
    case OutcomeResult::kBlockingJobRunning:
    case OutcomeResult::kServiceNotReady:
      return CommandWord::kBusy;
    case OutcomeResult::kNotSupported:
      return CommandWord::kNeverStarted;
    case OutcomeResult::kNodeNotFound:
      return CommandWord::kGone;
    case OutcomeResult::kInternalError:
    case OutcomeResult::kServiceBroken:
      break;
  }
  return CommandWord::kLostSight;
}

NodeLifecycle::NodeLifecycle(const NodeSnapshot& before, Time now)
    : before_(before),
      now_(now),
      node_(before.node),
      charged_(before.node.IsLive() ? BooksPlan::ChargedBy(before) : Resources{}),
      running_(before.running),
      released_(!before.node.IsLive()) {
  for (const Transition& command : before.transitions) entries_.push_back({.command = command});
}

NodeLifecycle::Entry* NodeLifecycle::Find(const CommandId& id) {
  auto found = std::ranges::find(entries_, id, [](const Entry& entry) { return entry.command.id; });
  return found == entries_.end() ? nullptr : &*found;
}

std::optional<CommandState> NodeLifecycle::StateOf(const CommandId& id) const {
  for (const Entry& entry : entries_)
    if (entry.command.id == id) return entry.command.state;
  return std::nullopt;
}

std::optional<KnownConfig> NodeLifecycle::Known(const ConfigId& id) const {
  if (id == before_.node.config_id)
    return KnownConfig{.resources = BooksPlan::ChargedBy(before_), .image = before_.image};
  auto found = before_.configs.find(id);
  if (found == before_.configs.end()) return std::nullopt;
  return found->second;
}

// REQUIRES: the config is known, or none.
void NodeLifecycle::Run(const std::optional<ConfigId>& config) {
  assert(!config || Known(*config));
  node_.running_config_id = config;
  running_.reset();
  if (!config) return;
  if (auto known = Known(*config)) running_ = known->resources;
}

std::string_view NodeLifecycle::Ack(const CommandId& id, int64_t attempt) {
  Entry* entry = Find(id);
  if (entry == nullptr) return kCommandEnded;
  const CommandEffect effect = EffectOf(CommandWord::kAck, entry->command.state);
  if (effect == kRefused) return kCommandEnded;
  if (attempt != entry->command.attempt) return kAttemptOutdated;
  if (effect != kTake) return {};
  if (IsLate(entry->command)) return kCommandLate;
  Take(*entry);
  return {};
}

std::string_view NodeLifecycle::Outcome(const CommandId& id, int64_t attempt,
                                        const HostOutcome& outcome) {
  Entry* entry = Find(id);
  if (entry == nullptr) return kCommandEnded;
  Said said{.word = WordOf(outcome.result),
            .config_id = outcome.config_id,
            .run_state = outcome.run_state,
            .remains = !outcome.config_id && outcome.run_state != ReportedRun::kNone,
            .result = std::string(ToText(outcome.result)),
            .message = outcome.message,
            .retry_after = outcome.retry_after};
  // An outcome naming an unknown config tells us nothing about what is running.
  if (outcome.config_id && !Known(*outcome.config_id)) {
    said.word = CommandWord::kLostSight;
    said.message = "the host names a config that the node never had; " + said.message;
  }
  const CommandEffect effect = EffectOf(said.word, entry->command.state);
  if (effect == kRefused) return kCommandEnded;
  if (attempt != entry->command.attempt) return kAttemptOutdated;
  switch (effect) {
    case kNotTaken:
      return kCommandNotTaken;
    case kSettle:
      Settle(*entry, said);
      break;
    case kRevert:
      Revert(*entry, said);
      break;
    case kAbsent:
      if (entry->command.kind == CommandKind::kDelete) {
        said.config_id.reset();
        Settle(*entry, said);
      } else {
        Revert(*entry, said);
      }
      break;
    case kFail:
      Fail(*entry, said);
      break;
    case kReopen:
      Reopen(*entry, said);
      break;
    case kLose:
      Lose(*entry, said);
      break;
    case kNothing:
    case kRefused:
    case kTake:
    case kResolve:
    case kCancel:
    case kTooLate:
    case kPassBy:
      break;
  }
  return {};
}

std::string_view NodeLifecycle::Status(const NodeReport& report) {
  // A node with a pending command shows no final state, and a released one no longer matters.
  if (report.pending || released_) return {};
  if (report.config_id && !Known(*report.config_id)) return kUnknownConfig;
  const Said said{.word = CommandWord::kAtRest,
                  .config_id = report.config_id,
                  .run_state = report.run_state,
                  .remains = !report.config_id && report.remains,
                  .message = report.remains ? "a part of it is still there" : ""};
  for (Entry& entry : entries_) {
    const bool may_fail = !report.config_id && EffectOf(said.word, entry.command.state) == kResolve;
    if (may_fail) StartFromWhatRuns(entry);
  }
  Run(report.config_id);
  for (Entry& entry : entries_) {
    if (released_) break;
    if (EffectOf(said.word, entry.command.state) != kResolve) continue;
    if (entry.command.kind == CommandKind::kDelete && said.remains) {
      EndDelete(entry, CommandState::kFailed, said);
    } else {
      Resolve(entry, said);
    }
  }
  ReleaseWhereNothingIs(report);
  MoveToWhatRuns();
  Follow(said);
  return {};
}

void NodeLifecycle::Expire(const CommandId& id) {
  Entry* entry = Find(id);
  if (entry == nullptr) return;
  if (EffectOf(CommandWord::kDeadline, entry->command.state) != kLose) return;
  Lose(*entry, {.word = CommandWord::kDeadline,
                .result = "deadline",
                .message = "the host did not report its outcome before the deadline"});
}

bool NodeLifecycle::IsLate(const Transition& command) const {
  return command.not_after && *command.not_after < now_;
}

void NodeLifecycle::PassBy(const CommandId& id) {
  const Entry* entry = Find(id);
  if (entry != nullptr && IsLate(entry->command)) TakeBack(id, "late");
}

bool NodeLifecycle::TakeBack(const CommandId& id, std::string_view why) {
  Entry* entry = Find(id);
  if (entry == nullptr || EffectOf(CommandWord::kLate, entry->command.state) != kPassBy)
    return false;
  const std::string_view refused = Withdraw(id, why);
  if (refused != kNothingToGoBackTo) return refused.empty();
  End(*entry, CommandState::kFailed,
      {.word = CommandWord::kLate,
       .result = std::string(why),
       .message = "its host had not begun it, and nothing of the node runs"});
  ShowFailed();
  return true;
}

void NodeLifecycle::BeginsNoMore(const CommandId& id) {
  Entry* entry = Find(id);
  if (entry == nullptr || entry->command.state != CommandState::kTaken) return;
  if (IsLate(entry->command)) return;
  entry->command.not_after = now_ - std::chrono::microseconds(1);
  entry->touched = true;
}

std::string_view NodeLifecycle::Withdraw(const CommandId& id, std::string_view why) {
  Entry* entry = Find(id);
  if (entry == nullptr) return kCommandEnded;
  const CommandEffect effect = EffectOf(CommandWord::kWithdraw, entry->command.state);
  if (effect == kRefused) return kCommandEnded;
  if (effect == kTooLate) return kCommandTaken;
  const CommandKind kind = entry->command.kind;
  if (kind == CommandKind::kCreate || kind == CommandKind::kDelete) return kNotCancellable;
  const std::optional<ConfigId> target =
      ChangesConfig(kind) ? TargetWithout(*entry) : node_.config_id;
  if (!target) return kNothingToGoBackTo;
  const std::optional<KnownConfig> known = Known(*target);
  if (!known) return kUnknownConfig;
  End(*entry, CommandState::kCancelled, {});
  events_.push_back({EventKind::kCommandCancelled, id, std::string(why), {}, kind});
  if (node_.next_state == NextOf(kind)) {
    node_.next_state.reset();
    // What the node waits for now.
    for (const Entry& other : entries_) {
      if (other.command.state == CommandState::kOpen && NextOf(other.command.kind))
        node_.next_state = NextOf(other.command.kind);
    }
  }
  if (*target != node_.config_id) MoveTo(*target, *known);
  LastCommandDecides();
  return {};
}

std::optional<ConfigId> NodeLifecycle::TargetWithout(const Entry& entry) const {
  for (const Entry& other : std::views::reverse(entries_)) {
    if (&other == &entry || !ChangesConfig(other.command.kind)) continue;
    if (IsPending(other.command.state)) return other.command.to_config_id;
  }
  return node_.running_config_id;
}

void NodeLifecycle::Take(Entry& entry) {
  Transition& command = entry.command;
  command.state = CommandState::kTaken;
  command.taken_at = now_;
  entry.touched = true;
  switch (command.kind) {
    case CommandKind::kCreate:
      node_.node_state = NodeState::kStarting;
      break;
    case CommandKind::kUpgrade:
    case CommandKind::kUpdate:
      node_.node_state = NodeState::kUpgrading;
      break;
    case CommandKind::kDelete:
      // Until the delete has ended, the node counts as being deleted, whatever its state is.
      node_.node_state = NodeState::kDeleting;
      return;
    case CommandKind::kStart:
    case CommandKind::kStop:
    case CommandKind::kRestart:
      break;
  }
  const bool another_waits = std::ranges::any_of(entries_, [&](const Entry& other) {
    return other.command.kind == command.kind && other.command.state == CommandState::kOpen &&
           other.command.seq > command.seq;
  });
  if (node_.next_state == NextOf(command.kind) && !another_waits) node_.next_state.reset();
}

void NodeLifecycle::Settle(Entry& entry, const Said& said) {
  EndOlder(entry, said);
  if (!LaterHasEnded(entry)) Run(said.config_id);
  End(entry, CommandState::kSettled, said);
  if (entry.command.kind == CommandKind::kDelete) return Release(true);
  MoveToWhatRuns();
  Follow(said);
}

void NodeLifecycle::Revert(Entry& entry, const Said& said) {
  EndOlder(entry, said);
  const Transition& command = entry.command;
  if (command.kind == CommandKind::kDelete) return EndDelete(entry, CommandState::kReverted, said);
  if (command.kind == CommandKind::kCreate && !said.config_id && !said.remains) {
    End(entry, CommandState::kReverted, said);
    Run({});
    return EndUnmade();
  }
  // A rollback left nothing running, or a failed create left something on the host. Where a newer
  // command waits, what ran before may still come back, unless the host itself has said "rollback".
  const bool counts = IsNewest(entry) || said.word == CommandWord::kAtRest;
  const bool fails = command.kind == CommandKind::kCreate ||
                     (ChangesConfig(command.kind) && counts && !said.config_id);
  if (fails) StartFromWhatRuns(entry);
  if (!LaterHasEnded(entry)) Run(said.config_id);
  if (fails) {
    End(entry, CommandState::kFailed, said);
    ShowFailed();
    return;
  }
  End(entry, CommandState::kReverted, said);
  MoveToWhatRuns();
  Follow(said);
}

// A host may later return to what ran before the failed command. That is not always the config the
// command was to replace, which may never have run.
void NodeLifecycle::StartFromWhatRuns(Entry& entry) {
  if (!node_.running_config_id || !running_ || !IsTransition(entry.command.kind)) return;
  entry.command.from_config_id = node_.running_config_id;
  entry.command.from = *running_;
}

void NodeLifecycle::Fail(Entry& entry, const Said& said) {
  const Transition& command = entry.command;
  if (command.kind == CommandKind::kDelete) return EndDelete(entry, CommandState::kFailed, said);
  EndOlder(entry, said);
  StartFromWhatRuns(entry);
  if (!LaterHasEnded(entry)) Run(said.config_id);
  End(entry, CommandState::kFailed, said);
  // What it has left behind may still be there: a status says when it is gone.
  const bool left_nothing = !said.config_id && !said.remains;
  if (command.kind == CommandKind::kCreate && left_nothing) return EndUnmade();
  if (!IsTransition(command.kind)) return Follow(said);
  ShowFailed();
}

// A node whose create failed has nothing that works. The last request wins: if the node is being
// deleted, that continues, and the node is charged until its host reports that nothing is left.
void NodeLifecycle::EndUnmade() {
  const bool delete_waits = std::ranges::any_of(entries_, [](const Entry& entry) {
    return entry.command.kind == CommandKind::kDelete && IsPending(entry.command.state);
  });
  if (!delete_waits) return Release(false);
  ShowFailed();
}

// A node that is being deleted is shown as such until the delete has ended.
void NodeLifecycle::ShowFailed() {
  if (node_.node_state != NodeState::kDeleting) node_.node_state = NodeState::kFailed;
}

void NodeLifecycle::EndDelete(Entry& entry, CommandState state, const Said& said) {
  if (state == CommandState::kFailed) StartFromWhatRuns(entry);
  if (!LaterHasEnded(entry)) Run(said.config_id);
  End(entry, state, said);
  if (node_.next_state == NextState::kDeleting) node_.next_state.reset();
  MoveToWhatRuns();
  if (state == CommandState::kFailed) {
    node_.node_state = NodeState::kFailed;
    return;
  }
  // A failure from before the delete still counts.
  const Entry* newest = NewestThatCounts();
  const bool failed = newest != nullptr && newest->command.state == CommandState::kFailed;
  if (node_.node_state == NodeState::kDeleting)
    node_.node_state = failed ? NodeState::kFailed : NodeState::kRunning;
  Follow(said);
}

void NodeLifecycle::Reopen(Entry& entry, const Said& said) {
  const CommandKind kind = entry.command.kind;
  // It has not begun: where nothing is in place, what an earlier one has stopped may come back.
  if (said.config_id && !LaterHasEnded(entry)) Run(said.config_id);
  const bool newer_waits = std::ranges::any_of(entries_, [&](const Entry& other) {
    return other.command.seq > entry.command.seq && other.command.kind == kind &&
           IsPending(other.command.state);
  });
  const bool overtaken = ChangesConfig(kind) ? !IsNewest(entry) : newer_waits;
  // Also one that has failed since: the node is what it has left.
  const bool delete_followed = std::ranges::any_of(entries_, [&](const Entry& other) {
    return other.command.kind == CommandKind::kDelete && other.command.seq > entry.command.seq;
  });
  if (overtaken) {
    End(entry, CommandState::kSuperseded, said);
  } else if (delete_followed) {
    End(entry, CommandState::kCancelled, said);
  } else {
    entry.command.state = CommandState::kOpen;
    entry.command.attempt += 1;
    entry.not_before = now_ + said.retry_after;
    entry.outcome = said.result + (said.message.empty() ? "" : ": " + said.message);
    entry.touched = true;
    if (!node_.next_state) node_.next_state = NextOf(kind);
  }
  MoveToWhatRuns();
  Follow(said);
}

void NodeLifecycle::Lose(Entry& entry, const Said& said) {
  // The host cannot say how it ended, but what is in place.
  if (said.config_id && Known(*said.config_id) && !LaterHasEnded(entry)) Run(said.config_id);
  entry.command.state = CommandState::kUnknown;
  entry.outcome = said.result + (said.message.empty() ? "" : ": " + said.message);
  entry.touched = true;
  // The outcome of the delete is unknown, too.
  if (entry.command.kind == CommandKind::kDelete) node_.node_state = NodeState::kFailed;
  ShowFailed();
}

void NodeLifecycle::Resolve(Entry& entry, const Said& said) {
  bool is_done = true;
  if (entry.command.kind == CommandKind::kDelete) is_done = !said.config_id;
  if (ChangesConfig(entry.command.kind))
    is_done = said.config_id && entry.command.to_config_id == said.config_id;
  is_done ? Settle(entry, said) : Revert(entry, said);
}

// Hosts carry out a node's commands in order, so the earlier ones have ended too.
void NodeLifecycle::EndOlder(const Entry& entry, const Said& said) {
  if (said.word == CommandWord::kAtRest) return;  // their outcomes are still on the way
  for (Entry& older : entries_) {
    if (older.command.seq >= entry.command.seq) break;
    const CommandState state = older.command.state;
    if (state != CommandState::kTaken && state != CommandState::kUnknown) continue;
    // A reopened command may have begun after this one.
    if (older.command.attempt > 1 && older.command.taken_at >= entry.command.taken_at) continue;
    bool is_done = older.command.to_config_id == said.config_id;
    if (older.command.kind == CommandKind::kDelete) is_done = false;
    if (older.command.kind == CommandKind::kCreate) is_done = said.word != CommandWord::kGone;
    if (!IsTransition(older.command.kind)) is_done = true;
    Said of_older = said;
    of_older.message = "the host has finished a later command of the node";
    const bool fails = !is_done && !said.config_id && older.command.kind != CommandKind::kCreate &&
                       ChangesConfig(older.command.kind);
    if (fails) StartFromWhatRuns(older);
    CommandState state_after = is_done ? CommandState::kSettled : CommandState::kReverted;
    if (fails) state_after = CommandState::kFailed;
    End(older, state_after, of_older);
    if (fails) ShowFailed();
  }
}

void NodeLifecycle::End(Entry& entry, CommandState state, const Said& said) {
  Transition& command = entry.command;
  command.state = state;
  entry.touched = true;
  if (state != CommandState::kSettled && !said.result.empty())
    entry.outcome = said.result + (said.message.empty() ? "" : ": " + said.message);
  if (state == CommandState::kFailed || state == CommandState::kReverted) {
    if (ChangesConfig(command.kind) && IsNewest(entry) && node_.next_state == NextState::kUpgrading)
      node_.next_state.reset();
  }
  auto add = [&](EventKind kind) {
    events_.push_back({kind, command.id, said.result, said.message, command.kind});
  };
  const bool well = state == CommandState::kSettled;
  const bool badly = state == CommandState::kReverted || state == CommandState::kFailed;
  if (command.kind == CommandKind::kUpgrade && well) add(EventKind::kUpgradeSucceeded);
  if (command.kind == CommandKind::kUpgrade && badly) add(EventKind::kUpgradeFailed);
  if (command.kind != CommandKind::kUpgrade && badly) add(EventKind::kCommandFailed);
  if ((command.kind == CommandKind::kCreate || command.kind == CommandKind::kUpdate) && well)
    add(EventKind::kNodeRunning);
}

// Nothing of the node can run any more: release what it was charged, once. A node whose create
// failed stays visible until it is deleted.
void NodeLifecycle::Release(bool deleted) {
  released_ = true;
  charged_ = {};
  Run({});
  node_.released_at = now_;
  node_.next_state.reset();
  node_.node_state = deleted ? NodeState::kDeleted : NodeState::kFailed;
  if (deleted) {
    node_.deleted_at = now_;
    events_.push_back({EventKind::kNodeDeleted, {}, {}, {}, {}});
  }
  for (Entry& entry : entries_) {
    if (!IsPending(entry.command.state)) continue;
    entry.command.state = CommandState::kCancelled;
    entry.touched = true;
  }
}

// The host has nothing, and nothing pending, of a node that is being deleted or was never created.
void NodeLifecycle::ReleaseWhereNothingIs(const NodeReport& report) {
  if (released_ || report.config_id || report.remains) return;
  if (IsDeleting()) {
    for (Entry& entry : entries_) {
      if (entry.command.kind == CommandKind::kDelete && IsPending(entry.command.state))
        End(entry, CommandState::kSettled, {});
    }
    return Release(true);
  }
  const bool waits = std::ranges::any_of(
      entries_, [](const Entry& entry) { return IsPending(entry.command.state); });
  const Entry* newest = NewestThatCounts();
  if (!waits && newest != nullptr && newest->command.kind == CommandKind::kCreate &&
      newest->command.state == CommandState::kFailed)
    Release(false);
}

// The last transition has ended, and the running config is not the one the node is charged for. A
// failed node waits for an operator.
void NodeLifecycle::MoveToWhatRuns() {
  if (released_ || !node_.running_config_id || *node_.running_config_id == node_.config_id) return;
  for (const Entry& entry : entries_)
    if (ChangesConfig(entry.command.kind) && IsPending(entry.command.state)) return;
  const Entry* newest = NewestThatCounts();
  if (newest != nullptr && newest->command.state == CommandState::kFailed) return;
  auto known = Known(*node_.running_config_id);
  if (known) MoveTo(*node_.running_config_id, *known);
}

void NodeLifecycle::MoveTo(const ConfigId& id, const KnownConfig& config) {
  const Image& image = *config.image;
  node_.config_id = id;
  node_.image_id = image.id;
  node_.protocol_id = image.protocol.id;
  node_.protocol_version_id = image.version.id;
  node_.semantic_version = image.version.semantic_version;
  node_.resources = config.resources;
  charged_ = config.resources;
}

// Whether a command says more of the node than what its host tells: it is in progress, in doubt, or
// the last that has ended, and failed. The last two show the node as failed.
bool NodeLifecycle::LastCommandDecides() {
  const Entry* newest = nullptr;  // of those that have ended
  bool in_doubt = false;
  for (const Entry& entry : entries_) {
    const CommandState state = entry.command.state;
    // A pending create says more than the absence of the node.
    const bool waits = entry.command.kind == CommandKind::kCreate && state == CommandState::kOpen;
    if (waits || state == CommandState::kTaken) return true;
    if (state == CommandState::kUnknown) in_doubt = true;
    if (!IsTransition(entry.command.kind) || IsWithdrawn(state) || IsPending(state)) continue;
    if (entry.command.kind == CommandKind::kDelete && state == CommandState::kReverted) continue;
    newest = &entry;
  }
  const bool failed = newest != nullptr && newest->command.state == CommandState::kFailed &&
                      newest->command.seq > before_.ended_seq;
  if (in_doubt || failed) ShowFailed();
  return in_doubt || failed;
}

void NodeLifecycle::Follow(const Said& said) {
  if (released_ || LastCommandDecides()) return;
  if (!said.config_id || said.run_state == ReportedRun::kFailed) {
    node_.node_state = NodeState::kFailed;
  } else {
    node_.node_state =
        said.run_state == ReportedRun::kStopped ? NodeState::kStopped : NodeState::kRunning;
  }
}

bool NodeLifecycle::IsNewest(const Entry& entry) const {
  if (before_.ended_seq > entry.command.seq) return false;
  return std::ranges::none_of(entries_, [&](const Entry& other) {
    return other.command.seq > entry.command.seq && ChangesConfig(other.command.kind) &&
           !IsWithdrawn(other.command.state);
  });
}

bool NodeLifecycle::LaterHasEnded(const Entry& entry) const {
  if (before_.ended_seq > entry.command.seq) return true;
  return std::ranges::any_of(entries_, [&](const Entry& other) {
    return other.command.seq > entry.command.seq && ChangesConfig(other.command.kind) &&
           (HasEndedWell(other.command.state) || other.command.state == CommandState::kFailed);
  });
}

const NodeLifecycle::Entry* NodeLifecycle::NewestThatCounts() const {
  for (const Entry& entry : std::views::reverse(entries_)) {
    if (!ChangesConfig(entry.command.kind) || IsWithdrawn(entry.command.state)) continue;
    return entry.command.seq > before_.ended_seq ? &entry : nullptr;
  }
  return nullptr;
}

bool NodeLifecycle::IsDeleting() const {
  return node_.IsBeingDeleted() || std::ranges::any_of(entries_, [](const Entry& entry) {
           return entry.command.kind == CommandKind::kDelete && IsPending(entry.command.state);
         });
}

// The transitions that a hold is computed from: a failed one counts until a later one has
// succeeded.
std::vector<Transition> NodeLifecycle::Counting() const {
  std::vector<Transition> counting;
  int64_t ended_seq = before_.ended_seq;
  for (const Entry& entry : entries_) {
    if (ChangesConfig(entry.command.kind) && HasEndedWell(entry.command.state))
      ended_seq = std::max(ended_seq, entry.command.seq);
  }
  for (const Entry& entry : entries_) {
    const Transition& command = entry.command;
    if (IsPending(command.state) ||
        (command.state == CommandState::kFailed && command.seq > ended_seq))
      counting.push_back(command);
  }
  return counting;
}

Resources NodeLifecycle::held() const {
  return released_ ? Resources{} : HoldFor(charged_, running_, Counting());
}

bool NodeLifecycle::changed() const {
  return node_ != before_.node ||
         std::ranges::any_of(entries_, [](const Entry& entry) { return entry.touched; });
}

std::vector<CommandUpdate> NodeLifecycle::updates() const {
  std::vector<CommandUpdate> updates;
  for (const Entry& entry : entries_) {
    if (!entry.touched) continue;
    CommandUpdate& update = updates.emplace_back();
    update.id = entry.command.id;
    update.state = entry.command.state;
    if (!IsPending(update.state)) update.ended_at = now_;
    update.attempt = entry.command.attempt;
    update.taken_at = entry.command.taken_at;
    update.not_before = entry.not_before;
    update.not_after = entry.command.not_after;
    update.outcome = entry.outcome;
    update.from_config_id = entry.command.from_config_id;
  }
  return updates;
}

}  // namespace tallyman::planner
