// Identifiers: UUID version 7 (RFC 9562), a distinct C++ type per kind of thing.
//
// Ids made by one process sort by creation time, which says nothing about commit order.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace tallyman {

struct Uuid {
  std::array<uint8_t, 16> bytes{};

  static Uuid V7(Time now, uint64_t random_high, uint64_t random_low);
  // Accepts the canonical form of 36 characters in either case; nullopt for anything else.
  static std::optional<Uuid> Parse(std::string_view text);
  std::string ToString() const;
  bool is_nil() const { return *this == Uuid{}; }

  friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

template <class Tag>
struct Id {
  Uuid uuid;

  static std::optional<Id> Parse(std::string_view text) {
    auto parsed = Uuid::Parse(text);
    if (!parsed) return std::nullopt;
    return Id{*parsed};
  }
  std::string ToString() const { return uuid.ToString(); }
  bool is_nil() const { return uuid.is_nil(); }

  friend auto operator<=>(const Id&, const Id&) = default;
};

}  // namespace tallyman

template <>
struct std::hash<tallyman::Uuid> {
  size_t operator()(const tallyman::Uuid& uuid) const noexcept {
    // The low half of a UUID is random: it is its own hash.
    size_t low_half = 0;
    std::memcpy(&low_half, uuid.bytes.data() + 8, sizeof low_half);
    return low_half;
  }
};
template <class Tag>
struct std::hash<tallyman::Id<Tag>> {
  size_t operator()(const tallyman::Id<Tag>& id) const noexcept {
    return std::hash<tallyman::Uuid>()(id.uuid);
  }
};
