// Texts as the agent tells them: the server refuses a report with a longer one, or with one that is
// not well-formed.
#pragma once

#include <string>
#include <string_view>

#include "base/text.h"

namespace tallyman {

// What a container printed last.
inline constexpr size_t kOutputBytesMax = 2000;

// A message, a problem, a name.
inline std::string Told(std::string_view text) { return CleanText(text, 1000); }

}  // namespace tallyman
