// A container's config.json: what is written beside the image, and what the node's config and this
// host make of that. What keeps the node apart is put in when it is started: isolation.h. Pure.
//
// The config.json is also the record of what is installed: annotations under "tallyman." carry the
// ids, the resources asked for and the commands, and runc gives them back for every container, so
// that what runs is known without any other memory.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "agent/oci/bundle_image.h"
#include "agent/runtime.h"
#include "base/result.h"

namespace tallyman {

// Where the parts of a node are on this host, and how its container is to be limited.
struct BundlePlaces {
  std::filesystem::path root;     // the container's root file system
  std::filesystem::path volumes;  // a directory below it for each volume that the image declares
  std::vector<std::string> used_volumes = {};  // the names of those that the node has had
  std::filesystem::path info;                  // read-only in the container, at /tallyman
  std::filesystem::path jobs;                  // at /tallyman/jobs
  std::string cgroup;                          // "/tallyman/NODE_ID"
  bool limit_swap = false;                     // the kernel accounts for swap
};

struct Bundle {
  std::string config_json;
  // Directories below `places.volumes` that its mounts need, one name each.
  std::vector<std::string> volume_names;
};

// `image_config` is the config.json beside the image. INVALID_ARGUMENT IMAGE_CONFIG_INVALID when it
// cannot be read; UNIMPLEMENTED IMAGE_NOT_SUPPORTED for volumes that cannot be.
Result<Bundle> MakeBundle(std::string_view image_config, const NodeSpec& spec,
                          const BundlePlaces& places);

// What a config.json made above says of itself.
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
  std::optional<DataOwner> user = {};  // nullopt: not known
};

// From the annotations of a config.json, or of a container as runc lists it: a JSON object of
// strings. DATA_LOSS CONTAINER_UNREADABLE.
Result<InstalledNode> ReadAnnotations(std::string_view annotations_json);
// From a whole config.json.
Result<InstalledNode> ReadInstalled(std::string_view config_json);

// What /tallyman/node.json tells the node about itself.
std::string RenderNodeInfo(const NodeSpec& spec);

}  // namespace tallyman
