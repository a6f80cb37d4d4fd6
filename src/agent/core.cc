#include "agent/core.h"

#include <algorithm>

namespace tallyman {

AgentCore::AgentCore(const Parts& parts, AgentOptions options)
    : parts_(parts),
      options_(std::move(options)),
      execution_(parts.runtime, parts.clock, options_.execution) {}

Status AgentCore::Load() {
  ASSIGN_OR_RETURN(JournalState state, parts_.journal.Load());
  std::lock_guard lock(mutex_);
  state_ = std::move(state);
  for (auto& [id, command] : state_.commands) command.stage = Execution::ResumeAt(command.stage);
  return {};
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
  return std::ranges::any_of(state_.commands, [](const auto& entry) {
    return entry.second.stage == Stage::kFetched || entry.second.stage == Stage::kDone;
  });
}

std::optional<Time> AgentCore::NextFetchAt() const {
  std::lock_guard lock(mutex_);
  return fetch_at_;
}

}  // namespace tallyman
