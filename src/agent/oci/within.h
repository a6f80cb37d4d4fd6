// Opens files in an image or on a node's disk safely: links do not lead out of it.
#pragma once

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "agent/file.h"

namespace tallyman::agent::oci {

// Like open() for a process whose root is `root`; on failure the result is not open, and errno is
// set. `flags` besides O_CLOEXEC; `path` with or without a slash in front.
inline FileDescriptor OpenWithin(const std::filesystem::path& root, const std::string& path,
                                 int flags) {
  FileDescriptor directory(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return FileDescriptor(
      static_cast<int>(::syscall(SYS_openat2, directory.get(), path.c_str(), &how, sizeof how)));
}

}  // namespace tallyman::agent::oci
