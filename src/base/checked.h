// Arithmetic on 64-bit integers that reports overflow.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace tallyman {

constexpr std::optional<int64_t> CheckedAdd(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

constexpr std::optional<int64_t> CheckedSub(int64_t a, int64_t b) {
  int64_t difference = 0;
  if (__builtin_sub_overflow(a, b, &difference)) return std::nullopt;
  return difference;
}

constexpr std::optional<int64_t> CheckedMul(int64_t a, int64_t b) {
  int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// Decimal digits with an optional minus sign and nothing else; nullopt for anything else, for an
// empty text and for a number beyond 64 bits.
std::optional<int64_t> ParseInt64(std::string_view text);

}  // namespace tallyman
