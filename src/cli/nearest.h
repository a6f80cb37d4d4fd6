// What somebody may have meant to type.
#pragma once

#include <string>
#include <vector>

namespace tallyman::cli {

// The one of `known` that is nearest to `typed`; empty when none is near.
std::string Nearest(const std::string& typed, const std::vector<std::string>& known);

}  // namespace tallyman::cli
