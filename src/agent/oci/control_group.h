// The processes of a container, by its control group, which can be killed and counted without any
// other record of the container.
//
// A group is a directory in every mounted hierarchy. Cheap values; thread-safe.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/oci/job.h"
#include "base/result.h"

namespace tallyman::agent::oci {

class ControlGroup {
 public:
  // `path` as config.json names it, such as "/tallyman/NODE_ID".
  explicit ControlGroup(std::string path) : path_(std::move(path)) {}

  // The processes in it and in groups below it.
  std::vector<pid_t> Processes() const;
  // The first process of the container: 1 in its own process namespace. nullopt: there is none.
  std::optional<pid_t> FindInit() const;
  // Kills all its processes, waits until they are gone, and removes the group. A missing group is
  // no error. UNAVAILABLE CONTAINER_NOT_STOPPED after `patience`.
  Job<void> Clear(std::chrono::milliseconds patience) const;
  // The file in which the kernel counts its processes that were killed when memory ran out:
  // "oom_kill N". It exists only as long as the group.
  std::filesystem::path OomFile() const;

  // Its directory in every hierarchy that has it.
  std::vector<std::filesystem::path> Directories() const;
  // Creates it in every writable hierarchy.
  void Make() const;

 private:
  bool Remove() const;

  std::string path_;
};

// Kills the process if it is in a control group whose path contains `part`, or was there when last
// checked.
void KillInGroup(pid_t pid, const std::string& part);

}  // namespace tallyman::agent::oci
