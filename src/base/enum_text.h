// Enumerators as the words that the database, JSON and the screen use.
//
// An enum opts in by specialising EnumText with `static constexpr std::array<std::string_view, N>
// kWords`, one word per enumerator, in the order of the enumerators, which count from zero.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace tallyman {

template <class Enum>
struct EnumText;

template <class Enum>
constexpr std::string_view ToText(Enum value) {
  return EnumText<Enum>::kWords[static_cast<size_t>(value)];
}

template <class Enum>
constexpr std::optional<Enum> FromText(std::string_view word) {
  for (size_t i = 0; i < EnumText<Enum>::kWords.size(); ++i) {
    if (EnumText<Enum>::kWords[i] == word) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace tallyman
