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

// The words are the API's.
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
enum class ReportedIncident {
  kNodeCrashed,
  kNodeOutOfMemory,
  kNodeNotRestarted,
  kNodeUnhealthy,
  kNodeHealthy,
  kNodeDiskError,
  kHostProblem
};

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
// Each is also the word of the event that reports it.
template <>
struct EnumText<ReportedIncident> {
  static constexpr std::array<std::string_view, 7> kWords = {
      "node_crashed", "node_out_of_memory", "node_not_restarted", "node_unhealthy",
      "node_healthy", "node_disk_error",    "host_problem"};
};

// How a command ended on its host.
struct HostOutcome {
  OutcomeResult result = OutcomeResult::kOk;
  std::optional<ConfigId> config_id;  // in place afterwards, running or stopped; empty: nothing
  ReportedRun run_state = ReportedRun::kNone;
  std::chrono::microseconds retry_after{0};
  std::string message;
};

// How a container ended.
struct ReportedEnd {
  int64_t exit_code = 0;
  int64_t signal = 0;  // 0: not terminated by a signal
  bool out_of_memory = false;
  Time at;             // by the host's clock
  std::string output;  // the last lines of its output

  friend bool operator==(const ReportedEnd&, const ReportedEnd&) = default;
};

// What is on a host of one node, as the host observes it. The node may be unknown to us.
struct NodeReport {
  NodeId node_id;
  std::optional<ConfigId> config_id;  // in place, running or stopped on purpose; empty: nothing
  std::string image_uri;
  std::string container_id;
  ReportedRun run_state = ReportedRun::kNone;
  ReportedHealth health = ReportedHealth::kNone;
  Resources limits;      // in force; 0: not limited
  bool pending = false;  // a command is in the host's journal and not finished
  bool remains = false;  // nothing runs, but a part of the node is still there
  int64_t restarts = 0;  // restarts by the host itself, since the config last changed
  std::optional<ReportedEnd> last_end = {};
  std::string health_message = {};
  std::string problem = {};       // "": none
  std::string image_digest = {};  // "": not known
  int64_t disk_used_bytes = 0;    // 0: not known

  friend bool operator==(const NodeReport&, const NodeReport&) = default;
};

// Something that happened to a node or a host between commands, or several alike.
struct Incident {
  int64_t number = 0;  // rises between two joins of the host
  ReportedIncident kind = ReportedIncident::kNodeCrashed;
  std::optional<NodeId> node_id;  // empty: the host itself
  std::optional<Time> at;         // by the host's clock
  int64_t count = 1;
  std::string message;
  std::optional<ReportedEnd> end;
};

// Counts to add to those of a node.
struct NodeIncidents {
  NodeId node_id;
  ReportedIncident kind = ReportedIncident::kNodeCrashed;
  int64_t count = 1;
};

// A node as its host last reported it.
struct ReportedNode {
  NodeReport report;
  Time changed_at;  // since when the host has reported this
  int64_t crashes = 0;
  int64_t out_of_memory = 0;  // not among the crashes
};

// The short form, for lists.
struct NodeCondition {
  ReportedRun run_state = ReportedRun::kNone;
  ReportedHealth health = ReportedHealth::kNone;
  std::string problem;
  int64_t restarts = 0;
};

// Over all live nodes, and all hosts.
struct ReportedTotals {
  int64_t unhealthy_nodes = 0;
  int64_t nodes_with_problems = 0;
  int64_t restarts = 0;
  int64_t hosts_with_problems = 0;
};

// When a host was heard from, and the number of its last report.
struct HostReport {
  HostId host_id;
  int64_t sequence = 0;
  Time heard_at;
  // From the last status; empty: there was none yet, or in a change: unchanged. The time is that of
  // the last complete status, which names all nodes: before the first, it is unknown what is
  // missing on the host.
  std::optional<Time> status_at;
  std::optional<Resources> capacity;
  std::optional<std::string> agent_version;
  std::optional<Resources> reserved = {};
  std::optional<bool> thin_disks = {};
  std::optional<std::string> problem = {};  // "": none
  // Incidents up to this number were processed since the host last joined; in a change too.
  int64_t incident_number = 0;
  // Nodes that the last status named and that are not on this host; empty as above.
  std::optional<int64_t> unknown_nodes = {};

  friend bool operator==(const HostReport&, const HostReport&) = default;
};

// What is on a host. `complete`: the host has nothing of any other node.
struct StatusReport {
  HostId host_id;
  std::vector<NodeReport> nodes;  // each once
  bool complete = false;
  Time at;
  // What earlier ones said of nodes that are not on this host is forgotten, as a complete one
  // forgets all that it does not name.
  bool forgets_unknown = false;
};

}  // namespace tallyman
