// A disk of an exact size: an ext4 file system in a file, mounted over a loop device, so that
// writers get ENOSPC when it is full.
//
// The whole file is allocated when the disk is created, so that the booked space exists; a thin
// disk takes its space when it is written. Holes (the disks of earlier releases were thin) are
// filled if there is space. There is an inode for every 16 KiB. A file system that was not
// unmounted, or has errors, is checked before it is mounted, and becomes read-only at the first
// error.
//
// Growing is online if the kernel permits it to this process. Shrinking is offline and checked
// first. Each function is idempotent and may be repeated after a crash. One caller at a time per
// volume, which must outlive its jobs.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/oci/job.h"
#include "agent/oci/mounts.h"
#include "agent/oci/process.h"
#include "base/result.h"

namespace tallyman::agent::oci {

// Reasons that are compared.
inline constexpr char kDiskBusy[] = "DISK_BUSY";
inline constexpr char kDiskDamaged[] = "DISK_DAMAGED";

// How long writing out a file system may take.
inline constexpr std::chrono::minutes kSyncTimeout(60);

struct VolumeOptions {
  bool thin = false;
  // Free space of the host's file system that creating and growing a disk never use.
  int64_t floor_bytes = 0;
  // If not null: true while the work in progress must not be interrupted.
  std::shared_ptr<bool> unbroken = {};
};

// A file system that is mounted.
struct VolumeState {
  int64_t bytes = 0;  // its real size: that of the file, or what differs from it
  int64_t used_bytes = 0;
  std::string problem;  // it has errors or is read-only; empty: neither
};

class Volume {
 public:
  // `file` holds the file system, `mount_point` is an existing directory. `lock` is a descriptor
  // that every tool inherits; the caller has locked it.
  Volume(std::filesystem::path file, std::filesystem::path mount_point, int lock,
         VolumeOptions options = {})
      : file_(std::move(file)),
        mount_point_(std::move(mount_point)),
        lock_(lock),
        options_(std::move(options)) {}

  // The size of the file; nullopt: there is no volume.
  std::optional<int64_t> Bytes() const;
  // nullopt when it is not mounted.
  std::optional<int64_t> BytesInForce() const;
  std::optional<VolumeState> Look(const std::vector<MountPoint>& mounts) const;

  // Creates the volume or resizes it. REQUIRES: nothing uses it. Every error leaves the volume at
  // its old size. FAILED_PRECONDITION DISK_DATA_DOES_NOT_FIT, DISK_NOT_RESERVABLE: the host's file
  // system cannot preallocate. INVALID_ARGUMENT DISK_TOO_SMALL below kBytesMin. RESOURCE_EXHAUSTED
  // HOST_DISK_FULL; DISK_TOO_LARGE: the host's file system cannot hold such a file. UNAVAILABLE
  // DISK_BUSY: it is mounted elsewhere.
  Job<void> SetBytes(int64_t bytes);
  // A cheap check, while it is in use, whether SetBytes() could succeed: its data and the host's
  // free space.
  Status CheckFits(int64_t bytes) const;
  // Does nothing when it is mounted. NOT_FOUND FILE_MISSING. DATA_LOSS DISK_DAMAGED: an
  // administrator must inspect it.
  Job<void> Mount();
  // Does nothing when it is not mounted. UNAVAILABLE MOUNT_BUSY.
  Status Unmount();
  // First writes back what is not on disk yet, which may take long; then waits up to 20 s for the
  // last user.
  Job<void> SyncAndUnmount();

  static constexpr int64_t kBytesMin = 8 << 20;

 private:
  Job<void> Create(int64_t bytes);
  Job<void> Grow(int64_t bytes);
  Job<void> Resize(int64_t bytes);
  Job<void> Shrink(int64_t bytes);
  // That the host's file system has so much for `file`.
  Status CheckRoom(const std::filesystem::path& file, int64_t needed) const;
  Job<void> Reserve(std::filesystem::path file, int64_t bytes);
  Job<void> CheckFileSystem(std::string device, bool all);
  Job<void> Sync(std::filesystem::path path);
  Job<ProcessResult> RunUnbroken(std::vector<std::string> arguments);
  Job<int64_t> MinimumBytes(std::string device);
  Job<void> FillHoles();
  void GiveBack(int64_t bytes) const;

  std::filesystem::path file_;
  std::filesystem::path mount_point_;
  int lock_;
  VolumeOptions options_;
};

}  // namespace tallyman::agent::oci
