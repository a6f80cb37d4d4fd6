// The parts of a container's config.json that come from its image: volumes, user, health. Pure.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tallyman::agent::oci {

// The user of a container's first process, who should own what it may write.
struct DataOwner {
  int64_t uid = 0;
  int64_t gid = 0;

  friend bool operator==(const DataOwner&, const DataOwner&) = default;
};

// Converts to and from "UID:GID".
std::string ToText(const DataOwner& owner);
std::optional<DataOwner> ParseDataOwner(std::string_view text);

// Reads a config.json; root if it names no user.
DataOwner OwnerOf(const boost::json::object& config);

// How the health command of an image is to be run. 0: not said.
struct HealthTiming {
  std::chrono::milliseconds timeout{0};
  std::chrono::milliseconds interval{0};
  std::chrono::milliseconds start_period{0};
  int64_t retries = 0;  // so many failures in a row make it unhealthy

  friend bool operator==(const HealthTiming&, const HealthTiming&) = default;
};

struct HealthPlan {
  boost::json::array command;  // empty: none
  HealthTiming timing;
};

// The node's value health_command, or the image's label tallyman.health, or docker's HEALTHCHECK,
// from the config.json beside the image. INVALID_ARGUMENT IMAGE_CONFIG_INVALID.
Result<HealthPlan> PlanHealth(const boost::json::object& config, std::string_view value);

// The clean paths of the volumes that the config.json beside an image declares, outer ones first;
// /data if it declares none. Errors of CleanVolumes().
Result<std::vector<std::string>> DeclaredVolumes(const boost::json::object& config);

// Mounts the declared volumes and those of `used`, the names of volumes that the node has had, at
// their paths, outer ones first; a new volume within one that the node has had is part of that one.
// Returns all names.
Result<std::vector<std::string>> PlanVolumes(boost::json::object& config,
                                             const std::filesystem::path& directory,
                                             const std::vector<std::string>& used);

}  // namespace tallyman::agent::oci
