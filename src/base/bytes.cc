#include "base/bytes.h"

#include <fmt/core.h>

#include <cmath>

namespace tallyman {
namespace {

struct Unit {
  int64_t size;
  const char* name;
};

constexpr Unit kDecimal[] = {{1'000'000'000'000'000, "PB"},
                             {1'000'000'000'000, "TB"},
                             {kGiga, "GB"},
                             {kMega, "MB"},
                             {1000, "kB"}};
constexpr Unit kBinary[] = {{kTebi, "TiB"}, {kGibi, "GiB"}, {kMebi, "MiB"}};

}  // namespace

std::string FormatBytes(int64_t bytes) {
  // __int128 so that the smallest number has a magnitude too.
  __int128 magnitude = bytes < 0 ? -static_cast<__int128>(bytes) : bytes;
  const char* sign = bytes < 0 ? "-" : "";
  for (const Unit& unit : kBinary) {
    // Only whole binary units below ten thousand read better than decimal ones.
    if (magnitude % unit.size == 0 && magnitude / unit.size > 0 && magnitude / unit.size < 10000 &&
        magnitude % kMega != 0) {
      return fmt::format("{}{} {}", sign, static_cast<int64_t>(magnitude / unit.size), unit.name);
    }
  }
  for (const Unit& unit : kDecimal) {
    if (magnitude < unit.size) continue;
    double value = static_cast<double>(magnitude) / static_cast<double>(unit.size);
    int decimals = value >= 100 ? 1 : 2;
    std::string digits = fmt::format("{:.{}f}", value, decimals);
    while (digits.back() == '0') digits.pop_back();
    if (digits.back() == '.') digits.pop_back();
    return fmt::format("{}{} {}", sign, digits, unit.name);
  }
  return fmt::format("{} B", bytes);
}

std::string ToHex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(bytes.size() * 2, '0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    auto byte = static_cast<unsigned char>(bytes[i]);
    text[2 * i] = kDigits[byte >> 4];
    text[2 * i + 1] = kDigits[byte & 15];
  }
  return text;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<std::string> FromHex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = HexDigit(text[i]), low = HexDigit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes += static_cast<char>(high << 4 | low);
  }
  return bytes;
}

}  // namespace tallyman
