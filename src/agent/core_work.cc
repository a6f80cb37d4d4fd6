// The half of the agent that works on nodes: what may be worked on now, and the commands.
#include <fmt/core.h>

#include <algorithm>

#include "agent/core.h"
#include "agent/payload.h"

namespace tallyman::agent {
namespace {

// The pause after a failure that was not the node's, such as a full disk of the journal.
constexpr std::chrono::seconds kRetryPause(1);
constexpr std::chrono::minutes kTidyRetryPause(5);

// The lane of the next step of a command.
Lane LaneOf(const JournalCommand& command, Overtaken overtaken) {
  if (overtaken == Overtaken::kByDelete || command.kind == CommandKind::kDelete)
    return Lane::kControl;
  switch (command.stage) {
    case Stage::kAccepted:
      return IsTransition(command.kind) ? Lane::kDisk : Lane::kControl;
    case Stage::kPrepare:
    case Stage::kInstall:
    case Stage::kUndoInstall:
      return Lane::kDisk;
    default:
      return Lane::kControl;
  }
}

// What a later command of the same node demands of the one in progress.
Overtaken Overtakes(const JournalCommand& later, const JournalCommand& under_way) {
  if (later.seq <= under_way.seq || later.stage != Stage::kAccepted) return Overtaken::kNo;
  if (later.kind == CommandKind::kDelete) return Overtaken::kByDelete;
  return ChangesConfig(later.kind) ? Overtaken::kByConfig : Overtaken::kNo;
}

// What has begun ends first: an older one that was busy may have been handed out again since.
bool ComesBefore(const JournalCommand& one, const JournalCommand& other) {
  const bool has_begun = one.stage > Stage::kAccepted;
  if (has_begun != (other.stage > Stage::kAccepted)) return has_begun;
  return one.seq < other.seq;
}

}  // namespace

std::map<NodeId, AgentCore::Pending> AgentCore::OldestPending() const {
  std::map<NodeId, Pending> pending;
  for (const auto& [id, command] : state_.commands) {
    if (!command.IsPending()) continue;
    const JournalCommand*& found = pending[command.node_id].oldest;
    if (found == nullptr || ComesBefore(command, *found)) found = &command;
  }
  for (const auto& [id, command] : state_.commands) {
    if (command.stage != Stage::kAccepted) continue;
    Pending& of_node = pending[command.node_id];
    of_node.overtaken = std::max(of_node.overtaken, Overtakes(command, *of_node.oldest));
  }
  return pending;
}

Overtaken AgentCore::OvertakenBy(const JournalCommand& command) const {
  Overtaken overtaken = Overtaken::kNo;
  for (const auto& [id, later] : state_.commands) {
    if (later.node_id == command.node_id)
      overtaken = std::max(overtaken, Overtakes(later, command));
  }
  return overtaken;
}

// The possible work, each with its earliest time.
std::vector<AgentCore::Work> AgentCore::WorkToDo() const {
  std::vector<Work> all;
  static const NodeCare kNone{};
  const auto oldest = OldestPending();
  auto care_of = [&](const NodeId& id) -> const NodeCare& {
    auto found = care_.find(id);
    return found == care_.end() ? kNone : found->second;
  };
  auto add = [&](Work work) {
    const auto lane = static_cast<size_t>(work.lane);
    if (at_work_[lane] >= options_.lane_workers_max) return;
    // An image that is being dropped must not be about to be used.
    if (tidying_ && work.lane == Lane::kDisk) return;
    all.push_back(std::move(work));
  };
  for (const auto& [id, pending] : oldest) {
    const NodeCare& care = care_of(id);
    const auto [command, overtaken] = pending;
    if (command->stage == Stage::kFetched || care.claimed) continue;
    Work work{.lane = LaneOf(*command, overtaken), .org_id = care.org_id, .node_id = id};
    work.at = care.not_before;
    work.overtaken = overtaken;
    work.found = command;
    add(std::move(work));
  }
  for (const auto& [id, node] : state_.nodes) {
    const NodeCare& care = care_of(id);
    if (oldest.contains(id) || care.claimed) continue;
    Work work{.kind = Work::Kind::kCare, .org_id = care.org_id, .node_id = id};
    const bool works = !node.failed && node.should_run;
    if (works || care.broken || node.mending != Mending::kNothing) {
      const bool disk = care.step == CareStep::kPrepare || care.step == CareStep::kInstall;
      work.lane = disk ? Lane::kDisk : Lane::kCare;
      work.at = care.care_at;
      work.step = care.step;
      work.on_kept_disk = care.on_kept_disk;
      add(work);
    }
    // The files of a failed node may help to repair it.
    if (care.leftovers && !node.failed) {
      work.kind = Work::Kind::kLeftovers;
      work.lane = Lane::kDisk;
      work.at = care.tidy_at;
      add(work);
    }
  }
  if (tidy_due_ && !tidying_ && oldest.empty() && at_work_[static_cast<size_t>(Lane::kDisk)] == 0) {
    Work work{.kind = Work::Kind::kImages, .lane = Lane::kDisk};
    work.at = tidy_at_;
    add(std::move(work));
  }
  return all;
}

std::optional<AgentCore::Work> AgentCore::Claim() {
  std::lock_guard lock(mutex_);
  const SteadyTime now = parts_.clock.SteadyNow();
  std::optional<Work> next;
  Turns::Key least{};
  for (Work& work : WorkToDo()) {
    if (work.at > now) continue;
    const Turns::Key key = turns_.KeyOf(work.lane, work.org_id, work.node_id);
    if (next && least <= key) continue;
    least = key;
    next = std::move(work);
  }
  if (!next) return std::nullopt;
  turns_.Serve(next->lane, next->org_id, next->node_id);
  ++at_work_[static_cast<size_t>(next->lane)];
  if (next->kind == Work::Kind::kImages) {
    tidying_ = true;
    return next;
  }
  NodeCare& care = care_[next->node_id];
  care.claimed = true;
  next->progress = care.progress;
  next->probe = now >= care.probe_at;
  if (next->found != nullptr) next->command = *next->found;
  if (auto node = state_.nodes.find(next->node_id); node != state_.nodes.end())
    next->node = node->second;
  return next;
}

std::optional<SteadyTime> AgentCore::NextWorkAt() const {
  std::lock_guard lock(mutex_);
  std::optional<SteadyTime> next;
  for (const Work& work : WorkToDo()) next = next ? std::min(*next, work.at) : work.at;
  return next;
}

bool AgentCore::WorkOnce() {
  std::optional<Work> work = Claim();
  if (!work) return false;
  switch (work->kind) {
    case Work::Kind::kCommand:
      DoCommand(*work);
      break;
    case Work::Kind::kCare:
      DoCare(*work);
      break;
    case Work::Kind::kLeftovers:
      DoLeftovers(*work);
      break;
    case Work::Kind::kImages:
      DoImages();
      break;
  }
  {
    std::lock_guard lock(mutex_);
    --at_work_[static_cast<size_t>(work->lane)];
    auto care = care_.find(work->node_id);
    if (care != care_.end()) care->second.claimed = false;
    if (care != care_.end() && !Knows(work->node_id)) {
      care_.erase(care);
      turns_.Forget(work->node_id);
    }
  }
  Notify();
  return true;
}

bool AgentCore::Knows(const NodeId& node_id) const {
  return state_.nodes.contains(node_id) ||
         std::ranges::any_of(state_.commands, [&](const auto& entry) {
           return entry.second.node_id == node_id && entry.second.IsPending();
         });
}

void AgentCore::LogNotWritten(const Error& error) const {
  parts_.log.Write({LogLevel::kError, "journal_not_written", error.message, error.facts});
}

void AgentCore::DoCommand(Work& work) {
  // The leftovers of a create are not a node: treat it as unknown.
  const bool known = work.node && work.node->mending != Mending::kRemove;
  NextStep next = execution_.TakeStep(work.command, known ? &*work.node : nullptr, work.overtaken,
                                      work.progress);
  const bool done =
      !next.change.put_commands.empty() && next.change.put_commands.front().stage == Stage::kDone;
  std::lock_guard lock(mutex_);
  NodeCare& care = care_[work.node_id];
  care.progress = work.progress;
  const SteadyTime now = parts_.clock.SteadyNow();
  // Do not delay a command that arrived in the meantime and may overtake this one.
  if (OvertakenBy(work.command) == work.overtaken) care.not_before = now + next.wait;
  if (next.change.put_commands.empty()) return;
  Status saved = SaveLocked(next.change);
  if (!saved) {
    // The step is taken again: every step is idempotent.
    care.not_before = now + kRetryPause;
    LogNotWritten(saved.error());
    return;
  }
  if (!done) return;
  tidy_due_ = true;
  NodeCare fresh;
  fresh.claimed = true;
  fresh.org_id = care.org_id;
  fresh.started_at = now;
  fresh.care_at = now + options_.care_interval;
  care = std::move(fresh);
  LogOutcome(next.change.put_commands.front());
}

void AgentCore::LogOutcome(const JournalCommand& command) const {
  const CommandOutcome& outcome = command.outcome;
  LogLevel level = LogLevel::kWarning;
  if (outcome.result == CommandResult::kOk) level = LogLevel::kInfo;
  if (outcome.result == CommandResult::kFailure || outcome.result == CommandResult::kInternalError)
    level = LogLevel::kError;
  parts_.log.Write(
      {level,
       "command_done",
       fmt::format("{} of node {}: {}{}{}", ToText(command.kind), command.node_id.ToString(),
                   ToText(outcome.result), outcome.message.empty() ? "" : ": ", outcome.message),
       {{"command_id", command.id.ToString()}, {"attempt", std::to_string(command.attempt)}}});
}

void AgentCore::DoLeftovers(const Work& work) {
  auto dropped = parts_.runtime.DropLeftovers(work.node_id);
  if (!dropped) parts_.log.Write({LogLevel::kWarning, "not_tidied", dropped.error().message, {}});
  std::lock_guard lock(mutex_);
  NodeCare& care = care_[work.node_id];
  const SteadyTime now = parts_.clock.SteadyNow();
  care.leftovers = !dropped || !dropped->done;
  if (!dropped) {
    care.tidy_at = now + kTidyRetryPause;
  } else {
    care.tidy_at = now + std::max(dropped->look_again, kLookAgainMin);
  }
}

void AgentCore::DoImages() {
  std::set<ImageId> kept;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [id, node] : state_.nodes)
      if (auto spec = ParsePayload(node.payload)) kept.insert(spec->image_id);
    for (const auto& [id, command] : state_.commands)
      if (auto spec = ParsePayload(command.payload)) kept.insert(spec->image_id);
  }
  auto dropped = parts_.runtime.DropImagesExcept(kept);
  if (!dropped) parts_.log.Write({LogLevel::kWarning, "not_tidied", dropped.error().message, {}});
  std::lock_guard lock(mutex_);
  tidying_ = false;
  tidy_due_ = !dropped || !dropped->done;
  const SteadyTime now = parts_.clock.SteadyNow();
  if (!dropped) {
    tidy_at_ = now + kTidyRetryPause;
  } else {
    tidy_at_ = now + std::max(dropped->look_again, kLookAgainMin);
  }
}

}  // namespace tallyman::agent
