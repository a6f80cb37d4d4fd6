#include "tests/simulation/host_rules.h"

#include <fmt/core.h>

#include <algorithm>

#include "agent/payload.h"

namespace tallyman {
namespace {

using namespace tallyman::agent;

bool Contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

bool StartsNode(CommandKind kind) {
  return kind == CommandKind::kStart || kind == CommandKind::kRestart;
}

// As the agent that comes back will have it.
JournalCommand Resumed(JournalCommand command) {
  command.stage = Execution::ResumeAt(command.stage);
  return command;
}

}  // namespace

void HostRules::Break(std::string rule) {
  if (broken_.empty()) broken_ = std::move(rule);
}

void HostRules::See(const JournalState& memory, SteadyTime now) {
  auto nodes = machine_.List();
  const std::map<NodeId, ObservedNode> before = std::move(seen_);
  seen_.clear();
  for (ObservedNode& node : *nodes) seen_[node.node_id] = std::move(node);
  for (const auto& [id, command] : memory.commands) {
    SeeStage(command, now);
    if (command.stage == Stage::kDone && !outcomes_.contains({id, command.attempt}))
      SeeOutcome(command);
    if (Contains(command.failure, "stop it first"))
      Break("something is installed while the node runs: " + command.failure);
  }
  for (const auto& [number, incident] : memory.incidents) incidents_[number] = incident;
  SeeData();
  SeeNodes(memory);
  for (const auto& [id, node] : seen_) {
    auto was = before.find(id);
    if (was == before.end() || std::ranges::any_of(memory.commands, [&](const auto& entry) {
          return entry.second.node_id == id;
        }))
      continue;
    const bool readable = node.unreadable.empty();
    if (readable && !was->second.unreadable.empty()) coverage_.Saw(Situation::kUnreadableMadeAgain);
    if (readable && was->second.unreadable.empty() && node.config_id && !was->second.config_id)
      coverage_.Saw(Situation::kContainerMadeAgain);
  }
  last_ = memory;
}

const JournalCommand* HostRules::Before(const JournalCommand& command) const {
  auto found = last_.commands.find(command.id);
  return found == last_.commands.end() || found->second.attempt != command.attempt ? nullptr
                                                                                   : &found->second;
}

// Time that a step needs goes by, on the steady clock.
void HostRules::SeeStage(const JournalCommand& command, SteadyTime now) {
  Since& since = since_[{command.id, command.attempt}];
  if (since.stage == command.stage) return;
  const auto waited = now - since.at;
  const bool awaited = since.stage == Stage::kAwait || since.stage == Stage::kUndoAwait;
  if (awaited && command.stage == Stage::kDone && command.outcome.run_state == RunState::kRunning &&
      command.outcome.result != CommandResult::kFailure && waited < options_.settle_time)
    Break("a node counts as healthy before it has stayed so");
  const std::string& why =
      command.stage == Stage::kDone ? command.outcome.message : command.failure;
  if (awaited && Contains(why, "did not become healthy") && command.stage != Stage::kDone &&
      waited < options_.health_deadline)
    Break("a node is given up before it had its time to become healthy");
  since = {command.stage, now};
}

void HostRules::CountOutcome(const JournalCommand& command) {
  const CommandOutcome& outcome = command.outcome;
  const bool ok = outcome.result == CommandResult::kOk;
  auto saw = [&](bool it, Situation situation) {
    if (it) coverage_.Saw(situation);
  };
  saw(ok, Situation::kSettled);
  saw(outcome.result == CommandResult::kRollback, Situation::kRolledBack);
  saw(outcome.result == CommandResult::kFailure, Situation::kFailed);
  saw(outcome.result == CommandResult::kBlockingJobRunning, Situation::kBusy);
  saw(command.attempt > 1, Situation::kLaterAttempt);
  saw(command.undo_incomplete, Situation::kUndoneInPart);
  saw(Contains(command.failure, "did not become healthy"), Situation::kNotHealthyInTime);
  saw(Contains(command.failure + outcome.message, "tried again for"), Situation::kTriedInVain);
  saw(Contains(outcome.message, "will be deleted"), Situation::kGivenUpForDelete);
  saw(Contains(outcome.message, "another config"), Situation::kGivenUpForConfig);
  saw(ok && ChangesConfig(command.kind) && outcome.run_state == RunState::kStopped,
      Situation::kUpgradedWhileStopped);
  saw(ok && command.kind == CommandKind::kStop, Situation::kStopped);
  saw(ok && StartsNode(command.kind), Situation::kStarted);
  saw(ok && command.kind == CommandKind::kDelete, Situation::kDeleted);
}

void HostRules::SeeOutcome(const JournalCommand& command) {
  outcomes_[{command.id, command.attempt}] = command.outcome;
  CountOutcome(command);
  CheckInPlace(command);
  if (StartsNode(command.kind) || command.kind == CommandKind::kDelete)
    stopped_.erase(command.node_id);
  if (command.kind == CommandKind::kStop && command.outcome.result == CommandResult::kOk)
    stopped_.insert(command.node_id);
}

// An outcome says what is there.
void HostRules::CheckInPlace(const JournalCommand& command) {
  const CommandOutcome& outcome = command.outcome;
  if (outcome.result == CommandResult::kInternalError) return;
  auto wrong = [&](std::string_view what) {
    Break(fmt::format("{} of node {} ended {}, and {}", ToText(command.kind),
                      command.node_id.ToString(), ToText(outcome.result), what));
  };
  const bool ok = outcome.result == CommandResult::kOk;
  auto found = seen_.find(command.node_id);
  if (found == seen_.end()) {
    if (outcome.config_id) wrong("there is nothing of it");
    return;
  }
  const ObservedNode& node = found->second;
  if (ok && command.kind == CommandKind::kDelete) return wrong("something of it is left");
  if (command.kind == CommandKind::kCreate && outcome.result == CommandResult::kRollback)
    return wrong("something of it is left");
  if (ok && ChangesConfig(command.kind)) {
    auto spec = ParsePayload(command.payload);
    if (!spec || outcome.config_id != spec->config_id) wrong("it names another config");
  }
  if (outcome.config_id && node.config_id && node.config_id != outcome.config_id)
    wrong("another config is in place than it names");
  // What it was before that it only knows may have crashed since.
  const JournalCommand* before = Before(command);
  const bool looked = ok || (before != nullptr && before->stage == Stage::kUndoAwait);
  if (looked && outcome.run_state == RunState::kRunning && !node.running) wrong("it does not run");
  if (looked && outcome.run_state == RunState::kStopped && node.running) wrong("it runs");
}

// A disk goes with a delete, or with a node that has never worked.
bool HostRules::MayLoseData(const NodeId& node) const {
  auto known = last_.nodes.find(node);
  if (known == last_.nodes.end() || known->second.mending == Mending::kRemove) return true;
  return std::ranges::any_of(last_.commands, [&](const auto& entry) {
    return entry.second.node_id == node && entry.second.kind == CommandKind::kDelete;
  });
}

void HostRules::SeeData() {
  std::map<NodeId, SimulatedData> now = machine_.Data();
  for (const auto& [id, before] : data_) {
    auto found = now.find(id);
    const bool kept = found != now.end() && found->second.disk == before.disk;
    if (!kept && !MayLoseData(id)) Break("the disk of node " + id.ToString() + " is gone");
    if (kept && found->second.written < before.synced)
      Break("node " + id.ToString() + " has lost what it had synced");
    if (kept && found->second.written < before.written)
      coverage_.Saw(Situation::kPowerCutWithDataLost);
  }
  data_ = std::move(now);
}

void HostRules::SeeNodes(const JournalState& memory) {
  for (const NodeId& id : stopped_) {
    auto found = seen_.find(id);
    if (found == seen_.end() || !found->second.running) continue;
    const bool starting = std::ranges::any_of(memory.commands, [&](const auto& entry) {
      return entry.second.node_id == id && StartsNode(entry.second.kind);
    });
    if (!starting) Break("node " + id.ToString() + " was stopped, and runs");
  }
  for (const auto& [id, node] : memory.nodes) {
    auto before = last_.nodes.find(id);
    if (before != last_.nodes.end() && before->second.mending == Mending::kPutBack &&
        node.mending == Mending::kNothing && node.payload == before->second.payload)
      coverage_.Saw(Situation::kMended);
  }
}

void HostRules::CompareWithJournal(const JournalState& memory, const JournalState& written) {
  if (memory.nodes != written.nodes) Break("what nodes are to be is not in the journal");
  if (memory.incidents != written.incidents || memory.next_incident != written.next_incident)
    Break("what happened is not in the journal");
  if (memory.next_sequence < written.next_sequence) Break("the number of a report is forgotten");
  const bool same =
      std::ranges::equal(memory.commands, written.commands, [](const auto& one, const auto& other) {
        return Resumed(one.second) == Resumed(other.second);
      });
  if (!same) Break("how far a command is, is not in the journal");
}

}  // namespace tallyman
