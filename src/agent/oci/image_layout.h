// An image between pull and unpacking: the files that skopeo left in a directory, and the OCI
// layout that umoci unpacks.
//
// umoci 0.4 supports neither zstd nor docker's media types, and rejects some configs. So it gets
// layers that it can read and a config with nothing but their sums.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "agent/oci/image_facts.h"
#include "agent/oci/layer_scan.h"
#include "base/result.h"

namespace tallyman::agent::oci {

struct ImageManifest {
  std::string config;               // hexadecimal digest, also the name of its file
  std::vector<std::string> layers;  // lowest first
};

// Parses the manifest as published. UNIMPLEMENTED IMAGE_NOT_SUPPORTED when it does not describe a
// container image, or has more layers than `layers_max`.
Result<ImageManifest> ReadImageManifest(std::string_view manifest_json, size_t layers_max);

// A layer in a form that umoci accepts.
struct UnpackedLayer {
  std::filesystem::path file;
  std::string digest;                // hexadecimal
  LayerForm form = LayerForm::kTar;  // kTar or kGzip
};

// Creates the layout, with one image tagged "image", and moves the layers into it.
Status WriteLayout(const std::filesystem::path& layout, const ImageFacts& facts,
                   const std::vector<UnpackedLayer>& layers);

}  // namespace tallyman::agent::oci
