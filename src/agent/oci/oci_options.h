// The options of the runtime of real hosts.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>

#include "agent/oci/registry_options.h"

namespace tallyman::agent::oci {

struct OciRuntimeOptions {
  std::filesystem::path data_directory;  // absolute
  // State that is only valid for this boot goes below it, in a directory named after the data
  // directory.
  std::filesystem::path run_directory = "/run/tallyman-agent";
  std::string cgroup_parent = "/tallyman";
  std::chrono::milliseconds health_timeout = std::chrono::seconds(10);
  std::chrono::milliseconds pull_timeout = std::chrono::hours(2);
  std::chrono::milliseconds pull_stall_timeout = std::chrono::minutes(3);
  // The longest grace period, even if an image asks for more.
  std::chrono::milliseconds stop_grace_max = std::chrono::minutes(10);
  // How much of a node's output is kept, in two files of half the size.
  int64_t log_bytes = 16 << 20;
  // The program `tallyman-monitor`; empty: beside this program, or where the package puts it.
  std::filesystem::path monitor_program = {};
  // Disks take their space when they are written instead of when they are created.
  bool thin_disks = false;
  // Each node has user ids of its own: user_ranges.h.
  bool user_namespaces = false;
  RegistryOptions registries = {};
  // The file system for images; 0: a share of the disk.
  int64_t image_room_bytes = 0;
  // Stops pulls: they are CANCELED, and start over the next time.
  std::stop_token stop = {};
};

// The directory of this boot for a data directory.
std::filesystem::path BootDirectory(const OciRuntimeOptions& options);

}  // namespace tallyman::agent::oci
