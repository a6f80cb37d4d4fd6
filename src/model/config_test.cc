#include "model/config.h"

#include <gtest/gtest.h>

namespace tallyman {
namespace {

NodeConfig Example() {
  NodeConfig config;
  config.values = {
      {"net\nwork", "main\"net\\"}, {"archive", ""}, {"sch\xc3\xb6n", "\xf0\x9f\x9a\xa2"}};
  config.firewall_rules = {
      {"rpc",
       Direction::kIn,
       FirewallAction::kAllow,
       Transport::kTcp,
       {"10.0.0.0/8"},
       {8545, 8546}},
      {"out", Direction::kOut, FirewallAction::kReject, Transport::kBoth, {}, {}}};
  return config;
}

TEST(NodeConfig, ReadsBackWhatItWrites) {
  NodeConfig config = Example(), read;
  ASSERT_TRUE(ConfigFromJson(ConfigToJson(config), read).has_value());
  EXPECT_EQ(read.values, config.values);
  EXPECT_EQ(read.firewall_rules, config.firewall_rules);
}

TEST(NodeConfig, CallsABrokenFormUnreadable) {
  for (const char* bad :
       {"", "null", "[]", "{", R"({"values":{}})", R"({"values":{"a":1},"firewall_rules":[]})",
        R"({"values":[],"firewall_rules":[]})", R"({"values":{},"firewall_rules":[{"key":"x"}]})",
        R"({"values":{},"firewall_rules":[]} trailing)"}) {
    NodeConfig config;
    Status status = ConfigFromJson(bad, config);
    ASSERT_FALSE(status.has_value()) << bad;
    EXPECT_EQ(status.error().code, Code::kDataLoss);
    EXPECT_EQ(status.error().reason, "OLD_CONFIG_UNREADABLE");
  }
}

}  // namespace
}  // namespace tallyman
