#include "base/json_text.h"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>
#include <iterator>

namespace tallyman {
namespace {

constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kHighBits = 0x8080808080808080;

// Whether one of eight bytes may be less than `limit`; false is always right.
uint64_t MayHaveLess(uint64_t bytes, uint8_t limit) {
  return (bytes - kOnes * limit) & ~bytes & kHighBits;
}

// How many of the first bytes, in steps of eight, certainly need no escape.
size_t PlainBytes(std::string_view text) {
  size_t at = 0;
  for (uint64_t bytes = 0; at + sizeof bytes <= text.size(); at += sizeof bytes) {
    std::memcpy(&bytes, text.data() + at, sizeof bytes);
    const uint64_t escaped = MayHaveLess(bytes, 0x20) | MayHaveLess(bytes ^ (kOnes * '"'), 1) |
                             MayHaveLess(bytes ^ (kOnes * '\\'), 1);
    if (escaped != 0) break;
  }
  return at;
}

}  // namespace

void AppendJsonString(std::string& out, std::string_view text) {
  out += '"';
  size_t plain = 0;  // start of the text that needs no escape
  for (size_t i = PlainBytes(text); i < text.size(); ++i) {
    const char c = text[i];
    const bool quoted = c == '"' || c == '\\';
    if (!quoted && static_cast<unsigned char>(c) >= 0x20) continue;
    out.append(text, plain, i - plain);
    plain = i + 1;
    if (quoted) {
      out += '\\';
      out += c;
    } else {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    }
  }
  out.append(text, plain);
  out += '"';
}

void AppendJsonKey(std::string& out, std::string_view key) {
  AppendJsonString(out, key);
  out += ':';
}

}  // namespace tallyman
