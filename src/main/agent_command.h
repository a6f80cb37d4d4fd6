// `tallyman agent`: runs the nodes of this machine as the control plane demands, until a signal
// ends it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"

namespace tallyman::app {

// Reads its own options, works until SIGTERM or SIGINT, and returns the exit status of the process.
// Containers keep running. Takes over the signals of the process.
int RunAgent(const std::vector<std::string>& arguments,
             const std::function<std::optional<std::string>(std::string_view)>& variable,
             Clock& clock, Random& random);

}  // namespace tallyman::app
