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

namespace tallyman {

struct VolumesToMake {
  std::filesystem::path disk;        // the node's, mounted
  std::filesystem::path image_root;  // what the image ships
  std::vector<std::string> names;
  DataOwner owner;
  int lock = -1;
};

// Creates missing directories, with the content and the owners that the image ships at their paths,
// as docker does; if it ships nothing, they belong to the owner. An existing directory is
// unchanged. Each is complete or missing. The directory for jobs belongs to the owner.
// RESOURCE_EXHAUSTED VOLUME_CONTENT_DOES_NOT_FIT.
Job<void> MakeVolumes(VolumesToMake volumes);

// Adds what a mounted disk shows: the volumes on it, and their owner if that is a single user other
// than root.
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

}  // namespace tallyman
