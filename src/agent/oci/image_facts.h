// An image's config as it was published, and the container config that is made from it.
//
// Pure, except ResolveUser(). An image that cannot run is UNIMPLEMENTED IMAGE_NOT_SUPPORTED, with
// the field at fault.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tallyman::agent::oci {

// docker's HEALTHCHECK.
struct ImageHealth {
  std::vector<std::string> command;
  std::chrono::milliseconds interval = std::chrono::seconds(30);
  std::chrono::milliseconds timeout = std::chrono::seconds(30);
  std::chrono::milliseconds start_period{0};
  int64_t retries = 3;

  friend bool operator==(const ImageHealth&, const ImageHealth&) = default;
};

struct ImageFacts {
  std::string architecture;  // in Go's naming; empty: not stated
  std::string os;
  std::vector<std::string> command;      // ENTRYPOINT and CMD together
  std::vector<std::string> environment;  // NAME=VALUE
  std::string working_directory = "/";
  std::string user;                  // as written
  std::string stop_signal;           // as written; empty: SIGTERM
  std::vector<std::string> volumes;  // as written
  std::map<std::string, std::string> labels;
  std::optional<ImageHealth> health;
  std::vector<std::string> layer_sums;  // "sha256:HEX" of each layer as tar, lowest first

  friend bool operator==(const ImageFacts&, const ImageFacts&) = default;
};

// The user of a container's first process.
struct ContainerUser {
  int64_t uid = 0;
  int64_t gid = 0;
  std::vector<int64_t> more_gids;
  std::string home;  // empty: unknown

  friend bool operator==(const ContainerUser&, const ContainerUser&) = default;
};

// Parses the config as published.
Result<ImageFacts> ReadImageFacts(std::string_view config_json);

// Checks that the image is for this kind of machine.
Status CheckPlatform(const ImageFacts& facts);

// Resolves USER as docker does: NAME or UID, with or without :GROUP or :GID, by the image's own
// passwd and group files, which are read without leaving `root`. A number needs no entry there.
Result<ContainerUser> ResolveUser(const std::string& user, const std::filesystem::path& root);

// The config.json of a runtime bundle that MakeBundle() takes, in the form of umoci, which wrote
// those of earlier releases: a declared volume is an empty tmpfs, labels are annotations.
std::string RenderRuntimeConfig(const ImageFacts& facts, const ContainerUser& user);

// The annotation in which it has docker's HEALTHCHECK: an object with command, interval_ms,
// timeout_ms, start_period_ms and retries; empty: none.
inline constexpr std::string_view kHealthAnnotation = "tallyman.image_health";

Error ImageNotSupported(std::string message);

}  // namespace tallyman::agent::oci
