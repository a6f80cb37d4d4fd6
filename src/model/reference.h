// Image references: PROTOCOL/VARIANT@VERSION, with +BUILD where a version has several builds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tallyman {

struct ImageReference {
  std::string protocol;
  std::string variant;
  std::string version;
  std::optional<int64_t> build;

  friend bool operator==(const ImageReference&, const ImageReference&) = default;
};

// INVALID_ARGUMENT, reason INVALID_IMAGE_REFERENCE, names the expected form.
Result<ImageReference> ParseImageReference(std::string_view text);
std::string ToText(const ImageReference& reference);

}  // namespace tallyman
