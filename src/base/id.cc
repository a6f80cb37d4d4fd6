#include "base/id.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"

namespace tallyman {
namespace {

// Both digits of every byte.
constexpr auto kHexPairs = [] {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (size_t byte = 0; byte < pairs.size(); ++byte)
    pairs[byte] = {kDigits[byte / 16], kDigits[byte % 16]};
  return pairs;
}();

bool IsDashAt(size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

}  // namespace

Uuid Uuid::V7(Time now, uint64_t random_high, uint64_t random_low) {
  // 48 bits of milliseconds, then 12 bits that hold the fraction of the millisecond (RFC 9562,
  // section 6.2, method 3), so that ids of one millisecond sort as well.
  int64_t micros = now.time_since_epoch().count();
  auto millis = static_cast<uint64_t>(micros / 1000);
  auto fraction = static_cast<uint64_t>(micros % 1000) * 4096 / 1000;
  uint64_t high = (millis << 16) | 0x7000u | fraction;
  uint64_t low = (random_low & 0x3fffffffffffffffu) | 0x8000000000000000u;
  low ^= random_high & 0x3fffffffffffffffu;
  Uuid uuid;
  for (size_t i = 0; i < 8; ++i) {
    uuid.bytes[i] = static_cast<uint8_t>(high >> (56 - 8 * i));
    uuid.bytes[8 + i] = static_cast<uint8_t>(low >> (56 - 8 * i));
  }
  return uuid;
}

std::optional<Uuid> Uuid::Parse(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  Uuid uuid;
  size_t digit = 0;
  for (size_t i = 0; i < 36; ++i) {
    if (IsDashAt(i)) {
      if (text[i] != '-') return std::nullopt;
      continue;
    }
    int value = HexDigit(text[i]);
    if (value < 0) return std::nullopt;
    auto& byte = uuid.bytes[digit / 2];
    byte = static_cast<uint8_t>(byte << 4 | value);
    ++digit;
  }
  return uuid;
}

std::string Uuid::ToString() const {
  std::string text(36, '-');
  size_t at = 0;
  for (uint8_t byte : bytes) {
    if (IsDashAt(at)) ++at;
    std::ranges::copy(kHexPairs[byte], &text[at]);
    at += 2;
  }
  return text;
}

}  // namespace tallyman
