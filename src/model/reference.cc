#include "model/reference.h"

#include <fmt/core.h>

#include "base/checked.h"
#include "base/semver.h"
#include "base/text.h"

namespace tallyman {

Result<ImageReference> ParseImageReference(std::string_view text) {
  auto refuse = [&](std::string_view why) {
    return Fail(InvalidArgument("INVALID_IMAGE_REFERENCE",
                                fmt::format("image {} {}: write PROTOCOL/VARIANT@VERSION or "
                                            "PROTOCOL/VARIANT@VERSION+BUILD, such as "
                                            "ethereum/reth-mainnet-full@0.0.9",
                                            Quote(text), why))
                    .With("field", "image"));
  };
  size_t slash = text.find('/');
  size_t at = text.find('@');
  if (slash == std::string_view::npos || at == std::string_view::npos || at < slash) {
    return refuse("is not a reference");
  }
  ImageReference reference;
  reference.protocol = text.substr(0, slash);
  reference.variant = text.substr(slash + 1, at - slash - 1);
  std::string_view version = text.substr(at + 1);
  if (size_t plus = version.find('+'); plus != std::string_view::npos) {
    reference.build = ParseInt64(version.substr(plus + 1));
    if (!reference.build || *reference.build < 1)
      return refuse("has no build number of 1 or more after '+'");
    version = version.substr(0, plus);
  }
  reference.version = version;
  if (!CheckName("protocol", reference.protocol)) return refuse("has no valid protocol before '/'");
  if (!CheckName("variant", reference.variant))
    return refuse("has no valid variant between '/' and '@'");
  if (!SemVer::Parse(version)) return refuse("has no semantic version after '@'");
  return reference;
}

std::string ToText(const ImageReference& reference) {
  std::string text = reference.protocol + '/' + reference.variant + '@' + reference.version;
  if (reference.build) text += '+' + std::to_string(*reference.build);
  return text;
}

}  // namespace tallyman
