// How new nodes are spread over the hosts of a region.
#pragma once

#include "base/enum_text.h"

namespace tallyman {

// Spread: fewest nodes, then most free cores. Pack: fewest free cores that still fit, then least
// free memory. Ties go to the smaller id, so that the same fleet gives the same answer.
enum class PlacementStrategy { kSpread, kPack };

template <>
struct EnumText<PlacementStrategy> {
  static constexpr std::array<std::string_view, 2> kWords = {"spread", "pack"};
};

}  // namespace tallyman
