// Containers, by runc, each with a monitor (agent/monitor/monitor.h) that is its parent, reads its
// output and records its end. A container's id is its node's.
//
// The state is read from runc's records and compared with the processes of this machine, so that a
// record of an earlier boot, or of a process that has ended, is never believed.
//
// Thread-safe for different containers. Owns nothing: containers keep running without it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "agent/oci/bundle.h"
#include "agent/oci/control_group.h"
#include "agent/oci/job.h"
#include "agent/oci/node_places.h"
#include "agent/oci/process.h"
#include "agent/oci/user_ranges.h"
#include "base/result.h"
#include "model/ids.h"

namespace tallyman::agent::oci {

// A process and its start time in the kernel's measure, because a pid may be reused later.
struct ProcessMark {
  pid_t pid = 0;
  int64_t started = 0;

  friend bool operator==(const ProcessMark&, const ProcessMark&) = default;
};
// The mark of a process that has not ended; nullopt: it has.
std::optional<ProcessMark> MarkOf(pid_t pid);

// Takes over the running containers whose records are in `old_root`, where the last release kept
// them, and forgets the others.
Status TakeOverRecords(const std::filesystem::path& old_root, const std::filesystem::path& root);

struct Container {
  NodeId node_id;
  ProcessMark first;
  // Also true while its monitor still reads its last output.
  bool running = false;
  // nullopt: its annotations are not ours.
  std::optional<InstalledNode> made_from;
};

struct RuncOptions {
  std::filesystem::path root;  // where runc keeps its records
  std::string cgroup_parent;   // parent of the containers' control groups
  std::filesystem::path monitor_program;
  size_t segment_bytes = 8 << 20;
};

class Runc {
 public:
  explicit Runc(RuncOptions options) : options_(std::move(options)) {}

  // nullopt: there is none. Not running: also one that was never finished. Starts no process.
  // DATA_LOSS CONTAINER_UNREADABLE.
  Result<std::optional<Container>> Find(const NodeId& id, const NodePlaces& places) const;
  // All containers with a record, readable or not.
  std::vector<NodeId> List() const;
  ControlGroup GroupOf(const NodeId& id) const {
    return ControlGroup(options_.cgroup_parent + "/" + id.ToString());
  }

  // Creates and starts it. Its monitor holds `lock` until it runs. REQUIRES: places.output is a
  // directory. `users` are those of its user namespace.
  Job<void> Run(NodeId id, NodePlaces places, int lock, std::optional<UserRange> users) const;
  // Gives a container whose monitor was killed another one, which goes on reading what it prints.
  // Nothing to do when it has one.
  Status KeepWatched(const Container& container, const NodePlaces& places) const;
  // How the container ended that ran last; nullopt: that is not known, or it runs.
  std::optional<ReportedEnd> FindEnd(const NodePlaces& places) const;
  // Ends it: `signal` to its first process, and after the grace SIGKILL to everything in it. What
  // there is of it stays. Finds that process also where there is no record that can be read.
  Job<void> End(NodeId id, NodePlaces places, int signal, std::chrono::milliseconds grace) const;
  // Kills everything in it at once and forgets it, except how it ended. Does nothing when there is
  // none. UNAVAILABLE CONTAINER_NOT_STOPPED.
  Job<void> Clear(NodeId id, NodePlaces places) const;
  // Runs a command in it, and kills that command after the timeout, or when the job is destroyed.
  // DEADLINE_EXCEEDED TOOL_TIMED_OUT.
  Job<ProcessResult> Exec(NodeId id, std::vector<std::string> command,
                          std::chrono::milliseconds timeout, std::optional<UserRange> users) const;

 private:
  struct Record {
    ProcessMark first;
    std::optional<InstalledNode> made_from;
  };
  struct Cached {
    ino_t file = 0;
    int64_t changed = 0;
    Record record;
  };
  Result<Record> ReadRecord(const std::string& text) const;

  std::vector<std::string> MonitorWords(const NodeId& id, const NodePlaces& places) const;

  RuncOptions options_;
  mutable std::mutex mutex_;
  mutable std::map<NodeId, Cached> cache_;  // records are written once and read often
};

}  // namespace tallyman::agent::oci
