// What of a container's config.json comes from its image: volumes, user, health. Pure.
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

namespace tallyman {

// Who a container's first process is, and so whose what it may write should be.
struct DataOwner {
  int64_t uid = 0;
  int64_t gid = 0;

  friend bool operator==(const DataOwner&, const DataOwner&) = default;
};

// "UID:GID" both ways.
std::string ToText(const DataOwner& owner);
std::optional<DataOwner> ParseDataOwner(std::string_view text);

// From a config.json; root where it does not say.
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
// /data where it declares none. Errors of CleanVolumes().
Result<std::vector<std::string>> DeclaredVolumes(const boost::json::object& config);

// Mounts the declared volumes and those of `used`, the names of volumes that the node has had, at
// their paths, outer ones first; a new one within one that the node has had is a part of that one.
// Gives the names of all.
Result<std::vector<std::string>> PlanVolumes(boost::json::object& config,
                                             const std::filesystem::path& directory,
                                             const std::vector<std::string>& used);

}  // namespace tallyman
