#include "agent/oci/image_volumes.h"

#include <fmt/core.h>

#include <algorithm>

#include "agent/oci/image_facts.h"
#include "base/text.h"

namespace tallyman::agent::oci {
namespace {

constexpr size_t kVolumesMax = 32;
constexpr size_t kNameBytesMax = 255;
// Paths where a container has its own mounts.
constexpr std::string_view kTaken[] = {"/proc", "/sys", "/dev", "/tallyman"};

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}

int DigitOf(char c) {
  return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

}  // namespace

std::string CleanPath(std::string_view path) {
  std::string clean;
  while (!path.empty()) {
    const size_t slash = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      clean.resize(clean.empty() ? 0 : clean.rfind('/'));
    } else {
      clean += '/';
      clean += part;
    }
  }
  return clean.empty() ? "/" : clean;
}

bool IsWithin(std::string_view path, std::string_view outer) {
  return path == outer || (path.size() > outer.size() && path.starts_with(outer) &&
                           (path[outer.size()] == '/' || outer == "/"));
}

Result<std::vector<std::string>> CleanVolumes(const std::vector<std::string>& declared) {
  std::vector<std::string> clean;
  for (const std::string& path : declared) {
    std::string cleaned = CleanPath(path);
    const bool taken = std::ranges::any_of(
        kTaken, [&](std::string_view there) { return IsWithin(cleaned, there); });
    if (cleaned == "/" || taken || cleaned.find('\0') != std::string::npos ||
        VolumeNameOf(cleaned).size() > kNameBytesMax) {
      return Fail(ImageNotSupported(
          fmt::format("VOLUME {} of the image cannot be one: it is / or below /proc, /sys, /dev or "
                      "/tallyman, or its name is too long: declare another path",
                      Quote(path))));
    }
    clean.push_back(std::move(cleaned));
  }
  // An outer path is the shorter one, and sorts first.
  std::ranges::sort(clean);
  const auto doubled = std::ranges::unique(clean);
  clean.erase(doubled.begin(), doubled.end());
  if (clean.size() <= kVolumesMax) return clean;
  return Fail(
      ImageNotSupported(fmt::format("the image declares {} volumes, and at most {} are "
                                    "possible",
                                    clean.size(), kVolumesMax)));
}

std::string VolumeNameOf(std::string_view path) {
  std::string name;
  for (char c : path.substr(1)) {
    if (c == '/') {
      name += '+';
    } else if (IsPlain(c)) {
      name += c;
    } else {
      name += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return name;
}

std::optional<std::string> VolumePathOf(std::string_view name) {
  std::string path = "/";
  for (size_t i = 0; i < name.size(); ++i) {
    if (IsPlain(name[i])) {
      path += name[i];
    } else if (name[i] == '+') {
      path += '/';
    } else {
      const int high = name[i] == '%' && i + 2 < name.size() ? DigitOf(name[i + 1]) : -1;
      const int low = high >= 0 ? DigitOf(name[i + 2]) : -1;
      if (low < 0) return std::nullopt;
      path += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  if (path == "/" || CleanPath(path) != path) return std::nullopt;
  return path;
}

}  // namespace tallyman::agent::oci
