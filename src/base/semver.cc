#include "base/semver.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/checked.h"

namespace tallyman {
namespace {

bool IsNumber(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<int64_t> Number(std::string_view text) {
  if (!IsNumber(text) || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  return ParseInt64(text);
}

std::string_view TakeUntil(std::string_view& text, char separator) {
  size_t at = text.find(separator);
  std::string_view head = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
  return head;
}

bool IsPreRelease(std::string_view text) {
  if (text.empty() || text.back() == '.') return false;
  while (!text.empty()) {
    std::string_view part = TakeUntil(text, '.');
    if (part.empty() || (IsNumber(part) && !Number(part))) return false;
    if (!std::ranges::all_of(part, [](char c) {
          return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                 c == '-';
        })) {
      return false;
    }
  }
  return true;
}

std::strong_ordering CompareIdentifiers(std::string_view a, std::string_view b) {
  auto x = Number(a), y = Number(b);
  if (x && y) return *x <=> *y;
  if (x.has_value() != y.has_value()) {
    return x ? std::strong_ordering::less : std::strong_ordering::greater;
  }
  return a <=> b;
}

}  // namespace

std::optional<SemVer> SemVer::Parse(std::string_view text) {
  if (text.size() > 128) return std::nullopt;
  SemVer version;
  size_t dash = text.find('-');
  std::string_view core = text.substr(0, dash);
  if (dash != std::string_view::npos) {
    version.pre_release = std::string(text.substr(dash + 1));
    if (!IsPreRelease(version.pre_release)) return std::nullopt;
  }
  if (std::ranges::count(core, '.') != 2) return std::nullopt;
  auto major = Number(TakeUntil(core, '.'));
  auto minor = Number(TakeUntil(core, '.'));
  auto patch = Number(core);
  if (!major || !minor || !patch) return std::nullopt;
  version.major = *major;
  version.minor = *minor;
  version.patch = *patch;
  return version;
}

std::string SemVer::ToString() const {
  std::string text = fmt::format("{}.{}.{}", major, minor, patch);
  return pre_release.empty() ? text : text + "-" + pre_release;
}

std::strong_ordering Compare(const SemVer& a, const SemVer& b) {
  if (auto c = a.major <=> b.major; c != 0) return c;
  if (auto c = a.minor <=> b.minor; c != 0) return c;
  if (auto c = a.patch <=> b.patch; c != 0) return c;
  // A version without a pre-release comes after all of its pre-releases.
  if (a.pre_release.empty() || b.pre_release.empty()) {
    return a.pre_release.empty() <=> b.pre_release.empty();
  }
  std::string_view left = a.pre_release, right = b.pre_release;
  while (!left.empty() && !right.empty()) {
    if (auto c = CompareIdentifiers(TakeUntil(left, '.'), TakeUntil(right, '.')); c != 0) return c;
  }
  return !left.empty() <=> !right.empty();
}

}  // namespace tallyman
