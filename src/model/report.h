// What hosts report: how commands ended, what is on the machine, what the machine is. Values.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/enum_text.h"
#include "model/ids.h"
#include "model/resources.h"

namespace tallyman {

// In the words of the API.
enum class OutcomeResult {
  kOk,
  kRollback,
  kFailure,
  kBlockingJobRunning,
  kServiceNotReady,
  kNotSupported,
  kNodeNotFound,
  kInternalError,
  kServiceBroken
};
enum class ReportedRun { kNone, kRunning, kStopped, kFailed };
enum class ReportedHealth { kNone, kHealthy, kUnhealthy };

template <>
struct EnumText<OutcomeResult> {
  static constexpr std::array<std::string_view, 9> kWords = {"ok",
                                                             "node_upgrade_rollback",
                                                             "node_upgrade_failure",
                                                             "blocking_job_running",
                                                             "service_not_ready",
                                                             "not_supported",
                                                             "node_not_found",
                                                             "internal_error",
                                                             "service_broken"};
};
template <>
struct EnumText<ReportedRun> {
  static constexpr std::array<std::string_view, 4> kWords = {"none", "running", "stopped",
                                                             "failed"};
};
template <>
struct EnumText<ReportedHealth> {
  static constexpr std::array<std::string_view, 3> kWords = {"none", "healthy", "unhealthy"};
};

// How a command ended on its host.
struct HostOutcome {
  OutcomeResult result = OutcomeResult::kOk;
  std::optional<ConfigId> config_id;  // in place afterwards, running or stopped; empty: nothing
  ReportedRun run_state = ReportedRun::kNone;
  std::chrono::microseconds retry_after{0};
  std::string message;
};

// What of one node is on its host, as the host finds it. The node may be none of ours.
struct NodeReport {
  NodeId node_id;
  std::optional<ConfigId> config_id;  // in place, running or stopped on purpose; empty: nothing
  std::string image_uri;
  std::string container_id;
  ReportedRun run_state = ReportedRun::kNone;
  ReportedHealth health = ReportedHealth::kNone;
  Resources limits;      // in force; 0: not limited
  bool pending = false;  // a command is in the host's journal and not finished
  bool remains = false;  // nothing runs, but something of the node is still there

  friend bool operator==(const NodeReport&, const NodeReport&) = default;
};

// When a host was heard from, and the number of its last report.
struct HostReport {
  HostId host_id;
  int64_t sequence = 0;
  Time heard_at;
  // Of the last status; empty: there was none yet. In a change: as they are. The time is that of
  // the last one that named all nodes: before there was one, nobody knows what is not on the host.
  std::optional<Time> status_at;
  std::optional<Resources> capacity;
  std::optional<std::string> agent_version;

  friend bool operator==(const HostReport&, const HostReport&) = default;
};

// What is on a host. `complete`: of any other node there is nothing.
struct StatusReport {
  HostId host_id;
  std::vector<NodeReport> nodes;  // each once
  bool complete = false;
  Time at;
};

}  // namespace tallyman
