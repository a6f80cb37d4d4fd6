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
#include "agent/oci/volume.h"
#include "agent/runtime.h"

namespace tallyman {

class NodeSteps {
 public:
  NodeSteps(const OciRuntimeOptions& options, ImageStore& images, const Runc& runc)
      : options_(options), images_(images), runc_(runc) {}

  Job<void> Prepare(NodeSpec spec);
  // `unbroken` is true while it must not be interrupted.
  Job<void> Install(NodeSpec spec, std::shared_ptr<bool> unbroken);
  Job<void> Start(NodeId id, std::shared_ptr<bool> unbroken);
  Job<void> Stop(NodeId id);
  Job<void> Remove(NodeId id);
  Job<void> DropLeftovers(NodeId id);
  // REQUIRES: the container runs. `installed` is the record from which it was made. Unhealthy after
  // as many consecutive failures as the image allows.
  Job<HealthReport> Probe(NodeId id, InstalledNode installed);

  NodePlaces PlacesOf(const NodeId& id) const {
    return {options_.data_directory, BootDirectory(options_), id};
  }
  Volume VolumeOf(const NodePlaces& places, int lock = -1,
                  std::shared_ptr<bool> unbroken = {}) const;

 private:
  Job<HealthReport> ProbeOnce(NodeId id, InstalledNode installed);
  DataUse UseOf(const NodePlaces& places) const;
  Result<Bundle> BundleOf(const NodeSpec& spec) const;
  Job<void> MountRoot(NodePlaces places, InstalledNode installed, int lock);
  Job<void> EndContainer(NodePlaces places, NodeId id, int lock);
  Job<void> RemoveTreeJob(std::filesystem::path path, int lock);

  const OciRuntimeOptions& options_;
  ImageStore& images_;
  const Runc& runc_;
};

}  // namespace tallyman
