// Amounts of bytes as people read them, and bytes as hexadecimal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tallyman {

inline constexpr int64_t kMega = 1'000'000;
inline constexpr int64_t kGiga = 1'000'000'000;
inline constexpr int64_t kMebi = int64_t{1} << 20;
inline constexpr int64_t kGibi = int64_t{1} << 30;
inline constexpr int64_t kTebi = int64_t{1} << 40;

// "32 GB", "1.5 TB", "256 GiB": exact in the unit shown when it can be, else three digits.
std::string FormatBytes(int64_t bytes);

std::string ToHex(std::string_view bytes);
// The value of a digit, small letter or capital; -1: it is none.
int HexDigit(char c);
// The bytes of pairs of such digits; nullopt: it is something else.
std::optional<std::string> FromHex(std::string_view text);

}  // namespace tallyman
