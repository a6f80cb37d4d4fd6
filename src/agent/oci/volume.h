// A disk of exactly so many bytes: an ext4 file system in a file, mounted over a loop device, so
// that whoever writes to it gets ENOSPC when it has used what it was given.
//
// The whole file is allocated when the disk is made, so that what is booked is there; a thin one
// takes its room when it is written. Holes (the disks of earlier releases were thin) are filled
// where there is room. An inode for every 16 KiB. A file system that was not unmounted, or has
// errors, is checked before it is mounted, and becomes read-only at the first error.
//
// Growing is online where the kernel lets this process do it. Shrinking is offline and checked
// first. Each function may be called again after a crash in its middle. One caller at a time per
// volume, which outlives its jobs.
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

namespace tallyman {

// How long writing out a file system may take.
inline constexpr std::chrono::minutes kSyncTimeout(60);

struct VolumeOptions {
  bool thin = false;
  // Free space of the host's file system that making and growing a disk leave alone.
  int64_t floor_bytes = 0;
  // Where not null: true while what is under way must not be broken off.
  std::shared_ptr<bool> unbroken = {};
};

// A file system that is mounted.
struct VolumeState {
  int64_t bytes = 0;  // the size that it really has: that of the file, or what differs from it
  int64_t used_bytes = 0;
  std::string problem;  // it has errors or can only be read; empty: neither
};

class Volume {
 public:
  // `file` is the image, `mount_point` an existing directory. `lock` is a descriptor that every
  // tool inherits; the caller has locked it.
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

  // Makes the volume or gives it this size. REQUIRES: nothing uses it. Every error leaves the
  // volume with the size that it had. FAILED_PRECONDITION DISK_DATA_DOES_NOT_FIT,
  // DISK_NOT_RESERVABLE: the host's file system cannot allocate ahead. INVALID_ARGUMENT
  // DISK_TOO_SMALL below kBytesMin. RESOURCE_EXHAUSTED HOST_DISK_FULL; DISK_TOO_LARGE: the host's
  // file system cannot hold such a file. UNAVAILABLE DISK_BUSY: it is mounted elsewhere.
  Job<void> SetBytes(int64_t bytes);
  // A cheap look, while it is in use, whether SetBytes() could accept: its data and the host's
  // room.
  Status CheckFits(int64_t bytes) const;
  // Nothing to do when it is mounted. NOT_FOUND FILE_MISSING. DATA_LOSS DISK_DAMAGED: a person has
  // to look at it.
  Job<void> Mount();
  // Nothing to do when it is not mounted. UNAVAILABLE MOUNT_BUSY.
  Status Unmount();
  // Writes back first what is not on the disk yet, which may take its time; then waits for the last
  // user as long as 20 s.
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

}  // namespace tallyman
