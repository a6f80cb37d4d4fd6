// JSON that the database gives back: configs and firewall rules. What is read can be written, and
// reads as the same again.
#include "model/config.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tallyman;
  const std::string_view text = TextOf(data, size);
  NodeConfig config;
  if (Status read = ConfigFromJson(text, config); !read) {
    RequireGoodRefusal(read.error());
  } else {
    const std::string written = ConfigToJson(config);
    NodeConfig again;
    Require(ConfigFromJson(written, again).has_value());
    Require(again.values == config.values && again.firewall_rules == config.firewall_rules);
    Require(ConfigToJson(again) == written);
  }
  auto rules = FirewallRulesFromJson(text);
  if (!rules) {
    RequireGoodRefusal(rules.error());
  } else {
    auto again = FirewallRulesFromJson(FirewallRulesToJson(*rules));
    Require(again && *again == *rules);
  }
  return 0;
}
