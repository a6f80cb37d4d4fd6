// The half of the agent that works on nodes.
#include <fmt/format.h>

#include <algorithm>

#include "agent/core.h"
#include "agent/payload.h"

namespace tallyman {
namespace {

// After a failure that was not the node's (the journal's disk is full, say).
constexpr std::chrono::seconds kRetryPause(1);
constexpr std::chrono::seconds kFirstRestartPause(1);
// A node that has stayed up for so long is started at once when it ends again.
constexpr std::chrono::minutes kStable(10);

}  // namespace

std::map<NodeId, const JournalCommand*> AgentCore::OldestPending() const {
  std::map<NodeId, const JournalCommand*> oldest;
  for (const auto& [id, command] : state_.commands) {
    if (!command.IsPending()) continue;
    const JournalCommand*& found = oldest[command.node_id];
    if (found == nullptr || command.seq < found->seq) found = &command;
  }
  return oldest;
}

std::optional<AgentCore::Work> AgentCore::Claim() {
  std::lock_guard lock(mutex_);
  if (tidying_) return std::nullopt;
  const Time now = parts_.clock.Now();
  auto oldest = OldestPending();
  for (const auto& [id, command] : oldest) {
    NodeCare& care = care_[id];
    if (command->stage == Stage::kFetched || care.claimed || care.not_before > now) continue;
    care.claimed = true;
    auto node = state_.nodes.find(id);
    return Work{.kind = Work::Kind::kCommand,
                .node_id = id,
                .command = *command,
                .node = node == state_.nodes.end() ? std::nullopt : std::optional(node->second),
                .progress = care.progress};
  }
  for (const auto& [id, node] : state_.nodes) {
    NodeCare& care = care_[id];
    if (!node.should_run || node.failed || oldest.contains(id) || care.claimed ||
        care.care_at > now)
      continue;
    care.claimed = true;
    return Work{
        .kind = Work::Kind::kCare, .node_id = id, .command = {}, .node = node, .progress = {}};
  }
  // Images are dropped only while nobody is about to use one.
  bool busy = !oldest.empty() ||
              std::ranges::any_of(care_, [](const auto& entry) { return entry.second.claimed; });
  if (!tidy_due_ || busy) return std::nullopt;
  tidying_ = true;
  return Work{.kind = Work::Kind::kTidy, .node_id = {}, .command = {}, .node = {}, .progress = {}};
}

std::optional<Time> AgentCore::NextWorkAt() const {
  std::lock_guard lock(mutex_);
  std::optional<Time> next;
  auto consider = [&](Time at) { next = next ? std::min(*next, at) : at; };
  auto oldest = OldestPending();
  auto care_of = [&](const NodeId& id) {
    auto found = care_.find(id);
    return found == care_.end() ? NodeCare() : found->second;
  };
  for (const auto& [id, command] : oldest) {
    NodeCare care = care_of(id);
    if (command->stage != Stage::kFetched && !care.claimed) consider(care.not_before);
  }
  for (const auto& [id, node] : state_.nodes) {
    NodeCare care = care_of(id);
    if (node.should_run && !node.failed && !oldest.contains(id) && !care.claimed)
      consider(care.care_at);
  }
  if (tidy_due_ && !tidying_ && oldest.empty()) consider(parts_.clock.Now());
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
    case Work::Kind::kTidy:
      DoTidy();
      break;
  }
  Notify();
  return true;
}

void AgentCore::DoCommand(Work& work) {
  NextStep next =
      execution_.TakeStep(work.command, work.node ? &*work.node : nullptr, work.progress);
  const bool done =
      !next.change.put_commands.empty() && next.change.put_commands.front().stage == Stage::kDone;
  std::lock_guard lock(mutex_);
  NodeCare& care = care_[work.node_id];
  care.claimed = false;
  care.progress = work.progress;
  const Time now = parts_.clock.Now();
  care.not_before = now + next.wait;
  if (next.change.put_commands.empty()) return;
  Status saved = SaveLocked(next.change);
  if (!saved) {
    // The step is taken again: each can be taken twice.
    care.not_before = now + kRetryPause;
    parts_.log.Write(
        {LogLevel::kError, "journal_not_written", saved.error().message, saved.error().facts});
    return;
  }
  if (!done) return;
  tidy_due_ = true;
  care.progress = {};
  care.health.reset();
  care.started_at = now;
  care.restart_pause = {};
  care.care_at = now + options_.care_interval;
  LogOutcome(next.change.put_commands.front());
  if (!state_.nodes.contains(work.node_id)) care_.erase(work.node_id);
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

// Starts what should run. When even what it was made from is gone, that is made again.
Status AgentCore::StartAgain(const JournalNode& node) {
  Status started = parts_.runtime.Start(node.node_id);
  if (started || started.error().reason != "FILE_MISSING") return started;
  ASSIGN_OR_RETURN(NodeSpec spec, ParsePayload(node.payload));
  RETURN_IF_ERROR(parts_.runtime.Prepare(spec));
  RETURN_IF_ERROR(parts_.runtime.Stop(node.node_id));
  RETURN_IF_ERROR(parts_.runtime.Install(spec));
  return parts_.runtime.Start(node.node_id);
}

void AgentCore::DoCare(const Work& work) {
  auto health = parts_.runtime.CheckHealth(work.node_id);
  const bool start = health && *health == NodeHealth::kNotRunning;
  Status started;
  if (start) started = StartAgain(*work.node);
  std::lock_guard lock(mutex_);
  const Time now = parts_.clock.Now();
  NodeCare& care = care_[work.node_id];
  care.claimed = false;
  care.health = health ? std::optional(*health) : std::nullopt;
  care.care_at = now + options_.care_interval;
  if (!start) {
    if (now - care.started_at > kStable) care.restart_pause = {};
    return;
  }
  care.restart_pause = std::clamp<std::chrono::milliseconds>(
      care.restart_pause * 2, kFirstRestartPause, options_.restart_pause_max);
  care.started_at = now;
  care.care_at = now + care.restart_pause;
  status_at_ = std::min(status_at_, now);
  parts_.log.Write(
      {LogLevel::kWarning,
       "node_restarted",
       fmt::format("node {} had ended by itself and was started again{}{}", work.node_id.ToString(),
                   started ? "" : ", which failed: ", started ? "" : started.error().message),
       {{"next_look_ms", std::to_string(care.restart_pause.count())}}});
}

void AgentCore::DoTidy() {
  std::set<ImageId> kept;
  std::vector<NodeId> nodes;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [id, node] : state_.nodes) {
      if (auto spec = ParsePayload(node.payload)) kept.insert(spec->image_id);
      // What a node that failed was made from may be of use to whoever mends it.
      if (!node.failed) nodes.push_back(id);
    }
    for (const auto& [id, command] : state_.commands)
      if (auto spec = ParsePayload(command.payload)) kept.insert(spec->image_id);
  }
  Status tidied = parts_.runtime.DropImagesExcept(kept);
  for (const NodeId& id : nodes) {
    Status dropped = parts_.runtime.DropLeftovers(id);
    if (tidied) tidied = dropped;
  }
  if (!tidied) parts_.log.Write({LogLevel::kWarning, "not_tidied", tidied.error().message, {}});
  std::lock_guard lock(mutex_);
  tidying_ = false;
  tidy_due_ = false;
}

}  // namespace tallyman
