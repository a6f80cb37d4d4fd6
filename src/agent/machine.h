// What the machine has, and what of it nodes can be given.
#pragma once

#include <filesystem>

#include "agent/runtime.h"
#include "base/result.h"
#include "model/resources.h"

namespace tallyman {

// Cores, memory, and the size of the file system that `directory` is on.
// INTERNAL CAPACITY_NOT_MEASURED.
Result<Resources> MeasureMachine(const std::filesystem::path& directory);

struct DiskRoom {
  int64_t total_bytes = 0;
  int64_t free_bytes = 0;  // for this process
};
// INTERNAL CAPACITY_NOT_MEASURED.
Result<DiskRoom> MeasureDisk(const std::filesystem::path& directory);

// The free space that nothing of the agent's is to take: 2 % of the disk, at least 1 GiB, at most
// an eighth of it.
int64_t FloorBytes(const DiskRoom& disk);
// The memory that is left to the system, the agent and what it runs beside nodes: 256 MiB and 5 %,
// at most 4 GiB.
int64_t ReservedMemoryBytes(int64_t total_bytes);

// What has been taken on the disk already, and what else will be.
struct DiskUse {
  int64_t nodes = 0;
  int64_t node_disks_bytes = 0;  // as allocated
  int64_t logs_bytes = 0;        // as allocated
  int64_t log_bytes_per_node = 0;
  int64_t to_come_bytes = 0;  // such as images' room that is not allocated yet
};

// Pure: all cores; the memory but what is reserved; of the disk what is free and what nodes' disks
// have taken, without the floor, room for the logs of nodes, and for the journal. Never negative.
Capacity PlanCapacity(const Resources& machine, const DiskRoom& disk, const DiskUse& use);

}  // namespace tallyman
