// Files and descriptors of the agent's data directory.
#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace tallyman::agent {

// A reason that is compared.
inline constexpr char kFileMissing[] = "FILE_MISSING";

// Owns a descriptor. Movable; one owner at a time.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// The whole file; NOT_FOUND FILE_MISSING; RESOURCE_EXHAUSTED FILE_TOO_LARGE beyond `bytes_max`.
Result<std::string> ReadFile(const std::filesystem::path& path, size_t bytes_max = 1 << 20);

// Replaces the whole file, atomically and durably: after a crash it is the old one or the new one.
Status WriteFileAtomically(const std::filesystem::path& path, std::string_view text,
                           int mode = 0644);

// Overwrites the file in place, durably, which works on a full disk; after a crash the content may
// be a mixture. REQUIRES: `text` is as long as the present content, and at most one block.
Status OverwriteFile(const std::filesystem::path& path, std::string_view text);

// The space that is allocated for the file; 0 when it does not exist.
int64_t AllocatedBytes(const std::filesystem::path& path);
int64_t AllocatedBytes(const struct stat& info);

Status MakeDirectories(const std::filesystem::path& path);
// Removes the path and everything below it; it does not follow symbolic links. A missing path is no
// error. REQUIRES: nothing below it is mounted.
Status RemoveTree(const std::filesystem::path& path);

}  // namespace tallyman::agent
