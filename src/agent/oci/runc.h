// Containers, by runc. A container's id is its node's.
//
// What is there is read from runc's records and compared with the processes of this machine, so
// that a record of an earlier boot, or of a process that has ended, is never believed.
//
// Thread-safe for different containers. Owns nothing: what runs goes on running without it.
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
#include "agent/oci/process.h"
#include "base/result.h"
#include "model/ids.h"

namespace tallyman {

// A process, and when it began in the kernel's own measure: the number alone may be another's
// later.
struct ProcessMark {
  pid_t pid = 0;
  int64_t started = 0;

  friend bool operator==(const ProcessMark&, const ProcessMark&) = default;
};
// The mark of a process that has not ended; nullopt: it has.
std::optional<ProcessMark> MarkOf(pid_t pid);

struct Container {
  NodeId node_id;
  ProcessMark first;
  bool running = false;
  // nullopt: its annotations are not ours.
  std::optional<InstalledNode> made_from;
};

class Runc {
 public:
  // `root` is where runc keeps its records; `cgroup_parent` what the group of a container is in.
  Runc(std::filesystem::path root, std::string cgroup_parent)
      : root_(std::move(root)), cgroup_parent_(std::move(cgroup_parent)) {}

  // nullopt: there is none. Not running: also one that was never finished. Starts no process.
  // DATA_LOSS CONTAINER_UNREADABLE.
  Result<std::optional<Container>> Find(const NodeId& id) const;
  // Whatever has a record, readable or not.
  std::vector<NodeId> List() const;
  ControlGroup GroupOf(const NodeId& id) const {
    return ControlGroup(cgroup_parent_ + "/" + id.ToString());
  }
  const std::filesystem::path& root() const { return root_; }

  // Creates and starts it from the config.json in `bundle`; both its outputs go to `log_file`. The
  // tool inherits `lock`, the container does not.
  Job<void> Run(NodeId id, std::filesystem::path bundle, std::filesystem::path log_file,
                int lock) const;
  // Ends it: `signal` to its first process, and after the grace SIGKILL to everything in it. What
  // there is of it stays. Finds that process also where there is no record that can be read.
  Job<void> End(NodeId id, int signal, std::chrono::milliseconds grace) const;
  // Ends everything of it at once and forgets it. Nothing to do when there is none. UNAVAILABLE
  // CONTAINER_NOT_STOPPED.
  Job<void> Clear(NodeId id) const;
  // Runs a command in it, and kills that command after the timeout, or when the job is destroyed.
  // DEADLINE_EXCEEDED TOOL_TIMED_OUT.
  Job<ProcessResult> Exec(NodeId id, std::vector<std::string> command,
                          std::chrono::milliseconds timeout) const;

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

  std::filesystem::path root_;
  std::string cgroup_parent_;
  mutable std::mutex mutex_;
  mutable std::map<NodeId, Cached> cache_;  // a record is written once and read all the time
};

}  // namespace tallyman
