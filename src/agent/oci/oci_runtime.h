// The Runtime of real hosts: OCI containers by runc, images by skopeo and umoci, CPU and memory
// limited by control groups, disks by a file system of the node's own.
//
// Below the data directory, all of it root's alone:
//   images/IMAGE_ID/       unpacked images, shared
//   nodes/NODE_ID/disk.img the node's disk; mounted on disk/ while it is used
//   nodes/NODE_ID/rootfs/  what the container sees: the image below, layers/CONFIG_ID of the disk
//   above nodes/NODE_ID/bundle/  config.json, the record of what is installed nodes/NODE_ID/info/
//   what the node may know about itself nodes/NODE_ID/log      what it printed; log.1 what it
//   printed before locks/NODE_ID          held by whoever works on the node, down to the last tool
//   runc/                  runc's own state
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>

#include "agent/file.h"
#include "agent/oci/image_store.h"
#include "agent/oci/runc.h"
#include "agent/oci/volume.h"
#include "agent/runtime.h"

namespace tallyman {

struct OciRuntimeOptions {
  std::filesystem::path data_directory;  // absolute
  std::string cgroup_parent = "/tallyman";
  std::chrono::milliseconds health_timeout = std::chrono::seconds(10);
  std::chrono::milliseconds pull_timeout = std::chrono::hours(2);
  std::string registry_authfile = {};
  bool registry_plain_http = false;
  // Ends pulls: they are CANCELED, and begin anew the next time.
  std::stop_token stop = {};
};

// Thread-safe as Runtime says.
class OciRuntime final : public Runtime {
 public:
  // Looks first whether this host can do it. PERMISSION_DENIED NOT_PRIVILEGED, FAILED_PRECONDITION
  // CGROUPS_UNAVAILABLE, LOOP_UNAVAILABLE, TOOL_MISSING; INVALID_ARGUMENT INVALID_DATA_DIRECTORY.
  static Result<std::unique_ptr<OciRuntime>> Open(OciRuntimeOptions options);

  Result<Resources> MeasureCapacity() override;
  Status Prepare(const NodeSpec& spec) override;
  Status Install(const NodeSpec& spec) override;
  Status Start(const NodeId& node_id) override;
  Status Stop(const NodeId& node_id) override;
  Status Remove(const NodeId& node_id) override;
  Status DropLeftovers(const NodeId& node_id) override;
  Status DropImagesExcept(const std::set<ImageId>& kept) override;
  Result<NodeHealth> CheckHealth(const NodeId& node_id) override;
  Result<std::optional<BlockingJob>> FindBlockingJob(const NodeId& node_id) override;
  Result<std::vector<ObservedNode>> List() override;

  // "runc 1.1.5", for people.
  static std::string Version();

 private:
  struct Places;
  explicit OciRuntime(OciRuntimeOptions options);
  Places PlacesOf(const NodeId& node_id) const;
  // Waits until no tool, of an earlier process neither, works on the node.
  Result<FileDescriptor> LockNode(const NodeId& node_id) const;
  Status MountRoot(const Places& places, const InstalledNode& installed) const;
  Status StopLocked(const Places& places, const NodeId& node_id) const;
  Result<ObservedNode> Observe(const NodeId& node_id) const;

  OciRuntimeOptions options_;
  ImageStore images_;
  Runc runc_;
};

}  // namespace tallyman
