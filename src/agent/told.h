// Texts as the agent reports them: the server rejects a report with a longer or malformed one.
#pragma once

#include <string>
#include <string_view>

#include "base/text.h"

namespace tallyman::agent {

// The end of a container's output.
inline constexpr size_t kOutputBytesMax = 2000;

// A message, a problem, a name.
inline std::string Told(std::string_view text) { return CleanText(text, 1000); }

}  // namespace tallyman::agent
