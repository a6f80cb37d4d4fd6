// Images on the host: pulled by skopeo, unpacked by umoci, once per image id, shared by all nodes.
//
// An image is immutable, so what is there under its id is never pulled again. Layout, below the
// directory: IMAGE_ID/rootfs and IMAGE_ID/config.json (what umoci made of the image's config);
// whatever is half done lies in IMAGE_ID.new and is thrown away. Thread-safe: one pull of an image
// at a time, different images side by side.
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>

#include "base/result.h"
#include "model/ids.h"

namespace tallyman {

struct ImageStoreOptions {
  std::filesystem::path directory;
  std::chrono::milliseconds pull_timeout = std::chrono::hours(2);
  // Credentials for registries, as "skopeo login" writes them; empty: none.
  std::string authfile;
  // Speak to registries without TLS, for those inside a closed network.
  bool plain_http = false;
  // Ends what is being pulled or unpacked: CANCELED.
  std::stop_token stop = {};
};

class ImageStore {
 public:
  explicit ImageStore(ImageStoreOptions options) : options_(std::move(options)) {}

  // UNIMPLEMENTED IMAGE_NOT_SUPPORTED for a URI of another form than oci:DIR:TAG (DIR absolute) or
  // docker://NAME:TAG, either with @sha256:DIGEST behind to have nothing but that manifest;
  // FAILED_PRECONDITION IMAGE_DIGEST_DIFFERS; UNAVAILABLE IMAGE_NOT_PULLED; INTERNAL
  // IMAGE_NOT_UNPACKED; CANCELED.
  Status Fetch(const ImageId& id, const std::string& uri);
  Status DropAllExcept(const std::set<ImageId>& kept);

  bool Has(const ImageId& id) const;
  std::filesystem::path RootOf(const ImageId& id) const { return PathOf(id) / "rootfs"; }
  std::filesystem::path ConfigOf(const ImageId& id) const { return PathOf(id) / "config.json"; }

 private:
  std::filesystem::path PathOf(const ImageId& id) const {
    return options_.directory / id.ToString();
  }
  Status FetchAlone(const ImageId& id, const std::string& uri);

  ImageStoreOptions options_;
  std::mutex mutex_;
  std::condition_variable fetched_;
  std::set<ImageId> fetching_;
};

// Whether an image can be named so; the error of Fetch().
Status CheckImageUri(const std::string& uri);

}  // namespace tallyman
