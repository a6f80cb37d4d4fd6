#include "agent/machine.h"

#include <fmt/core.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>

#include "agent/system_error.h"
#include "base/bytes.h"

namespace tallyman::agent {
namespace {

constexpr int64_t kJournalBytes = 64 * kMebi;
constexpr int64_t kNodesPerCoreMax = 8;
constexpr int64_t kNodesExpectedMax = 64;

}  // namespace

Result<DiskRoom> MeasureDisk(const std::filesystem::path& directory) {
  struct statvfs disk{};
  if (::statvfs(directory.c_str(), &disk) != 0)
    return Fail(SystemError("CAPACITY_NOT_MEASURED", directory.string()));
  const auto block = static_cast<int64_t>(disk.f_frsize);
  return DiskRoom{.total_bytes = static_cast<int64_t>(disk.f_blocks) * block,
                  .free_bytes = static_cast<int64_t>(disk.f_bavail) * block};
}

Result<Resources> MeasureMachine(const std::filesystem::path& directory) {
  ASSIGN_OR_RETURN(DiskRoom disk, MeasureDisk(directory));
  return Resources{.cpu_cores = ::sysconf(_SC_NPROCESSORS_ONLN),
                   .memory_bytes = ::sysconf(_SC_PHYS_PAGES) * ::sysconf(_SC_PAGESIZE),
                   .disk_bytes = disk.total_bytes};
}

int64_t FloorBytes(const DiskRoom& disk) {
  return std::min(std::max(kGibi, disk.total_bytes / 50), disk.total_bytes / 8);
}

int64_t ReservedMemoryBytes(int64_t total_bytes) {
  return std::min(256 * kMebi + total_bytes / 20, 4 * kGibi);
}

Capacity PlanCapacity(const Resources& machine, const DiskRoom& disk, const DiskUse& use) {
  // The number of future nodes is unknown: a share of the disk bounds the space reserved for their
  // logs.
  const int64_t expected = std::min(machine.cpu_cores * kNodesPerCoreMax, kNodesExpectedMax);
  const int64_t logs = std::max(use.log_bytes_per_node * use.nodes,
                                std::min(use.log_bytes_per_node * expected, disk.total_bytes / 20));
  const int64_t floor = FloorBytes(disk);
  const int64_t kept = floor + std::max<int64_t>(0, logs - use.logs_bytes) + kJournalBytes +
                       std::max<int64_t>(0, use.to_come_bytes);
  Capacity capacity;
  capacity.available = {
      .cpu_cores = machine.cpu_cores,
      .memory_bytes =
          std::max<int64_t>(0, machine.memory_bytes - ReservedMemoryBytes(machine.memory_bytes)),
      .disk_bytes = std::max<int64_t>(0, disk.free_bytes + use.node_disks_bytes - kept)};
  capacity.reserved = {
      .cpu_cores = 0,
      .memory_bytes = machine.memory_bytes - capacity.available.memory_bytes,
      .disk_bytes = std::max<int64_t>(0, disk.total_bytes - capacity.available.disk_bytes)};
  if (disk.free_bytes < floor) {
    capacity.problem = fmt::format(
        "the disk of the data directory has {} bytes free, and {} must stay free: free some space, "
        "or delete nodes; until then nothing new is stored there",
        disk.free_bytes, floor);
  }
  return capacity;
}

}  // namespace tallyman::agent
