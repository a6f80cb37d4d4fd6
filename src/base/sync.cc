#include "base/sync.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

namespace tallyman {

std::string DirectoryOf(const std::string& path) {
  std::string directory = std::filesystem::path(path).parent_path().string();
  return directory.empty() ? "." : directory;
}

bool SyncFile(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = file >= 0 && ::fsync(file) == 0;
  if (file >= 0) ::close(file);
  return synced;
}

bool SyncDirectoryOf(const std::string& path) { return SyncFile(DirectoryOf(path)); }

}  // namespace tallyman
