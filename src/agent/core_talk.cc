// The half of the agent that talks to the control plane.
#include <algorithm>
#include <vector>

#include "agent/container_end.h"
#include "agent/core.h"
#include "agent/told.h"
#include "base/text.h"
#include "tallyman/v1/agent.pb.h"

namespace tallyman::agent {
namespace {

constexpr int kRoundsMax = 50;
constexpr int kEntriesMax = 1000;
constexpr size_t kCommandsMax = 10'000;
// Used until the control plane has said that it accepts incidents.
constexpr int kIncidentsTried = 10;
constexpr std::chrono::seconds kStatusPause(1);

std::optional<CommandKind> KindOf(v1::CommandKind kind) {
  switch (kind) {
    case v1::COMMAND_KIND_CREATE:
      return CommandKind::kCreate;
    case v1::COMMAND_KIND_UPGRADE:
      return CommandKind::kUpgrade;
    case v1::COMMAND_KIND_UPDATE:
      return CommandKind::kUpdate;
    case v1::COMMAND_KIND_DELETE:
      return CommandKind::kDelete;
    case v1::COMMAND_KIND_START:
      return CommandKind::kStart;
    case v1::COMMAND_KIND_STOP:
      return CommandKind::kStop;
    case v1::COMMAND_KIND_RESTART:
      return CommandKind::kRestart;
    default:
      return std::nullopt;
  }
}

// The words of the API, in its order.
v1::IncidentKind KindOf(ReportedIncident kind) {
  static_assert(
      static_cast<int>(ReportedIncident::kNodeCrashed) + 1 == v1::INCIDENT_KIND_NODE_CRASHED &&
      static_cast<int>(ReportedIncident::kHostProblem) + 1 == v1::INCIDENT_KIND_HOST_PROBLEM);
  return static_cast<v1::IncidentKind>(static_cast<int>(kind) + 1);
}

v1::OutcomeResult ResultOf(CommandResult result) {
  switch (result) {
    case CommandResult::kOk:
      return v1::OUTCOME_RESULT_OK;
    case CommandResult::kRollback:
      return v1::OUTCOME_RESULT_NODE_UPGRADE_ROLLBACK;
    case CommandResult::kFailure:
      return v1::OUTCOME_RESULT_NODE_UPGRADE_FAILURE;
    case CommandResult::kBlockingJobRunning:
      return v1::OUTCOME_RESULT_BLOCKING_JOB_RUNNING;
    case CommandResult::kNotSupported:
      return v1::OUTCOME_RESULT_NOT_SUPPORTED;
    case CommandResult::kNodeNotFound:
      return v1::OUTCOME_RESULT_NODE_NOT_FOUND;
    case CommandResult::kInternalError:
      break;
  }
  return v1::OUTCOME_RESULT_INTERNAL_ERROR;
}

v1::RunState StateOf(RunState state) {
  switch (state) {
    case RunState::kRunning:
      return v1::RUN_STATE_RUNNING;
    case RunState::kStopped:
      return v1::RUN_STATE_STOPPED;
    case RunState::kFailed:
      return v1::RUN_STATE_FAILED;
    case RunState::kNone:
      break;
  }
  return v1::RUN_STATE_UNSPECIFIED;
}

void FillOutcome(const JournalCommand& command, v1::Outcome& to) {
  const CommandOutcome& outcome = command.outcome;
  to.set_command_id(command.id.ToString());
  to.set_attempt(command.attempt);
  to.set_result(ResultOf(outcome.result));
  if (outcome.config_id) to.set_running_config_id(outcome.config_id->ToString());
  to.set_run_state(StateOf(outcome.run_state));
  if (outcome.result == CommandResult::kBlockingJobRunning)
    to.mutable_retry_after()->set_seconds(outcome.retry_after_seconds);
  // One stored by the last release may be cut within a character.
  to.set_message(Told(outcome.message));
}

}  // namespace

Status AgentCore::Talk() {
  for (int round = 0; round < kRoundsMax; ++round) {
    ASSIGN_OR_RETURN(bool fetched, Fetch());
    ASSIGN_OR_RETURN(bool said, Report());
    if (!fetched && !said) return {};
  }
  return {};
}

void AgentCore::Accept(const v1::HandedCommand& handed, JournalChange& change) const {
  auto id = CommandId::Parse(handed.command_id());
  auto node_id = NodeId::Parse(handed.node_id());
  auto kind = KindOf(handed.kind());
  if (!id || !node_id || !kind) {
    parts_.log.Write(
        {LogLevel::kError,
         "command_unreadable",
         "this agent does not know the form of a command and leaves it alone",
         {{"command_id", Quote(handed.command_id())}, {"kind", std::to_string(handed.kind())}}});
    return;
  }
  JournalCommand command{.id = *id,
                         .node_id = *node_id,
                         .seq = handed.seq(),
                         .attempt = handed.attempt(),
                         .kind = *kind,
                         .payload = handed.payload()};
  auto known = state_.commands.find(*id);
  if (known != state_.commands.end()) {
    // Handed out again after a retry hint: the outcome of the previous attempt no longer matters.
    // Any other command is one that we have already.
    const JournalCommand& before = known->second;
    bool hinted =
        before.stage == Stage::kDone && before.outcome.result == CommandResult::kBlockingJobRunning;
    bool anew = before.stage == Stage::kFetched || hinted;
    if (!anew || handed.attempt() <= before.attempt) return;
  }
  change.put_commands.push_back(std::move(command));
}

Result<bool> AgentCore::Fetch() {
  {
    std::lock_guard lock(mutex_);
    if (state_.commands.size() >= kCommandsMax) return false;
  }
  v1::FetchCommandsRequest request;
  request.set_max_commands(fetch_max_);
  v1::FetchCommandsResponse response;
  RETURN_IF_ERROR(parts_.client.Call("tallyman.v1.AgentService/FetchCommands", request, response));
  std::lock_guard lock(mutex_);
  fetch_at_.reset();
  if (response.has_retry_after()) {
    fetch_at_ = parts_.clock.SteadyNow() + std::chrono::seconds(response.retry_after().seconds()) +
                std::chrono::microseconds(response.retry_after().nanos() / 1000 + 1);
  }
  state_.next_sequence = std::max(state_.next_sequence, response.next_sequence());
  JournalChange change;
  for (const v1::HandedCommand& handed : response.commands()) Accept(handed, change);
  if (change.put_commands.empty()) return false;
  if (Status saved = SaveLocked(change); !saved) {
    // A smaller batch may fit.
    fetch_max_ = std::max(1, fetch_max_ / 2);
    return Fail(saved.error());
  }
  fetch_max_ = std::min(kEntriesMax, fetch_max_ * 2);
  for (const JournalCommand& command : change.put_commands)
    NoteOrg(command.node_id, command.payload);
  return true;
}

Result<bool> AgentCore::FillReport(v1::ReportRequest& request) {
  const SteadyTime now = parts_.clock.SteadyNow();
  std::vector<const JournalCommand*> done;
  std::lock_guard lock(mutex_);
  for (const auto& [id, command] : state_.commands) {
    if (command.stage == Stage::kFetched && request.acks_size() < kEntriesMax) {
      request.add_acks()->set_command_id(id.ToString());
      request.mutable_acks(request.acks_size() - 1)->set_attempt(command.attempt);
    }
    if (command.stage == Stage::kDone) done.push_back(&command);
  }
  // In the order of each node's commands. They are executed in order, so a later one is never done
  // before an earlier one.
  std::ranges::sort(done, {}, [](const JournalCommand* command) {
    return std::pair(command->node_id, command->seq);
  });
  for (const JournalCommand* command : done) {
    if (request.outcomes_size() == kEntriesMax) break;
    FillOutcome(*command, *request.add_outcomes());
  }
  FillIncidents(request);
  return now >= status_at_;
}

void AgentCore::FillIncidents(v1::ReportRequest& request) {
  const int most = incidents_taken_ ? kEntriesMax : kIncidentsTried;
  for (const auto& [number, one] : state_.incidents) {
    if (request.incidents_size() == most) break;
    v1::Incident& to = *request.add_incidents();
    to.set_number(number);
    to.set_kind(KindOf(one.kind));
    if (one.node_id) to.set_node_id(one.node_id->ToString());
    const int64_t micros = one.at.time_since_epoch().count();
    to.mutable_at()->set_seconds(micros / 1'000'000);
    to.mutable_at()->set_nanos(static_cast<int32_t>(micros % 1'000'000 * 1000));
    to.set_count(one.count);
    to.set_message(Told(one.message));
    if (one.end) FillEnd(*one.end, *to.mutable_end());
    incidents_sent_ = std::max(incidents_sent_, number);
  }
}

Result<bool> AgentCore::Report() {
  v1::ReportRequest request;
  ASSIGN_OR_RETURN(bool with_status, FillReport(request));
  bool has_news = request.acks_size() > 0 || request.outcomes_size() > 0;
  if (request.incidents_size() > 0) {
    std::lock_guard lock(mutex_);
    has_news |= state_.incidents.rbegin()->first > incidents_told_;
  }
  if (!has_news && !with_status) return false;
  if (with_status) {
    Status filled = FillStatus(*request.mutable_status());
    if (!filled) {
      // Report the rest all the same.
      parts_.log.Write(
          {LogLevel::kError, "status_not_seen", filled.error().message, filled.error().facts});
      request.clear_status();
    }
  }
  {
    std::lock_guard lock(mutex_);
    request.set_sequence(state_.next_sequence);
    JournalChange change;
    change.next_sequence = state_.next_sequence + 1;
    RETURN_IF_ERROR(SaveLocked(change));
  }
  v1::ReportResponse response;
  RETURN_IF_ERROR(parts_.client.Call("tallyman.v1.AgentService/Report", request, response));
  RETURN_IF_ERROR(TakeAnswer(request, response));
  if (response.ignored()) return true;
  std::lock_guard lock(mutex_);
  const SteadyTime now = parts_.clock.SteadyNow();
  if (with_status) {
    status_sent_ = now;
    status_at_ = now + options_.status_interval;
  }
  // After an outcome the next status follows soon, but several outcomes share one status.
  if (request.outcomes_size() > 0) status_at_ = std::min(status_at_, status_sent_ + kStatusPause);
  return has_news;
}

// Processed incidents are not reported again. A control plane that does not accept incidents gets a
// few, now and then.
void AgentCore::TakeIncidentsAnswer(const v1::ReportRequest& request,
                                    const v1::ReportResponse& response, JournalChange& change) {
  if (response.ignored() || request.incidents_size() == 0) return;
  const int64_t processed = response.incidents_processed();
  incidents_taken_ = processed > 0;
  incidents_told_ = request.incidents(request.incidents_size() - 1).number();
  if (!incidents_taken_) incidents_told_ = state_.next_incident - 1;
  // A new journal continues from the control plane's number.
  if (processed >= state_.next_incident) {
    change.next_incident = processed + 1;
    for (const auto& [number, one] : state_.incidents) {
      change.erased_incidents.push_back(number);
      change.put_incidents.push_back(one);
      change.put_incidents.back().number = (*change.next_incident)++;
    }
    incidents_sent_ = processed;
    incidents_told_ = processed;
    return;
  }
  for (const auto& [number, one] : state_.incidents) {
    if (number > processed) break;
    change.erased_incidents.push_back(number);
  }
}

Status AgentCore::TakeAnswer(const v1::ReportRequest& request, const v1::ReportResponse& response) {
  JournalChange change;
  bool accepted = false;
  {
    std::lock_guard lock(mutex_);
    state_.next_sequence = std::max(state_.next_sequence, response.next_sequence());
    for (const v1::AckAnswer& answer : response.acks()) {
      auto id = CommandId::Parse(answer.command_id());
      auto found = id ? state_.commands.find(*id) : state_.commands.end();
      if (found == state_.commands.end() || found->second.stage != Stage::kFetched ||
          found->second.attempt != answer.attempt())
        continue;
      if (!answer.accepted()) {
        change.erased_commands.push_back(*id);
        continue;
      }
      accepted = true;
      change.put_commands.push_back(found->second);
      change.put_commands.back().stage = Stage::kAccepted;
    }
    for (const v1::OutcomeAnswer& answer : response.outcomes()) {
      auto id = CommandId::Parse(answer.command_id());
      auto found = id ? state_.commands.find(*id) : state_.commands.end();
      if (found != state_.commands.end() && found->second.stage == Stage::kDone &&
          found->second.attempt == answer.attempt())
        change.erased_commands.push_back(*id);
    }
    TakeIncidentsAnswer(request, response, change);
    if (!change.put_commands.empty() || !change.erased_commands.empty() ||
        !change.erased_incidents.empty())
      RETURN_IF_ERROR(SaveLocked(change));
    // Work that may overtake the command in progress is due now.
    for (const JournalCommand& command : change.put_commands)
      care_[command.node_id].not_before = {};
  }
  for (const v1::Warning& warning : response.warnings())
    parts_.log.Write({LogLevel::kWarning, "report_warning", warning.message(), {}});
  if (accepted) Notify();
  return {};
}

}  // namespace tallyman::agent
