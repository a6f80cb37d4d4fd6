#include "agent/oci/image_uri.h"

#include <algorithm>

namespace tallyman::agent::oci {
namespace {

constexpr size_t kUriBytesMax = 1000;

bool IsPlain(std::string_view text, std::string_view also) {
  return std::ranges::all_of(text, [&](char c) {
    bool letter_or_digit =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return letter_or_digit || also.find(c) != std::string_view::npos;
  });
}

bool IsLayoutUri(std::string_view uri) {
  if (!uri.starts_with("oci:/")) return false;
  std::string_view rest = uri.substr(4);
  size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == rest.size()) return false;
  return IsPlain(rest.substr(0, colon), "/._-+") && IsPlain(rest.substr(colon + 1), "._-+");
}

bool IsRegistryUri(std::string_view uri) {
  constexpr std::string_view kScheme = "docker://";
  return uri.starts_with(kScheme) && uri.size() > kScheme.size() && uri[kScheme.size()] != '-' &&
         IsPlain(uri.substr(kScheme.size()), "/._-:");
}

}  // namespace

std::optional<ImageUri> SplitImageUri(std::string_view uri) {
  if (uri.size() > kUriBytesMax) return std::nullopt;
  size_t at = uri.find('@');
  ImageUri parts{std::string(uri.substr(0, at)), ""};
  if (!IsLayoutUri(parts.name) && !IsRegistryUri(parts.name)) return std::nullopt;
  if (at == std::string_view::npos) return parts;
  constexpr std::string_view kAlgorithm = "sha256:";
  std::string_view digest = uri.substr(at + 1);
  bool known = digest.starts_with(kAlgorithm) && digest.size() == kAlgorithm.size() + 64 &&
               std::ranges::all_of(digest.substr(kAlgorithm.size()), [](char c) {
                 return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
               });
  if (!known) return std::nullopt;
  parts.digest = digest;
  return parts;
}

std::string SourceOf(const ImageUri& uri) {
  if (uri.digest.empty() || !uri.name.starts_with("docker://")) return uri.name;
  size_t colon = uri.name.rfind(':');
  bool has_tag = colon != std::string::npos && uri.name.find('/', colon) == std::string::npos;
  return (has_tag ? uri.name.substr(0, colon) : uri.name) + "@" + uri.digest;
}

}  // namespace tallyman::agent::oci
