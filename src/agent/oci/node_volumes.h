// Creates the directories of a node's volumes on its disk, fills them and sets their owner.
//
// Used by the jobs of node_steps.h; the disk is mounted, and the caller has the node's lock.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agent/oci/bundle_image.h"
#include "agent/oci/image_change.h"
#include "agent/oci/job.h"
#include "base/result.h"

namespace tallyman::agent::oci {

struct VolumesToMake {
  std::filesystem::path disk;        // the node's, mounted
  std::filesystem::path image_root;  // what the image ships
  std::vector<std::string> names;
  DataOwner owner;
  int lock = -1;
};

// Makes those that are not there, with the content and the owners that the image ships at their
// paths, as docker does; where it ships nothing they are the owner's. One that is there stays as it
// is, and one that was put aside comes back so. Each is whole or not there. The directory for jobs
// is the owner's. RESOURCE_EXHAUSTED VOLUME_CONTENT_DOES_NOT_FIT.
Job<void> MakeVolumes(VolumesToMake volumes);

// Takes the volumes that are not in `names` off the list of what the node has had: they wait on the
// disk for a config that declares them.
Status PutVolumesAside(const std::filesystem::path& disk, const std::vector<std::string>& names);

// Adds what a mounted disk says: the volumes that are on it, and who owns them where that is one
// user other than root.
void AddVolumesOf(const std::filesystem::path& disk, DataUse& use);

// Copies owner and mode of the image's root directory to the layer above it, whose own count.
Status CopyRootAttributes(const std::filesystem::path& image_root,
                          const std::filesystem::path& layer);

// A change of the owner of a node's data, recorded beside the data, so that it can be finished
// after a crash and undone when the previous version is restored.
struct Handover {
  DataOwner from;
  DataOwner to;
  bool done = false;
};

Result<std::optional<Handover>> ReadHandover(const std::filesystem::path& disk);

// Makes `to` the owner of what `now` owns (nullopt: unknown, does nothing), unless `to` is root,
// who need not own it. Undoes an earlier handover from `to`.
Job<void> HandOver(std::filesystem::path disk, std::optional<DataOwner> now, DataOwner to,
                   int lock);

}  // namespace tallyman::agent::oci
