#include "model/command.h"

#include <gtest/gtest.h>

namespace tallyman {
namespace {

// Golden: hosts read this form, so a change of it is a change of the protocol.
TEST(RenderPayload, CarriesTheFullNode) {
  Node node;
  node.name = "eth-1";
  NodeConfig config;
  config.values = {{"network", "mainnet"}};
  config.resources = {8, 16'000'000'000, 1'500'000'000'000};
  Image image;
  image.protocol.key = "ethereum";
  image.version.variant = "reth";
  image.version.semantic_version = "0.0.9";
  image.uri = "docker://reth:0.0.9";
  const std::string nil = "00000000-0000-0000-0000-000000000000";
  EXPECT_EQ(
      RenderPayload(node, config, image, "h1"),
      R"({"node_id":")" + nil + R"(","name":"eth-1","org_id":")" + nil + R"(","host_id":")" + nil +
          R"(","host":"h1","image_id":")" + nil +
          R"(","image":"ethereum/reth@0.0.9+1","image_uri":"docker://reth:0.0.9","config_id":")" +
          nil +
          R"(","resources":{"cpu_cores":8,"memory_bytes":16000000000,"disk_bytes":1500000000000},)" +
          R"("config":{"values":{"network":"mainnet"},"firewall_rules":[]}})");
}

}  // namespace
}  // namespace tallyman
