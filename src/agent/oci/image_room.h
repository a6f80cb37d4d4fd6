// The file system for the host's images: DIR/images.img, preallocated and mounted at
// DIR/image-store, so that no pull and no image can fill the host's disk.
//
// Its first use creates it. It only grows: it gets a larger size if the disk has the space. Images
// can be pulled again, so a file system that cannot be repaired is recreated.
//
// Thread-safe. Outlives its jobs.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>

#include "agent/oci/job.h"
#include "base/result.h"

namespace tallyman::agent::oci {

class ImageRoom {
 public:
  // `bytes`: 0 for a share of the disk, DefaultBytes(). The directory locks/ is in
  // `data_directory`.
  ImageRoom(std::filesystem::path data_directory, int64_t bytes)
      : data_directory_(std::move(data_directory)), bytes_(bytes) {}

  // Mounts it. Returns a word that changes whenever the machine went down without unmounting it: an
  // image that was checked under the same word is still good. RESOURCE_EXHAUSTED HOST_DISK_FULL,
  // and the other errors of Volume.
  Job<std::string> Open();

  std::filesystem::path mount_point() const { return data_directory_ / "image-store"; }
  // Its present or intended size, and how much of it is not allocated yet.
  int64_t Bytes() const;
  int64_t BytesToCome() const;

  // An eighth of the disk, at most 200 GiB and a quarter of what is free, at least 512 MiB.
  static int64_t DefaultBytes(int64_t total_bytes, int64_t free_bytes);

 private:
  Job<std::string> OpenAlone();
  std::filesystem::path file() const { return data_directory_ / "images.img"; }
  std::filesystem::path life_file() const { return data_directory_ / "images.life"; }

  const std::filesystem::path data_directory_;
  const int64_t bytes_;
  std::atomic<bool> opening_{false};
  std::string life_;  // empty: not opened by this process yet
};

}  // namespace tallyman::agent::oci
