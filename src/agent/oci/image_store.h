// Images on the host: pulled and unpacked once per image id, shared by all nodes.
//
// An image is immutable, so what is whole and good under its id is never pulled again. Below the
// directory: IMAGE_ID/ (image_pull.h says what is in it), IMAGE_ID.pull/ where a pull works, and
// what is being removed. After an unclean end of the machine each image is read again before its
// first use, and pulled again when it is not what it was. Images that an earlier release unpacked
// are in a directory of their own; they are used as they are until nothing needs them.
//
// Thread-safe. However many wait for an image, it is pulled once; a pull that nobody waits for any
// more is ended. Pulls queue, fair by org.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>

#include "agent/oci/image_pull.h"
#include "agent/oci/job.h"
#include "agent/oci/registry_options.h"
#include "agent/oci/remover.h"
#include "base/result.h"
#include "model/ids.h"

namespace tallyman {

struct ImageStoreOptions {
  std::filesystem::path directory;
  // Of an earlier release; not there: none.
  std::filesystem::path old_directory = {};
  // Makes `directory` usable, and says which life of its file system this is: an image that was
  // seen to be good in the same life still is. Called for every fetch.
  std::function<Job<std::string>()> open = {};
  RegistryOptions registries = {};
  PullLimits limits = {};
  size_t pulls_at_once = 3;
  // Ends what is being pulled or unpacked: CANCELED.
  std::stop_token stop = {};
};

class ImageStore {
 public:
  explicit ImageStore(ImageStoreOptions options);

  // Ends when the image is whole, good, and on the disk. Errors as PullImage() and options.open.
  Job<void> Fetch(ImageId id, std::string uri, OrgId org);
  // Drops images but these and those being fetched, and what pulls of an earlier process left. What
  // is dropped is gone for all uses at once, and its room is free soon.
  Status DropAllExcept(const std::set<ImageId>& kept);

  bool Has(const ImageId& id) const;
  std::filesystem::path RootOf(const ImageId& id) const { return PathOf(id) / "rootfs"; }
  std::filesystem::path ConfigOf(const ImageId& id) const { return PathOf(id) / "config.json"; }
  // "sha256:HEX" of the manifest; empty where it is not known.
  std::string DigestOf(const ImageId& id) const;

 private:
  struct Pull;
  class Waiter;

  std::filesystem::path PathOf(const ImageId& id) const;
  std::filesystem::path NewPathOf(const ImageId& id) const {
    return options_.directory / id.ToString();
  }
  Job<void> MakeGood(ImageId id, std::string uri, std::string life, bool here);
  Job<void> PullAnew(ImageId id, std::string uri);
  // Goes on with the pull, unless another waiter does so now. True: it has ended.
  bool GoOn(Pull& pull);
  bool MayStart(Pull& pull);
  void End(Pull& pull);

  ImageStoreOptions options_;
  Remover remover_;
  std::mutex mutex_;
  std::map<ImageId, std::shared_ptr<Pull>> pulls_;
  uint64_t arrivals_ = 0;
};

}  // namespace tallyman
