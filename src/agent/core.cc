#include "agent/core.h"

#include <algorithm>

#include "agent/payload.h"

namespace tallyman::agent {

AgentCore::AgentCore(const Parts& parts, AgentOptions options)
    : parts_(parts),
      options_(std::move(options)),
      execution_(parts.runtime, parts.clock, options_.execution) {}

Status AgentCore::Load() {
  ASSIGN_OR_RETURN(JournalState state, parts_.journal.Load());
  std::lock_guard lock(mutex_);
  state_ = std::move(state);
  for (auto& [id, command] : state_.commands) command.stage = Execution::ResumeAt(command.stage);
  for (const auto& [id, command] : state_.commands) NoteOrg(command.node_id, command.payload);
  for (const auto& [id, node] : state_.nodes) NoteOrg(id, node.payload);
  // Whether they were sent before is unknown, so they must not change any more.
  incidents_sent_ = state_.next_incident - 1;
  return {};
}

void AgentCore::NoteOrg(const NodeId& node_id, const std::string& payload) {
  if (auto spec = ParsePayload(payload)) care_[node_id].org_id = spec->org_id;
}

JournalState AgentCore::Remembered() const {
  std::lock_guard lock(mutex_);
  return state_;
}

Status AgentCore::SaveLocked(const JournalChange& change) {
  RETURN_IF_ERROR(parts_.journal.Save(change));
  Apply(change, state_);
  return {};
}

bool AgentCore::HasNews() const {
  std::lock_guard lock(mutex_);
  if (!state_.incidents.empty() && state_.incidents.rbegin()->first > incidents_told_) return true;
  return std::ranges::any_of(state_.commands, [](const auto& entry) {
    return entry.second.stage == Stage::kFetched || entry.second.stage == Stage::kDone;
  });
}

std::optional<SteadyTime> AgentCore::NextFetchAt() const {
  std::lock_guard lock(mutex_);
  return fetch_at_;
}

}  // namespace tallyman::agent
