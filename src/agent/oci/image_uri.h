// Where an image comes from: oci:/DIRECTORY:TAG or docker://NAME:TAG, with or without
// @sha256:DIGEST behind.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tallyman {

struct ImageUri {
  std::string name;    // without the digest
  std::string digest;  // "sha256:HEX"; empty: any
};

// nullopt: it has another form.
std::optional<ImageUri> SplitImageUri(std::string_view uri);

// What skopeo is to copy. A registry is asked by digest, and skopeo compares; a tag beside it is
// for people.
std::string SourceOf(const ImageUri& uri);

}  // namespace tallyman
