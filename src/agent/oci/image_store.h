// Images on the host: pulled and unpacked once per image id, shared by all nodes.
//
// An image is immutable, so a complete and good one is never pulled again. The directory has
// IMAGE_ID/ (image_pull.h lists its content), IMAGE_ID.pull/ where a pull works, and directories
// that are being removed. After an unclean shutdown of the machine each image is verified before
// its first use, and pulled again when it has changed. Images that an earlier release unpacked are
// in a separate directory; they are used unchanged until nothing needs them.
//
// Thread-safe. An image is pulled once for all who wait for it; a pull for which nobody waits any
// more is ended. The queue of pulls is fair by org.
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

namespace tallyman::agent::oci {

struct ImageStoreOptions {
  std::filesystem::path directory;
  // The images of an earlier release; missing: none.
  std::filesystem::path old_directory = {};
  // Makes `directory` usable, and returns the life of its file system: an image that was checked in
  // the same life is still good. Called for every fetch.
  std::function<Job<std::string>()> open = {};
  RegistryOptions registries = {};
  PullLimits limits = {};
  size_t pulls_at_once = 3;
  // Stops pulling and unpacking: CANCELED.
  std::stop_token stop = {};
};

class ImageStore {
 public:
  explicit ImageStore(ImageStoreOptions options);

  // Finishes when the image is complete, good, and on disk. Errors as PullImage() and options.open.
  Job<void> Fetch(ImageId id, std::string uri, OrgId org);
  // Removes images except these and those being fetched, and the leftovers of an earlier process's
  // pulls. A removed image is gone for all uses at once; its space is free soon.
  Status DropAllExcept(const std::set<ImageId>& kept);

  bool Has(const ImageId& id) const;
  std::filesystem::path RootOf(const ImageId& id) const { return PathOf(id) / "rootfs"; }
  std::filesystem::path ConfigOf(const ImageId& id) const { return PathOf(id) / "config.json"; }
  // "sha256:HEX" of the manifest; empty if unknown.
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
  // Continues the pull, unless another waiter does so now. True: it has ended.
  bool GoOn(Pull& pull);
  bool MayStart(Pull& pull);
  void End(Pull& pull);

  ImageStoreOptions options_;
  Remover remover_;
  std::mutex mutex_;
  std::map<ImageId, std::shared_ptr<Pull>> pulls_;
  uint64_t arrivals_ = 0;
};

}  // namespace tallyman::agent::oci
