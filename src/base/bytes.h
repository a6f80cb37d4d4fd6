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
// The bytes of what ToHex() makes; nullopt: of nothing that it makes.
std::optional<std::string> FromHex(std::string_view text);

}  // namespace tallyman
