// Semantic versions (semver.org 2.0.0), for ordering and validation.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tallyman {

// Build metadata is not kept: in an image reference the part after '+' is the build's number.
struct SemVer {
  int64_t major = 0;
  int64_t minor = 0;
  int64_t patch = 0;
  std::string pre_release;

  static std::optional<SemVer> Parse(std::string_view text);
  std::string ToString() const;

  friend bool operator==(const SemVer&, const SemVer&) = default;
};

// Precedence as in section 11 of the specification.
std::strong_ordering Compare(const SemVer& a, const SemVer& b);

}  // namespace tallyman
