// Counts what a layer of an image would unpack to, before anything is unpacked.
//
// Free functions over files; they block, so they are called aside (aside.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>

#include "base/result.h"

namespace tallyman::agent::oci {

enum class LayerForm { kTar, kGzip, kZstd, kUnknown };

// Detects the form by the first bytes, because a manifest may be wrong about a layer. An empty file
// is a tar archive without entries.
Result<LayerForm> FormOfLayer(const std::filesystem::path& blob);

struct LayerSize {
  int64_t entries = 0;
  int64_t bytes = 0;  // on a disk: whole blocks, holes of sparse files filled
};

// Counts a layer of form kTar or kGzip, and stops early beyond `bounds`. An invalid archive is
// counted up to its first fault, which unpacking will report. CANCELED.
Result<LayerSize> CountLayer(const std::filesystem::path& blob, LayerForm form,
                             const LayerSize& bounds, const std::stop_token& stop);

}  // namespace tallyman::agent::oci
