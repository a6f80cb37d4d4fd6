// What the agent needs of a machine: nodes in containers, with limits that are enforced.
//
// A node has a data volume of its own, which outlives its containers, and at most one container at
// a time. No call waits: whatever takes time (a pull, a grace, a file system to be resized) goes on
// by itself, and the call is made again until it says that it is done. Any call may also be made
// again after a crash in its middle: it then finishes what was begun. Calls for different nodes may
// run side by side; calls for one node come one after the other. A call for a node ends what an
// earlier, different call has under way for it, but for what must not be broken off (the resizing
// of a file system, except by Remove()): that is waited for. Ids are the only part of a payload
// that ever becomes part of a path.
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

namespace tallyman {

// Everything that a container of a node is made from.
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
  std::vector<FirewallRule> firewall_rules;

  friend bool operator==(const NodeSpec&, const NodeSpec&) = default;
};

// A call that is not done is made again no sooner than this.
inline constexpr std::chrono::milliseconds kLookAgainMin(10);

// How far a call has come.
struct Progress {
  bool done = true;
  // Not done: when it is worth making the call again.
  std::chrono::milliseconds look_again{0};

  static Progress Done() { return {}; }
  static Progress Later(std::chrono::milliseconds look_again) { return {false, look_again}; }
};

// A node as it is found on the machine.
struct ObservedNode {
  NodeId node_id;
  // What its container was made from; empty where there is only a volume, or nothing readable.
  std::optional<ConfigId> config_id;
  std::optional<ImageId> image_id;
  std::string image_uri;
  std::string image_digest;  // "sha256:HEX"; empty: not known
  std::string container_id;  // empty: no container
  bool running = false;
  // The limits in force, read from where they are enforced. 0: none of that kind, or nothing runs;
  // a fraction of a core is rounded down.
  Resources limits;
  int64_t disk_used_bytes = 0;  // 0: not mounted
  // How the container ended that ran last; empty while it runs and where nothing is known.
  std::optional<ReportedEnd> end;
  // It cannot be seen what is there: the rest says nothing. Empty: all can be read.
  std::string unreadable;
  // Its disk has errors, or can only be read. Empty: neither.
  std::string disk_problem;

  friend bool operator==(const ObservedNode&, const ObservedNode&) = default;
};

// The node itself asks not to be disturbed.
struct BlockingJob {
  int64_t retry_after_seconds = 0;
  std::string description;
};

enum class NodeHealth { kHealthy, kUnhealthy, kNotRunning };

// What a probe found.
struct HealthReport {
  NodeHealth health = NodeHealth::kHealthy;
  // Unhealthy: what the health command printed, or that it hangs, or is missing. Not running: how
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

// What the machine can give to nodes, and what it keeps.
struct Capacity {
  Resources available;
  // Images, logs, the journal, a floor of free space, what others have filled; the host's own
  // memory.
  Resources reserved;
  bool thin_disks = false;
  // Worth telling a person, such as free space below its floor. Empty: nothing is.
  std::string problem;
};

// Thread-safe, as said above.
//
// Errors are UNAVAILABLE or RESOURCE_EXHAUSTED where trying again may help without anybody changing
// the node or its image: a registry or a device that is away or busy, a disk that is full. What is
// CANCELED was ended because the agent is to end.
class Runtime : public LogSource {
 public:
  virtual Result<Capacity> MeasureCapacity() = 0;

  // Pulls and unpacks the image, and checks what can be checked while the node runs (that its data
  // fit a smaller disk, that its volumes stay what they are). Disturbs nothing. UNIMPLEMENTED
  // IMAGE_NOT_SUPPORTED when this runtime cannot run such an image, whatever is tried.
  virtual Result<Progress> Prepare(const NodeSpec& spec) = 0;
  // Makes `spec` what the node's container is made from and gives its volume the size it asks for.
  // REQUIRES: prepared; nothing of the node runs. FAILED_PRECONDITION DISK_DATA_DOES_NOT_FIT: the
  // volume is as it was.
  virtual Result<Progress> Install(const NodeSpec& spec) = 0;
  // Starts what is installed; nothing to do when it runs. NOT_FOUND FILE_MISSING: what it was made
  // from is not there.
  virtual Result<Progress> Start(const NodeId& node_id) = 0;
  // Ends the container: its stop signal, and after the grace SIGKILL. Nothing to do when none runs.
  virtual Result<Progress> Stop(const NodeId& node_id) = 0;
  // Stops the node and removes everything of it, its data too. Nothing to do when there is nothing.
  // Ends whatever is under way for the node, a pull that nobody else waits for too.
  virtual Result<Progress> Remove(const NodeId& node_id) = 0;
  // Drops what only earlier configs of the node needed.
  virtual Result<Progress> DropLeftovers(const NodeId& node_id) = 0;
  // Drops prepared images but these, and whatever pulls that failed have left.
  virtual Result<Progress> DropImagesExcept(const std::set<ImageId>& kept) = 0;

  // One probe. Healthy: it runs and its health command, if it has one, ends with 0 in time. Empty:
  // the command has not ended yet; ask again.
  virtual Result<std::optional<HealthReport>> CheckHealth(const NodeId& node_id) = 0;
  // The same without the health command: healthy when it runs.
  virtual Result<HealthReport> CheckRuns(const NodeId& node_id) = 0;
  virtual Result<std::optional<BlockingJob>> FindBlockingJob(const NodeId& node_id) = 0;
  // Everything that is there of any node. One that cannot be read is in it, as unreadable.
  virtual Result<std::vector<ObservedNode>> List() = 0;
};

}  // namespace tallyman
