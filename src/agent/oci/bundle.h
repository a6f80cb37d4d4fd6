// A container's config.json: made from the config.json beside the image, the node's config and this
// host. Its isolation is added at each start: isolation.h. Pure.
//
// The config.json is also the record of what is installed: annotations under "tallyman." hold the
// ids, the requested resources and the commands. runc returns them for every container, so that no
// other record of what runs is needed.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "agent/oci/bundle_image.h"
#include "agent/runtime.h"
#include "base/result.h"

namespace tallyman::agent::oci {

// Where the parts of a node are on this host, and how its container is limited.
struct BundlePlaces {
  std::filesystem::path root;     // the container's root file system
  std::filesystem::path volumes;  // has a directory for each volume that the image declares
  std::vector<std::string> used_volumes = {};  // names of volumes that the node has had
  std::filesystem::path info;                  // read-only in the container, at /tallyman
  std::filesystem::path jobs;                  // at /tallyman/jobs
  std::filesystem::path secrets = {};          // at /tallyman/secrets, for a node that has some
  std::string cgroup;                          // "/tallyman/NODE_ID"
  bool limit_swap = false;                     // the kernel accounts for swap
};

struct Bundle {
  std::string config_json;
  // The directories below `places.volumes` that its mounts need, one name each.
  std::vector<std::string> volume_names;
};

// `image_config` is the config.json beside the image. INVALID_ARGUMENT IMAGE_CONFIG_INVALID when it
// cannot be read; UNIMPLEMENTED IMAGE_NOT_SUPPORTED for impossible volumes.
Result<Bundle> MakeBundle(std::string_view image_config, const NodeSpec& spec,
                          const BundlePlaces& places);

// What a config.json made above records.
struct InstalledNode {
  NodeId node_id;
  ConfigId config_id;
  ImageId image_id;
  std::string image_uri;
  Resources resources;
  std::vector<std::string> health_command;  // empty: none
  std::string stop_signal = "SIGTERM";
  std::chrono::seconds stop_grace{30};
  std::vector<std::string> volume_names;
  HealthTiming health_timing = {};
  std::optional<DataOwner> user = {};  // nullopt: unknown
};

// Reads the annotations of a config.json, or of a container as runc lists it: a JSON object of
// strings. DATA_LOSS CONTAINER_UNREADABLE.
Result<InstalledNode> ReadAnnotations(std::string_view annotations_json);
// Reads a whole config.json.
Result<InstalledNode> ReadInstalled(std::string_view config_json);

// The content of /tallyman/node.json, for the node itself.
std::string RenderNodeInfo(const NodeSpec& spec);

}  // namespace tallyman::agent::oci
