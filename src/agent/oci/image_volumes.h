// The paths of an image's volumes in a container and on a node's disk.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tallyman::agent::oci {

// An absolute path without "//", "." and "..", cleaned as docker does; "" is "/".
std::string CleanPath(std::string_view path);

// Whether `path` is `outer` or below it. REQUIRES: both are clean.
bool IsWithin(std::string_view path, std::string_view outer);

// The paths that an image declares, clean, outer ones before inner ones. UNIMPLEMENTED
// IMAGE_NOT_SUPPORTED for a path at which no volume can be mounted, such as / or /proc, and for
// more than 32.
Result<std::vector<std::string>> CleanVolumes(const std::vector<std::string>& declared);

// The name of a volume's directory on a node's disk: /var/lib/x is var+lib+x, and bytes other than
// A-Z a-z 0-9 . _ - are %XX. The names of two paths differ. REQUIRES: a clean path other than "/".
std::string VolumeNameOf(std::string_view path);
// The inverse. nullopt: not such a name.
std::optional<std::string> VolumePathOf(std::string_view name);

}  // namespace tallyman::agent::oci
