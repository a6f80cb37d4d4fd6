// The processes of a container, by its control group: what is in it is killed and counted, whatever
// else is known of the container.
//
// A group is a directory in every hierarchy that is mounted. Cheap values; thread-safe.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/oci/job.h"
#include "base/result.h"

namespace tallyman {

class ControlGroup {
 public:
  // `path` as config.json names it, such as "/tallyman/NODE_ID".
  explicit ControlGroup(std::string path) : path_(std::move(path)) {}

  // The processes in it and in groups below it.
  std::vector<pid_t> Processes() const;
  // The first process of the container: 1 in its own process namespace. nullopt: there is none.
  std::optional<pid_t> FindInit() const;
  // Kills all that is in it, waits until they are gone, and removes it. Nothing to do when there is
  // none. UNAVAILABLE CONTAINER_NOT_STOPPED after `patience`.
  Job<void> Clear(std::chrono::milliseconds patience) const;
  // The file in which the kernel counts the processes of it that were killed for want of memory:
  // "oom_kill N". It is there only while the group is.
  std::filesystem::path OomFile() const;

  // Where it is, in every hierarchy that has it.
  std::vector<std::filesystem::path> Directories() const;
  // Makes it in every hierarchy that lets itself be written.
  void Make() const;

 private:
  bool Remove() const;

  std::string path_;
};

// Kills it if it is, or was when last looked, in a control group whose path has `part` in it.
void KillInGroup(pid_t pid, const std::string& part);

}  // namespace tallyman
