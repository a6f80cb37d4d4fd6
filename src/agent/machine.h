// What the machine has, and how much of it is available to nodes.
#pragma once

#include <filesystem>

#include "agent/runtime.h"
#include "base/result.h"
#include "model/resources.h"

namespace tallyman::agent {

// Cores, memory, and the size of the file system of `directory`. INTERNAL CAPACITY_NOT_MEASURED.
Result<Resources> MeasureMachine(const std::filesystem::path& directory);

struct DiskRoom {
  int64_t total_bytes = 0;
  int64_t free_bytes = 0;  // for this process
};
// INTERNAL CAPACITY_NOT_MEASURED.
Result<DiskRoom> MeasureDisk(const std::filesystem::path& directory);

// The free space that the agent never uses: 2 % of the disk, at least 1 GiB, at most an eighth of
// it.
int64_t FloorBytes(const DiskRoom& disk);
// The memory that is reserved for the system, the agent and its tools: 256 MiB and 5 %, at most 4
// GiB.
int64_t ReservedMemoryBytes(int64_t total_bytes);

// The disk space in use already, and the space that will be.
struct DiskUse {
  int64_t nodes = 0;
  int64_t node_disks_bytes = 0;  // as allocated
  int64_t logs_bytes = 0;        // as allocated
  int64_t log_bytes_per_node = 0;
  int64_t to_come_bytes = 0;  // such as space for images that is not allocated yet
};

// Pure. All cores; the memory except the reserved part; of the disk, the free space and that of
// nodes' disks, minus the floor and the space for nodes' logs and the journal. Never negative.
Capacity PlanCapacity(const Resources& machine, const DiskRoom& disk, const DiskUse& use);

}  // namespace tallyman::agent
