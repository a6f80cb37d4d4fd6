#include "agent/machine.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/system_error.h"

namespace tallyman {

Result<Resources> MeasureMachine(const std::filesystem::path& directory) {
  struct statvfs disk{};
  if (::statvfs(directory.c_str(), &disk) != 0)
    return Fail(SystemError("CAPACITY_NOT_MEASURED", directory.string()));
  return Resources{
      .cpu_cores = ::sysconf(_SC_NPROCESSORS_ONLN),
      .memory_bytes = ::sysconf(_SC_PHYS_PAGES) * ::sysconf(_SC_PAGESIZE),
      .disk_bytes = static_cast<int64_t>(disk.f_blocks) * static_cast<int64_t>(disk.f_frsize)};
}

}  // namespace tallyman
