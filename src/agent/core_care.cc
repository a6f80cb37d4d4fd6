// The half of the agent that supervises nodes: it keeps them running, repairs what is broken and
// reports incidents.
#include <fmt/core.h>

#include <algorithm>

#include "agent/container_end.h"
#include "agent/core.h"
#include "agent/payload.h"
#include "agent/runtime.h"
#include "agent/told.h"
#include "base/text.h"

namespace tallyman::agent {
namespace {

constexpr size_t kIncidentsMax = 1000;
constexpr std::chrono::seconds kFirstRestartPause(1);
// However often, or seldom, an image asks for its probes.
constexpr std::chrono::milliseconds kProbeIntervalMin = std::chrono::seconds(5);
constexpr std::chrono::milliseconds kProbeIntervalMax = std::chrono::hours(24);
// A node that has stayed up for so long is started at once when it ends again.
constexpr std::chrono::minutes kStable(10);

// The node is readable again, but an operator has to decide what happens to it.
bool IsLeftFailed(const JournalNode& node) {
  return node.failed && node.mending == Mending::kNothing;
}

}  // namespace

// One step; the runtime is called without locks.
void AgentCore::DoCare(const Work& work) {
  const JournalNode& node = *work.node;
  const bool anew = node.mending != Mending::kNothing || node.failed || !node.should_run;
  if (work.step == CareStep::kLook && !anew) return Look(work);
  auto called = TakeCareStep(work);
  std::lock_guard lock(mutex_);
  NodeCare& care = care_[work.node_id];
  JournalChange change;
  if (called && !called->done) {
    care.step = work.step == CareStep::kLook ? CareStep::kPrepare : work.step;
    care.care_at = parts_.clock.SteadyNow() + std::max(called->look_again, kLookAgainMin);
  } else if (called) {
    CareStepDone(work, care, change);
  } else {
    CareStepFailed(work, called.error(), care, change);
  }
  SaveCare(change);
}

void AgentCore::SaveCare(const JournalChange& change) {
  const bool empty = change.put_nodes.empty() && change.erased_nodes.empty() &&
                     change.put_incidents.empty() && change.erased_incidents.empty();
  if (empty) return;
  if (Status saved = SaveLocked(change); !saved) LogNotWritten(saved.error());
}

Result<Progress> AgentCore::TakeCareStep(const Work& work) {
  Runtime& runtime = parts_.runtime;
  if (work.node->mending == Mending::kRemove) return runtime.Remove(work.node_id);
  if (work.step == CareStep::kStop) return runtime.Stop(work.node_id);
  if (work.step == CareStep::kStart) return runtime.Start(work.node_id);
  const bool own_disk = work.node->mending == Mending::kPutBack && !work.on_kept_disk;
  ASSIGN_OR_RETURN(NodeSpec spec, own_disk ? ParsePayload(work.node->payload)
                                           : ParseAsInstalled(work.node->payload));
  return work.step == CareStep::kInstall ? runtime.Install(spec) : runtime.Prepare(spec);
}

void AgentCore::CareStepDone(const Work& work, NodeCare& care, JournalChange& change) {
  const SteadyTime now = parts_.clock.SteadyNow();
  care.care_at = now;
  if (work.node->mending == Mending::kRemove) {
    change.erased_nodes.push_back(work.node_id);
    return;
  }
  switch (work.step) {
    case CareStep::kLook:
    case CareStep::kPrepare:
      care.step = CareStep::kStop;
      return;
    case CareStep::kStop:
      care.step = CareStep::kInstall;
      return;
    case CareStep::kInstall:
      care.broken = false;
      care.step = CareStep::kStart;
      if (!work.node->should_run || IsLeftFailed(*work.node)) Mended(work, care, change);
      return;
    case CareStep::kStart:
      break;
  }
  care.restart_pause = std::clamp<std::chrono::milliseconds>(
      care.restart_pause * 2, kFirstRestartPause, options_.restart_pause_max);
  Mended(work, care, change);
  care.started_at = now;
  care.was_up = true;
  care.care_at = now + care.restart_pause;
  parts_.log.Write(
      {LogLevel::kWarning,
       "node_restarted",
       fmt::format("node {} was not running and was started again", work.node_id.ToString()),
       {{"next_look_ms", std::to_string(care.restart_pause.count())}}});
}

// The node matches the journal again.
void AgentCore::Mended(const Work& work, NodeCare& care, JournalChange& change) {
  JournalNode node = state_.nodes.at(work.node_id);
  if (!IsLeftFailed(node)) node.failed = false;
  const bool gave_back = node.mending == Mending::kPutBack && !work.on_kept_disk;
  if (gave_back && KeptDisk(node.payload) > 0) node.payload = KeepDisk(node.payload, 0);
  node.mending = Mending::kNothing;
  if (care.crashed) ++node.restarts;
  if (node != state_.nodes.at(work.node_id)) change.put_nodes.push_back(std::move(node));
  care.step = CareStep::kLook;
  care.crashed = care.remade = care.on_kept_disk = care.told_not_restarted = false;
  care.failures = 0;
  care.care_at = parts_.clock.SteadyNow() + options_.care_interval;
  status_at_ = std::min(status_at_, parts_.clock.SteadyNow());
}

void AgentCore::CareStepFailed(const Work& work, const Error& error, NodeCare& care,
                               JournalChange& change) {
  const SteadyTime now = parts_.clock.SteadyNow();
  if (error.code == Code::kCanceled) {
    care.care_at = now + options_.care_interval;
    return;
  }
  if (error.reason == kDiskDataDoesNotFit && work.node->mending == Mending::kPutBack &&
      !work.on_kept_disk && KeptDisk(work.node->payload) > 0) {
    care.on_kept_disk = true;
    care.step = CareStep::kPrepare;
    care.care_at = now;
    return;
  }
  // Its files may be gone or broken: recreate them.
  if (work.step == CareStep::kStart && !care.remade && !MayPass(error)) {
    care.remade = true;
    care.step = CareStep::kPrepare;
    care.care_at = now;
    return;
  }
  care.remade = false;
  care.restart_pause = std::clamp<std::chrono::milliseconds>(
      care.restart_pause * 2, kFirstRestartPause, options_.restart_pause_max);
  care.care_at = now + care.restart_pause;
  ++care.failures;
  const std::string message = fmt::format(
      "it cannot be {}: {}", work.node->mending == Mending::kRemove ? "removed" : "started again",
      error.message);
  parts_.log.Write({LogLevel::kWarning,
                    "node_not_restarted",
                    fmt::format("node {}: {}", work.node_id.ToString(), message),
                    {{"failures", std::to_string(care.failures)},
                     {"next_look_ms", std::to_string(care.restart_pause.count())}}});
  if (std::exchange(care.told_not_restarted, true)) return;
  AddIncident(ReportedIncident::kNodeNotRestarted, work.node_id, message, std::nullopt, change);
}

bool AgentCore::IsUnreadable(const NodeId& node_id) {
  auto nodes = parts_.runtime.List();
  return nodes && std::ranges::any_of(*nodes, [&](const ObservedNode& seen) {
           return seen.node_id == node_id && !seen.unreadable.empty();
         });
}

Result<std::optional<HealthReport>> AgentCore::Probe(const Work& work) {
  if (work.probe) return parts_.runtime.CheckHealth(work.node_id);
  ASSIGN_OR_RETURN(HealthReport report, parts_.runtime.CheckRuns(work.node_id));
  return report;
}

void AgentCore::Look(const Work& work) {
  auto found = Probe(work);
  const bool unreadable = !found && !MayPass(found.error()) && IsUnreadable(work.node_id);
  std::lock_guard lock(mutex_);
  NodeCare& care = care_[work.node_id];
  JournalChange change;
  const SteadyTime now = parts_.clock.SteadyNow();
  care.care_at = now + options_.care_interval;
  if (!found) {
    care.health.reset();
    care.health_message = found.error().message;
    care.broken = care.broken || unreadable;
  } else if (!*found) {
    care.care_at = now + options_.execution.health_interval;
  } else if ((*found)->health == NodeHealth::kNotRunning) {
    SeeEnd(**found, care, change, work);
  } else {
    care.was_up = true;
    care.broken = false;
    if (work.probe) SeeHealth(**found, care, change, work);
    care.care_at = std::min(care.care_at, care.probe_at);
    if (now - care.started_at > kStable) care.restart_pause = {};
  }
  if (care.broken) {
    care.step = CareStep::kPrepare;
    care.care_at = now;
  }
  SaveCare(change);
}

void AgentCore::SeeHealth(const HealthReport& report, NodeCare& care, JournalChange& change,
                          const Work& work) {
  const bool said = report.interval.count() > 0;
  care.probe_at = parts_.clock.SteadyNow() +
                  (said ? std::clamp(report.interval, kProbeIntervalMin, kProbeIntervalMax)
                        : options_.care_interval);
  if (report.health == NodeHealth::kHealthy) {
    if (care.health == NodeHealth::kUnhealthy)
      AddIncident(ReportedIncident::kNodeHealthy, work.node_id, "", {}, change);
    care.health = report.health;
    care.unhealthy_probes = 0;
    care.health_message.clear();
    return;
  }
  const bool begins = parts_.clock.SteadyNow() - care.started_at < report.start_period;
  if (begins && care.health != NodeHealth::kUnhealthy) return;
  care.health_message = report.message;
  const int64_t retries = report.retries > 0 ? report.retries : options_.health_retries;
  if (care.health == NodeHealth::kUnhealthy || ++care.unhealthy_probes < retries) return;
  care.health = NodeHealth::kUnhealthy;
  AddIncident(ReportedIncident::kNodeUnhealthy, work.node_id, report.message, {}, change);
}

void AgentCore::SeeEnd(const HealthReport& report, NodeCare& care, JournalChange& change,
                       const Work& work) {
  care.step = CareStep::kStart;
  care.care_at = parts_.clock.SteadyNow();
  care.health.reset();
  care.unhealthy_probes = 0;
  care.health_message.clear();
  care.probe_at = {};
  // After a boot nothing runs, and nothing has crashed.
  if (!std::exchange(care.was_up, false)) return;
  care.crashed = true;
  parts_.log.Write({LogLevel::kWarning,
                    "node_ended",
                    fmt::format("node {} ended unexpectedly: {}", work.node_id.ToString(),
                                report.end ? DescribeEnd(*report.end) : report.message),
                    {}});
  const bool out_of_memory = report.end && report.end->out_of_memory;
  AddIncident(out_of_memory ? ReportedIncident::kNodeOutOfMemory : ReportedIncident::kNodeCrashed,
              work.node_id, report.end ? LastPrinted(*report.end) : report.message, report.end,
              change);
  if (!report.end) return;
  JournalNode node = state_.nodes.at(work.node_id);
  node.last_end = report.end;
  change.put_nodes.push_back(std::move(node));
}

void AgentCore::AddHostProblem(const std::string& message) {
  std::lock_guard lock(mutex_);
  JournalChange change;
  AddIncident(ReportedIncident::kHostProblem, std::nullopt, message, {}, change);
  SaveCare(change);
}

// Those of which nobody was told yet are put together; there are never more than kIncidentsMax.
void AgentCore::AddIncident(ReportedIncident kind, const std::optional<NodeId>& node_id,
                            std::string message, const std::optional<ReportedEnd>& end,
                            JournalChange& change) {
  auto alike = [&](const JournalIncident& other) {
    // Problems of a host are of many kinds, distinguished by their messages.
    return other.kind == kind && other.node_id == node_id &&
           (kind != ReportedIncident::kHostProblem || other.message == message);
  };
  JournalIncident one{.number = state_.next_incident,
                      .kind = kind,
                      .node_id = node_id,
                      .at = parts_.clock.Now(),
                      .message = Told(message),
                      .end = end};
  if (one.end) one.end->output = CleanText(one.end->output, kOutputBytesMax);
  for (const auto& [number, other] : state_.incidents) {
    if (number <= incidents_sent_ || !alike(other)) continue;
    one.number = number;
    one.count = other.count + 1;
  }
  if (one.number == state_.next_incident) change.next_incident = one.number + 1;
  if (change.next_incident && state_.incidents.size() >= kIncidentsMax) {
    // Drops the oldest; its count is added to one of the same kind, if there is one.
    const JournalIncident& oldest = state_.incidents.begin()->second;
    change.erased_incidents.push_back(oldest.number);
    if (alike(oldest)) one.count += oldest.count;
  }
  change.put_incidents.push_back(std::move(one));
}

}  // namespace tallyman::agent
