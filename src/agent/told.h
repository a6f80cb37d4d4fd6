// How much of a text the agent tells: the server refuses a report with a longer one.
#pragma once

#include <cstddef>

namespace tallyman {

// A message, a problem, a name.
inline constexpr size_t kToldBytesMax = 1000;
// What a container printed last.
inline constexpr size_t kOutputBytesMax = 2000;

}  // namespace tallyman
