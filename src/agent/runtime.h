// What the agent needs of a machine: nodes in containers, with limits that are enforced.
//
// A node has a data volume of its own, which outlives its containers, and at most one container at
// a time. Every call blocks until it is done and may be made again after a crash in its middle: it
// then finishes what was begun. Calls for different nodes may run side by side; calls for one node
// come one after the other. Ids are the only part of a payload that ever becomes part of a path.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/config.h"
#include "model/ids.h"
#include "model/resources.h"

namespace tallyman {

// Everything that a container of a node is made from.
struct NodeSpec {
  NodeId node_id;
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

// A node as it is found on the machine.
struct ObservedNode {
  NodeId node_id;
  // What its container was made from; empty where there is only a volume, or nothing readable.
  std::optional<ConfigId> config_id;
  std::optional<ImageId> image_id;
  std::string image_uri;
  std::string container_id;  // empty: no container
  bool running = false;
  // The limits in force, read from where they are enforced. 0: none of that kind, or nothing runs;
  // a fraction of a core is rounded down.
  Resources limits;

  friend bool operator==(const ObservedNode&, const ObservedNode&) = default;
};

// The node itself asks not to be disturbed.
struct BlockingJob {
  int64_t retry_after_seconds = 0;
  std::string description;
};

enum class NodeHealth { kHealthy, kUnhealthy, kNotRunning };

// Thread-safe, as said above.
class Runtime {
 public:
  virtual ~Runtime() = default;

  // Cores, memory and the size of the file system of the data directory.
  virtual Result<Resources> MeasureCapacity() = 0;

  // Pulls and unpacks the image, and checks what can be checked while the node runs (that its data
  // fit a smaller disk, say). Disturbs nothing. UNIMPLEMENTED IMAGE_NOT_SUPPORTED when this runtime
  // cannot run such an image, whatever is tried. CANCELED: the agent is to end; call it again.
  virtual Status Prepare(const NodeSpec& spec) = 0;
  // Makes `spec` what the node's container is made from and gives its volume the size it asks for.
  // REQUIRES: prepared; nothing of the node runs. FAILED_PRECONDITION DISK_DATA_DOES_NOT_FIT: the
  // volume is as it was.
  virtual Status Install(const NodeSpec& spec) = 0;
  // Starts what is installed; nothing to do when it runs.
  virtual Status Start(const NodeId& node_id) = 0;
  // Ends the container: its stop signal, and after the grace SIGKILL. Nothing to do when none runs.
  virtual Status Stop(const NodeId& node_id) = 0;
  // Stops the node and removes everything of it, its data too. Nothing to do when there is nothing.
  virtual Status Remove(const NodeId& node_id) = 0;
  // Drops what only earlier configs of the node needed.
  virtual Status DropLeftovers(const NodeId& node_id) = 0;
  // Drops prepared images but these.
  virtual Status DropImagesExcept(const std::set<ImageId>& kept) = 0;

  // One probe. Healthy: it runs and its health command, if it has one, ends with 0 in time.
  virtual Result<NodeHealth> CheckHealth(const NodeId& node_id) = 0;
  virtual Result<std::optional<BlockingJob>> FindBlockingJob(const NodeId& node_id) = 0;
  // Everything that is there of any node.
  virtual Result<std::vector<ObservedNode>> List() = 0;
};

}  // namespace tallyman
