// A node's disk: an ext4 file system in a sparse file of exactly disk_bytes, mounted over a loop
// device, so that the node gets ENOSPC when it has used what it was given.
//
// The file system holds, side by side: volumes/ (what the image declares as volumes; survives
// upgrades), layers/CONFIG/ (what a container wrote elsewhere), jobs/ (how a node says that it is
// busy). Growing is online where the kernel lets this process do it. Shrinking is offline and
// checked first. Each function may be called again after a crash in its middle. One caller at a
// time per volume.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/result.h"

namespace tallyman {

class Volume {
 public:
  // `file` is the image, `mount_point` an existing directory. `lock` is a descriptor that every
  // tool inherits; the caller has locked it.
  Volume(std::filesystem::path file, std::filesystem::path mount_point, int lock)
      : file_(std::move(file)), mount_point_(std::move(mount_point)), lock_(lock) {}

  // The size of the file; nullopt: there is no volume.
  std::optional<int64_t> Bytes() const;
  // The size that the mounted file system really has: Bytes(), or what differs from it. nullopt
  // when it is not mounted.
  std::optional<int64_t> BytesInForce() const;

  // Makes the volume or gives it this size. REQUIRES: nothing uses it.
  // FAILED_PRECONDITION DISK_DATA_DOES_NOT_FIT: nothing has changed. INVALID_ARGUMENT
  // DISK_TOO_SMALL below kBytesMin. RESOURCE_EXHAUSTED DISK_TOO_LARGE: the host's file system
  // cannot hold such a file.
  Status SetBytes(int64_t bytes);
  // A cheap look, while it is in use, whether SetBytes() could ever accept.
  Status CheckFits(int64_t bytes) const;
  Status Mount();
  Status Unmount();

  static constexpr int64_t kBytesMin = 8 << 20;

 private:
  Status Create(int64_t bytes);
  Status Grow(int64_t bytes);
  Status Shrink(int64_t bytes);
  Status SetFileSize(const std::filesystem::path& file, int64_t bytes) const;

  std::filesystem::path file_;
  std::filesystem::path mount_point_;
  int lock_;
};

}  // namespace tallyman
