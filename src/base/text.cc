#include "base/text.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace tallyman {
namespace {

// The length of the well-formed sequence that starts `text`, or 0.
size_t SequenceLength(std::string_view text) {
  auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  auto follows = [&](size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
    return byte(i) >= low && byte(i) <= high;
  };
  unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first == 0xe0) return follows(1, 0xa0) && follows(2) ? 3 : 0;
  if (first == 0xed) return follows(1, 0x80, 0x9f) && follows(2) ? 3 : 0;
  if (first >= 0xe1 && first <= 0xef) return follows(1) && follows(2) ? 3 : 0;
  if (first == 0xf0) return follows(1, 0x90) && follows(2) && follows(3) ? 4 : 0;
  if (first >= 0xf1 && first <= 0xf3) return follows(1) && follows(2) && follows(3) ? 4 : 0;
  if (first == 0xf4) return follows(1, 0x80, 0x8f) && follows(2) && follows(3) ? 4 : 0;
  return 0;
}

// The next eight bytes are there and are ASCII.
bool StartsWithAscii(std::string_view text) {
  constexpr uint64_t kHighestBits = 0x8080808080808080u;
  uint64_t eight = kHighestBits;
  if (text.size() >= sizeof eight) std::memcpy(&eight, text.data(), sizeof eight);
  return (eight & kHighestBits) == 0;
}

bool IsControl(char c) { return (static_cast<unsigned char>(c) < 0x20) || c == 0x7f; }

bool IsNumeral(char c) { return c >= '0' && c <= '9'; }

// The digits at `at`, without leading zeros; `at` is moved behind them.
std::string_view TakeNumber(std::string_view text, size_t& at) {
  while (at < text.size() && text[at] == '0') ++at;
  const size_t begin = at;
  while (at < text.size() && IsNumeral(text[at])) ++at;
  return text.substr(begin, at - begin);
}

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    size_t length = StartsWithAscii(text) ? sizeof(uint64_t) : SequenceLength(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string ValidUtf8(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const size_t length = SequenceLength(text);
    valid += length == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(0, length);
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return valid;
}

std::string_view CutUtf8(std::string_view text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  // The first byte that is left out must begin a character, or the cut splits one.
  size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

std::string CleanText(std::string_view text, size_t bytes_max) {
  // Bytes beyond this cannot be in the result, however short their replacements are.
  std::string clean = ValidUtf8(text.substr(0, bytes_max + 4));
  clean.resize(CutUtf8(clean, bytes_max).size());
  std::ranges::replace_if(
      clean, [](char c) { return IsControl(c) && c != '\t' && c != '\n'; }, ' ');
  return clean;
}

std::string Quote(std::string_view text) {
  constexpr size_t kBytesMax = 60;
  std::string quoted = "\"";
  bool cut = false;
  while (!text.empty()) {
    if (quoted.size() > kBytesMax) {
      cut = true;
      break;
    }
    size_t length = SequenceLength(text);
    if (length == 0 || (length == 1 && IsControl(text[0]))) {
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
      length = 1;
    } else {
      if (text[0] == '"' || text[0] == '\\') quoted += '\\';
      quoted += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  quoted += cut ? "...\"" : "\"";
  return quoted;
}

Status CheckName(std::string_view field, std::string_view text) {
  auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  bool good = !text.empty() && text.size() <= 100 && plain(text[0]) &&
              std::ranges::all_of(
                  text, [&](char c) { return plain(c) || c == '.' || c == '_' || c == '-'; });
  if (good) return {};
  return Fail(
      InvalidArgument("INVALID_NAME",
                      fmt::format("{} is {} ({} bytes): use 1 to 100 letters, digits, '.', '_' or "
                                  "'-', beginning with a letter or digit",
                                  field, Quote(text), text.size()))
          .With("field", std::string(field)));
}

Status CheckText(std::string_view field, std::string_view text, size_t bytes_max) {
  auto refuse = [&](std::string_view why) {
    return Fail(
        InvalidArgument("INVALID_TEXT", fmt::format("{} is {}: {}", field, Quote(text), why))
            .With("field", std::string(field)));
  };
  if (text.size() > bytes_max) {
    return refuse(fmt::format("{} bytes are more than the {} allowed", text.size(), bytes_max));
  }
  if (!IsUtf8(text)) return refuse("it is not well-formed UTF-8");
  if (std::ranges::any_of(text, [](char c) { return IsControl(c) && c != '\t' && c != '\n'; })) {
    return refuse("it contains a control character");
  }
  return {};
}

bool NaturallyBefore(std::string_view a, std::string_view b) {
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() && j < b.size()) {
    if (IsNumeral(a[i]) && IsNumeral(b[j])) {
      const std::string_view m = TakeNumber(a, i);
      const std::string_view n = TakeNumber(b, j);
      if (m.size() != n.size()) return m.size() < n.size();
      if (m != n) return m < n;
    } else {
      if (a[i] != b[j]) return a[i] < b[j];
      ++i;
      ++j;
    }
  }
  return a.size() - i < b.size() - j;
}

}  // namespace tallyman
