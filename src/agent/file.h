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

namespace tallyman {

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

// Replaces the file as a whole, durably: after a crash it is the old one or the new one.
Status WriteFileAtomically(const std::filesystem::path& path, std::string_view text,
                           int mode = 0644);

// Durably, in the place that the file has, so that a full disk does not matter; after a crash it
// may be a mixture of both. REQUIRES: `text` is as long as what is there, and of one block at most.
Status OverwriteFile(const std::filesystem::path& path, std::string_view text);

// What the file system has set aside for it; 0 when it is not there.
int64_t AllocatedBytes(const std::filesystem::path& path);
int64_t AllocatedBytes(const struct stat& info);

Status MakeDirectories(const std::filesystem::path& path);
// Removes it and what is below, symbolic links as such; nothing to do when it is not there.
// REQUIRES: nothing below it is mounted.
Status RemoveTree(const std::filesystem::path& path);

}  // namespace tallyman
