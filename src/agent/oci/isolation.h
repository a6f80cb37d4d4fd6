// Isolates a node from its host and from other nodes: namespaces, capabilities, system calls, its
// view of /proc, /sys and /dev, and bounds on resources that no control group counts.
// docs/isolation.md shows each measure as seen from inside a node. Pure, except ReadHostBounds().
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tallyman {

// The host's totals of which nodes get a share.
struct HostBounds {
  int64_t cpu_cores = 1;
  int64_t tasks_max = 32'768;  // processes and threads that its kernel can number
  // The limits that this process may pass on: without CAP_SYS_RESOURCE, no more than its own.
  uint64_t files_max = 1'048'576;        // open files of a process
  uint64_t user_tasks_max = UINT64_MAX;  // processes and threads of a user, over all nodes
  std::string machine;                   // as uname(2) names it: "x86_64"
};

HostBounds ReadHostBounds();

// Processes and threads of a node: its share, by cores, of three quarters of the host's.
int64_t TasksMax(int64_t cpu_cores, const HostBounds& host);

struct IsolatedConfig {
  std::string config_json;
  std::string host_name;
};

// Replaces the isolation in the config.json of an installed node, whichever release made it, so
// that the agent that starts a node determines its isolation. Idempotent. `info` is the directory
// that node_files.h maintains. DATA_LOSS CONTAINER_UNREADABLE.
Result<IsolatedConfig> Isolate(std::string_view config_json, const std::filesystem::path& info,
                               const HostBounds& host);

}  // namespace tallyman
