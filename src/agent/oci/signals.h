// The stop signals that images name.
#pragma once

#include <optional>
#include <string_view>

namespace tallyman::agent::oci {

// "TERM", "SIGTERM", "15", "RTMIN+3", "SIGRTMAX-2", in either case. nullopt: there is no such
// signal.
std::optional<int> ParseSignal(std::string_view text);

}  // namespace tallyman::agent::oci
