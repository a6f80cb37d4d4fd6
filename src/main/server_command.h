// `tallyman server`: the operations over the network, until a signal ends it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"

namespace tallyman::app {

// Reads its own options, serves until SIGTERM or SIGINT, and returns the exit status of the
// process. SIGHUP reloads the certificate. Takes over the signals of the process.
int RunServer(const std::vector<std::string>& arguments,
              const std::function<std::optional<std::string>(std::string_view)>& variable,
              Clock& clock, Random& random);

}  // namespace tallyman::app
