// The steps of a node: each call of the Runtime as a job.
//
// A job holds the node's lock while it works, and ends its processes when it is destroyed.
// Thread-safe for different nodes. Outlives its jobs.
#pragma once

#include <filesystem>
#include <memory>

#include "agent/file.h"
#include "agent/oci/image_change.h"
#include "agent/oci/image_store.h"
#include "agent/oci/job.h"
#include "agent/oci/node_places.h"
#include "agent/oci/oci_options.h"
#include "agent/oci/runc.h"
#include "agent/oci/user_ranges.h"
#include "agent/oci/volume.h"
#include "agent/runtime.h"

namespace tallyman::agent::oci {

class NodeSteps {
 public:
  NodeSteps(const OciRuntimeOptions& options, ImageStore& images, const Runc& runc)
      : options_(options),
        images_(images),
        runc_(runc),
        user_ranges_(options.data_directory / "nodes") {}

  Job<void> Prepare(NodeSpec spec);
  // `unbroken` is true while it must not be interrupted.
  Job<void> Install(NodeSpec spec, std::shared_ptr<bool> unbroken);
  Job<void> Start(NodeId id, std::shared_ptr<bool> unbroken);
  Job<void> Stop(NodeId id);
  Job<void> Remove(NodeId id);
  Job<void> DropLeftovers(NodeId id);
  // REQUIRES: the container runs. `installed` is what it was made from.
  Job<HealthReport> Probe(NodeId id, InstalledNode installed);

  NodePlaces PlacesOf(const NodeId& id) const {
    return {options_.data_directory, BootDirectory(options_), id};
  }
  Volume VolumeOf(const NodePlaces& places, int lock = -1,
                  std::shared_ptr<bool> unbroken = {}) const;

 private:
  DataUse UseOf(const NodePlaces& places) const;
  std::vector<std::string> VolumesFor(const NodePlaces& places, const ConfigId& config_id) const;
  Result<Bundle> BundleOf(const NodeSpec& spec) const;
  // Where nodes have user namespaces: whether this one can have its ids in a range.
  Job<void> CheckUserIds(NodeId id, ImageId image_id, std::string image, std::string image_config);
  Job<std::optional<UserRange>> TakeUserRange(InstalledNode installed, std::string config);
  Job<void> MountRoot(NodePlaces places, InstalledNode installed, std::optional<UserRange> users,
                      int lock);
  Job<void> EndContainer(NodePlaces places, NodeId id, int lock);
  Job<void> RemoveTreeJob(std::filesystem::path path, int lock);

  const OciRuntimeOptions& options_;
  ImageStore& images_;
  const Runc& runc_;
  UserRanges user_ranges_;
};

}  // namespace tallyman::agent::oci
