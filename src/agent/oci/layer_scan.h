// What a layer of an image would unpack to, counted before anything is unpacked.
//
// Free functions over files; they block, so they are called aside (aside.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>

#include "base/result.h"

namespace tallyman {

enum class LayerForm { kTar, kGzip, kZstd, kUnknown };

// By its first bytes: what a manifest says of a layer is not always so. An empty file is a tar
// archive without entries.
Result<LayerForm> FormOfLayer(const std::filesystem::path& blob);

struct LayerSize {
  int64_t entries = 0;
  int64_t bytes = 0;  // on a disk: whole blocks, holes of sparse files filled
};

// Counts a layer of form kTar or kGzip, and ends early beyond `bounds`. What is not a tar archive
// counts up to where it stops being one: whoever unpacks it says what is wrong. CANCELED.
Result<LayerSize> CountLayer(const std::filesystem::path& blob, LayerForm form,
                             const LayerSize& bounds, const std::stop_token& stop);

}  // namespace tallyman
