// An image between its pull and its unpacking: what skopeo left in a directory, and the OCI layout
// that umoci unpacks.
//
// umoci 0.4 knows neither zstd nor docker's media types, and stops at configs that it does not
// like. So it is given layers that it can read and a config that says nothing but their sums.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "agent/oci/image_facts.h"
#include "agent/oci/layer_scan.h"
#include "base/result.h"

namespace tallyman {

struct ImageManifest {
  std::string config;               // hexadecimal digest, which is its file's name too
  std::vector<std::string> layers;  // lowest first
};

// From the manifest as published. UNIMPLEMENTED IMAGE_NOT_SUPPORTED when it is not that of a
// container image, or has more layers than `layers_max`.
Result<ImageManifest> ReadImageManifest(std::string_view manifest_json, size_t layers_max);

// A layer as umoci takes it.
struct UnpackedLayer {
  std::filesystem::path file;
  std::string digest;                // hexadecimal
  LayerForm form = LayerForm::kTar;  // kTar or kGzip
};

// Makes the layout, with one image tagged "image", and moves the layers into it.
Status WriteLayout(const std::filesystem::path& layout, const ImageFacts& facts,
                   const std::vector<UnpackedLayer>& layers);

}  // namespace tallyman
