// The superblock of an ext4 file system, read from the file that holds it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/result.h"

namespace tallyman::agent::oci {

struct Ext4State {
  int64_t bytes = 0;  // the size of the file system, not of the file
  // It was unmounted cleanly and has no known errors: it can be mounted without a check.
  bool clean = false;
};

// nullopt: there is no ext4 file system in it. INTERNAL FILE_NOT_READ.
Result<std::optional<Ext4State>> ReadExt4State(const std::filesystem::path& file);

}  // namespace tallyman::agent::oci
