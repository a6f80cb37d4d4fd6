// Containers, by runc. A container's id is its node's.
//
// Thread-safe for different containers. Owns nothing: what runs goes on running without it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/oci/bundle.h"
#include "base/result.h"
#include "model/ids.h"

namespace tallyman {

struct Container {
  NodeId node_id;
  pid_t pid = 0;  // 0 when it does not run
  bool running = false;
  // nullopt: its annotations are not ours.
  std::optional<InstalledNode> made_from;
};

class Runc {
 public:
  // `root` is where runc keeps its own state.
  explicit Runc(std::filesystem::path root) : root_(std::move(root)) {}

  // Creates and starts it from the config.json in `bundle`; both its outputs go to `log_file`. The
  // tool inherits `lock`, the container does not.
  Status Run(const NodeId& id, const std::filesystem::path& bundle,
             const std::filesystem::path& log_file, int lock) const;
  // Ends it: its stop signal, and after the grace SIGKILL to everything in it; then forgets it.
  // Nothing to do when there is none.
  Status StopAndDelete(const NodeId& id) const;
  // Runs a command in it, and ends that command after the timeout.
  Result<int> Exec(const NodeId& id, const std::vector<std::string>& command,
                   std::chrono::milliseconds timeout) const;
  // nullopt: there is none, or only the rest of one that was never finished.
  Result<std::optional<Container>> Find(const NodeId& id) const;
  Result<std::vector<Container>> List() const;

 private:
  std::vector<std::string> Command(std::initializer_list<std::string> words) const;
  Status Delete(const NodeId& id) const;

  std::filesystem::path root_;
};

}  // namespace tallyman
