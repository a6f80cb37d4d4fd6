// The source of an image: oci:/DIRECTORY:TAG or docker://NAME:TAG, optionally followed by
// @sha256:DIGEST.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tallyman::agent::oci {

struct ImageUri {
  std::string name;    // without the digest
  std::string digest;  // "sha256:HEX"; empty: any
};

// nullopt: it has another form.
std::optional<ImageUri> SplitImageUri(std::string_view uri);

// The source for skopeo. If there is a digest, the registry is asked by digest, which skopeo
// verifies; a tag beside it is for people.
std::string SourceOf(const ImageUri& uri);

}  // namespace tallyman::agent::oci
