// YAML as people write it: fleet files, and the file with contexts, which is written too.
#include "cli/config.h"
#include "cli/fleet_file.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tallyman;
  const std::string text(TextOf(data, size));
  if (auto fleet = tallyman::cli::ReadFleet("fleet.yaml", text); !fleet)
    RequireGoodRefusal(fleet.error());
  auto config = tallyman::cli::ParseConfig("config.yaml", text);
  if (!config) {
    RequireGoodRefusal(config.error());
    return 0;
  }
  auto again = tallyman::cli::ParseConfig("again.yaml", tallyman::cli::FormatConfig(*config));
  Require(again && again->current == config->current &&
          again->contexts.size() == config->contexts.size());
  for (size_t i = 0; i < again->contexts.size(); ++i) {
    Require(again->contexts[i].server == config->contexts[i].server &&
            again->contexts[i].db == config->contexts[i].db &&
            again->contexts[i].token == config->contexts[i].token);
  }
  return 0;
}
