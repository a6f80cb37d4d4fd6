// The directories of a node's volumes on its disk: made, filled and given to their user.
//
// Jobs of node_steps.h; the disk is mounted, and the caller has the node's lock.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agent/oci/bundle_image.h"
#include "agent/oci/image_change.h"
#include "agent/oci/job.h"
#include "base/result.h"

namespace tallyman {

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

// Owner and mode of the image's root directory, for the layer above it: that one's count.
Status CopyRootAttributes(const std::filesystem::path& image_root,
                          const std::filesystem::path& layer);

// Whose a node's data are to become, kept beside them until it is otherwise; so that it can be
// finished after a crash, and undone when the version before comes back.
struct Handover {
  DataOwner from;
  DataOwner to;
  bool done = false;
};

Result<std::optional<Handover>> ReadHandover(const std::filesystem::path& disk);

// Makes `to` the owner of what `now` owns (nullopt: not known, nothing is done), unless it is root,
// who needs not own it. Undoes what was handed over from `to` before.
Job<void> HandOver(std::filesystem::path disk, std::optional<DataOwner> now, DataOwner to,
                   int lock);

}  // namespace tallyman
