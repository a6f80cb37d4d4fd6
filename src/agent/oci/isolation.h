// Isolates a node from its host and from other nodes: namespaces, capabilities, system calls, its
// view of /proc, /sys and /dev, and bounds on resources that no control group counts.
// docs/isolation.md shows each measure as seen from inside a node. Pure, except ReadHostBounds().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "agent/oci/node_places.h"
#include "agent/oci/user_ranges.h"
#include "base/result.h"

namespace tallyman::agent::oci {

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

// Puts all of it into the config.json of an installed node, in the place of what is there, whatever
// release made it: what isolates a node is that of the agent that starts it. A second time changes
// nothing. With `users` it has a user namespace and sees what mapped_mounts.h makes. DATA_LOSS
// CONTAINER_UNREADABLE.
Result<IsolatedConfig> Isolate(std::string_view config_json, const NodePlaces& places,
                               const HostBounds& host, std::optional<UserRange> users = {});

}  // namespace tallyman::agent::oci
