// One pull: an image from a registry or from a layout on this host into a directory, completely or
// not at all.
//
//   skopeo copies it as published; its form and its unpacked size are checked;
//   umoci unpacks it; everything is synced; it is renamed to its final name.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>

#include "agent/oci/image_facts.h"
#include "agent/oci/job.h"
#include "agent/oci/registry_options.h"
#include "base/result.h"

namespace tallyman::agent::oci {

struct PullLimits {
  size_t layers_max = 500;
  int64_t entries_max = 1'000'000;
  int64_t download_bytes_max = int64_t{64} << 30;
  int64_t unpacked_bytes_max = int64_t{64} << 30;
  std::chrono::milliseconds pull_timeout = std::chrono::hours(2);
  // A pull without a byte for this long is given up.
  std::chrono::milliseconds stall_timeout = std::chrono::minutes(3);
  std::chrono::milliseconds unpack_timeout = std::chrono::minutes(30);
};

// An image may have one file per this many bytes of the image file system: half of its inodes.
inline constexpr int64_t kBytesPerEntry = 32 << 10;

struct PullRequest {
  std::string uri;
  // Its working directory; it must not exist, and is on the file system of `place`. The caller
  // removes it.
  std::filesystem::path work;
  // The result: rootfs/, config.json for the runtime, manifest.json and image.json as published,
  // and its record.
  std::filesystem::path place;
  RegistryOptions registries;
  PullLimits limits;
  std::stop_token stop;
};

// The record of a complete image.
struct ImageRecord {
  std::string digest;    // "sha256:HEX" of the platform's manifest
  std::string tree_sum;  // of rootfs (tree_sum.h)
  int64_t bytes = 0;     // unpacked
};

// UNIMPLEMENTED IMAGE_NOT_SUPPORTED for a URI of another form than oci:DIR:TAG (DIR absolute) or
// docker://NAME:TAG, either optionally followed by @sha256:DIGEST to accept only that manifest.
Status CheckImageUri(const std::string& uri);

// Errors as CheckImageUri() and image_errors.h; FAILED_PRECONDITION IMAGE_DIGEST_DIFFERS,
// IMAGE_TOO_LARGE.
Job<void> PullImage(PullRequest request);

// The record of the image in `place`; NOT_FOUND FILE_MISSING; DATA_LOSS IMAGE_UNREADABLE.
Result<ImageRecord> ReadImageRecord(const std::filesystem::path& place);

}  // namespace tallyman::agent::oci
