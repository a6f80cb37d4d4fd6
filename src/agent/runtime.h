// What the agent needs from a machine: nodes in containers, with enforced limits.
//
// A node has its own data volume, which outlives its containers, and at most one container at a
// time. No call waits: long work (a pull, a grace period, resizing a file system) runs on its own,
// and the call is repeated until it reports that it is done. Calls are idempotent: one repeated
// after a crash finishes the work. Calls for different nodes may run concurrently; calls for one
// node come one after another. A call for a node ends the work of an earlier, different call for
// it, except work that must not be interrupted (resizing a file system, unless by Remove()), for
// which it waits. Ids are the only part of a payload that ever becomes part of a path.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/log_source.h"
#include "base/clock.h"
#include "base/result.h"
#include "model/config.h"
#include "model/ids.h"
#include "model/report.h"
#include "model/resources.h"

namespace tallyman::agent {

// A reason that is compared.
inline constexpr char kDiskDataDoesNotFit[] = "DISK_DATA_DOES_NOT_FIT";

// Everything from which a node's container is made.
struct NodeSpec {
  NodeId node_id;
  OrgId org_id;
  std::string name;
  ConfigId config_id;
  ImageId image_id;
  std::string image;      // its reference, for people
  std::string image_uri;  // oci:DIR:TAG or docker://HOST/NAME:TAG, with or without @sha256:DIGEST
  Resources resources;
  std::map<std::string, std::string> values;
  // Not sealed; the node gets each as a file of that name, and never in its environment.
  std::map<std::string, std::string> secrets;
  std::vector<FirewallRule> firewall_rules;

  friend bool operator==(const NodeSpec&, const NodeSpec&) = default;
};

// The minimum time before an unfinished call is repeated.
inline constexpr std::chrono::milliseconds kLookAgainMin(10);

// The progress of a call.
struct Progress {
  bool done = true;
  // Not done: when to repeat the call.
  std::chrono::milliseconds look_again{0};

  static Progress Done() { return {}; }
  static Progress Later(std::chrono::milliseconds look_again) { return {false, look_again}; }
};

// A node as it is found on the machine.
struct ObservedNode {
  NodeId node_id;
  // What its container was made from; empty if there is only a volume, or nothing readable.
  std::optional<ConfigId> config_id;
  std::optional<ImageId> image_id;
  std::string image_uri;
  std::string image_digest;  // "sha256:HEX"; empty: not known
  std::string container_id;  // empty: no container
  bool running = false;
  // The limits in force, read from where the kernel enforces them. 0: no limit of that kind, or
  // nothing runs; a fraction of a core is rounded down.
  Resources limits;
  int64_t disk_used_bytes = 0;  // 0: not mounted
  // How the container ended that ran last; empty while it runs and where nothing is known.
  std::optional<ReportedEnd> end;
  // It cannot be seen what is there: the rest says nothing. Empty: all can be read.
  std::string unreadable;
  // The problem if its disk has errors or is read-only. Empty: neither.
  std::string disk_problem;

  friend bool operator==(const ObservedNode&, const ObservedNode&) = default;
};

// A job of the node that asks not to be disturbed.
struct BlockingJob {
  int64_t retry_after_seconds = 0;
  std::string description;
};

enum class NodeHealth { kHealthy, kUnhealthy, kNotRunning };

// The result of a probe.
struct HealthReport {
  NodeHealth health = NodeHealth::kHealthy;
  // Unhealthy: the output of the health command, or that it hangs or is missing. Not running: how
  // the container ended.
  std::string message;
  // Not running, and known.
  std::optional<ReportedEnd> end;
  // What the image itself says of its probes (docker's HEALTHCHECK): how long after a start
  // failures do not count, how often to probe, and how many failures in a row make it unhealthy. 0:
  // not said.
  std::chrono::milliseconds start_period{0};
  std::chrono::milliseconds interval{0};
  int64_t retries = 0;
};

// What the machine offers to nodes, and what it reserves.
struct Capacity {
  Resources available;
  // Images, logs, the journal, a floor of free space, other files; the host's own memory.
  Resources reserved;
  bool thin_disks = false;
  // A problem to report, such as free space below its floor. Empty: none.
  std::string problem;
};

// Thread-safe, as said above.
//
// Transient errors, for which a retry may help without a change of the node or its image, are
// UNAVAILABLE or RESOURCE_EXHAUSTED: an unreachable registry, a busy device, a full disk. CANCELED:
// the work was stopped because the agent is stopping.
class Runtime : public LogSource {
 public:
  virtual Result<Capacity> MeasureCapacity() = 0;

  // Pulls and unpacks the image, and checks what can be checked while the node runs (that its data
  // fit a smaller disk, that its volumes are kept). Does not disturb the node. UNIMPLEMENTED
  // IMAGE_NOT_SUPPORTED when this runtime can never run such an image.
  virtual Result<Progress> Prepare(const NodeSpec& spec) = 0;
  // Installs `spec` as the source of the node's container and resizes its volume. REQUIRES:
  // prepared; nothing of the node runs. FAILED_PRECONDITION DISK_DATA_DOES_NOT_FIT: the volume is
  // unchanged.
  virtual Result<Progress> Install(const NodeSpec& spec) = 0;
  // Starts the installed container; does nothing when it runs. NOT_FOUND FILE_MISSING: its files
  // are missing.
  virtual Result<Progress> Start(const NodeId& node_id) = 0;
  // Stops the container: its stop signal, and after the grace period SIGKILL. Does nothing when
  // none runs.
  virtual Result<Progress> Stop(const NodeId& node_id) = 0;
  // Stops the node and removes everything of it, including its data. Does nothing when there is
  // nothing. Ends any work for the node, including a pull for which no other node waits.
  virtual Result<Progress> Remove(const NodeId& node_id) = 0;
  // Removes files that only earlier configs of the node needed.
  virtual Result<Progress> DropLeftovers(const NodeId& node_id) = 0;
  // Removes prepared images except these, and the leftovers of failed pulls.
  virtual Result<Progress> DropImagesExcept(const std::set<ImageId>& kept) = 0;

  // One probe. Healthy: the container runs and its health command, if it has one, exits with 0 in
  // time. Empty: the command has not ended yet; probe again.
  virtual Result<std::optional<HealthReport>> CheckHealth(const NodeId& node_id) = 0;
  // The same without the health command: healthy when it runs.
  virtual Result<HealthReport> CheckRuns(const NodeId& node_id) = 0;
  virtual Result<std::optional<BlockingJob>> FindBlockingJob(const NodeId& node_id) = 0;
  // Everything on the machine of any node. One that cannot be read is listed as unreadable.
  virtual Result<std::vector<ObservedNode>> List() = 0;
};

}  // namespace tallyman::agent
