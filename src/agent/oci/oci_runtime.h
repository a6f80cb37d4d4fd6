// The Runtime of real hosts: OCI containers by runc, images by skopeo and umoci, CPU and memory
// limited by control groups, disks by the node's own file system.
//
// Below the data directory, all of it root's alone:
//   images.img             the space for images; mounted on image-store/
//   image-store/IMAGE_ID/  unpacked images, shared
//   images/IMAGE_ID/       those that earlier releases unpacked
//   nodes/NODE_ID/disk.img the node's disk; mounted on disk/ while it is used
//   nodes/NODE_ID/rootfs/  the container's root: the image, and layers/CONFIG_ID of the disk
//   nodes/NODE_ID/bundle/  config.json, the record of what is installed
//   nodes/NODE_ID/info/    what the node may know about itself
//   locks/NODE_ID          held by whoever works on the node, down to the last tool
// Below the directory of this boot, /run/tallyman-agent/HASH: runc's records in runc/, and what
// nodes with user namespaces see in mapped/. Nothing of an earlier boot is there, so nothing of it
// is believed.
//
// There is at most one job for a node, kept with its request. The same request polls it; another
// request destroys it, with its tools, and starts a new one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "agent/oci/image_room.h"
#include "agent/oci/image_store.h"
#include "agent/oci/job.h"
#include "agent/oci/node_steps.h"
#include "agent/oci/oci_options.h"
#include "agent/oci/runc.h"
#include "agent/runtime.h"

namespace tallyman::agent::oci {

// Thread-safe as Runtime says.
class OciRuntime final : public Runtime {
 public:
  // Checks first that this host supports it, and sets the umask of this process to
  // 0022. PERMISSION_DENIED NOT_PRIVILEGED, FAILED_PRECONDITION
  // CGROUPS_UNAVAILABLE, LOOP_UNAVAILABLE, TOOL_MISSING, USER_NAMESPACES_UNAVAILABLE;
  // INVALID_ARGUMENT INVALID_DATA_DIRECTORY.
  static Result<std::unique_ptr<OciRuntime>> Open(OciRuntimeOptions options);

  Result<Capacity> MeasureCapacity() override;
  Result<Progress> Prepare(const NodeSpec& spec) override;
  Result<Progress> Install(const NodeSpec& spec) override;
  Result<Progress> Start(const NodeId& node_id) override;
  Result<Progress> Stop(const NodeId& node_id) override;
  Result<Progress> Remove(const NodeId& node_id) override;
  Result<Progress> DropLeftovers(const NodeId& node_id) override;
  Result<Progress> DropImagesExcept(const std::set<ImageId>& kept) override;
  Result<std::optional<HealthReport>> CheckHealth(const NodeId& node_id) override;
  Result<HealthReport> CheckRuns(const NodeId& node_id) override;
  Result<std::optional<BlockingJob>> FindBlockingJob(const NodeId& node_id) override;
  Result<std::vector<ObservedNode>> List() override;
  Result<LogPart> ReadLog(const NodeId& node_id, const LogPosition& from,
                          size_t lines_max) override;
  Result<LogPosition> FindLogTail(const NodeId& node_id, int64_t lines) override;

  // "runc 1.1.5", for people.
  static std::string Version();

 private:
  enum class Call { kPrepare, kInstall, kStart, kStop, kRemove, kDropLeftovers };
  struct Asked {
    Call call;
    std::optional<NodeSpec> spec;
    friend bool operator==(const Asked&, const Asked&) = default;
  };
  // The work in progress for a node.
  struct Work {
    std::mutex mutex;  // held by the call that polls it
    Asked asked;
    std::optional<Job<void>> job;
    std::shared_ptr<bool> unbroken;
    std::chrono::steady_clock::time_point since;
    std::optional<Job<HealthReport>> probe;
  };

  explicit OciRuntime(OciRuntimeOptions options);
  std::shared_ptr<Work> WorkOf(const NodeId& node_id);
  void Forget(const NodeId& node_id);
  Result<Progress> LookAfter(const NodeId& node_id, const Asked& asked,
                             const std::function<Job<void>(std::shared_ptr<bool>)>& begin);
  ObservedNode Observe(const NodeId& node_id, const std::vector<MountPoint>& mounts) const;

  OciRuntimeOptions options_;
  ImageRoom room_;
  ImageStore images_;
  Runc runc_;
  NodeSteps steps_;
  std::mutex mutex_;
  std::map<NodeId, std::shared_ptr<Work>> works_;
};

}  // namespace tallyman::agent::oci
