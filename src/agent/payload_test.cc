#include "agent/payload.h"

#include <gtest/gtest.h>

#include "model/command.h"

namespace tallyman::agent {
namespace {

std::string Rendered(const std::map<std::string, std::string>& secrets = {}) {
  Node node;
  node.id = *NodeId::Parse("01900000-0000-7000-8000-000000000001");
  node.name = "eth-1";
  NodeConfig config;
  config.id = *ConfigId::Parse("01900000-0000-7000-8000-000000000002");
  config.resources = {8, 16'000'000'000, 1'000'000'000'000};
  config.values = {{"network", "main \"net\""}};
  config.secrets = secrets;
  config.firewall_rules = {{.key = "p2p", .ips = {"10.0.0.0/8"}, .ports = {30303}}};
  Image image;
  image.id = *ImageId::Parse("01900000-0000-7000-8000-000000000003");
  image.uri = "docker://registry/eth:1";
  return RenderPayload(node, config, image, "h1");
}

std::string Replaced(std::string text, const std::string& what, const std::string& with) {
  size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), with);
}

TEST(ParsePayload, ReadsWhatTheControlPlaneRenders) {
  auto spec = ParsePayload(Rendered());
  ASSERT_TRUE(spec.has_value()) << spec.error().message;
  EXPECT_EQ(spec->node_id.ToString(), "01900000-0000-7000-8000-000000000001");
  EXPECT_EQ(spec->config_id.ToString(), "01900000-0000-7000-8000-000000000002");
  EXPECT_EQ(spec->image_id.ToString(), "01900000-0000-7000-8000-000000000003");
  EXPECT_EQ(spec->name, "eth-1");
  EXPECT_EQ(spec->image_uri, "docker://registry/eth:1");
  EXPECT_EQ(spec->resources, (Resources{8, 16'000'000'000, 1'000'000'000'000}));
  EXPECT_EQ(spec->values.at("network"), "main \"net\"");
  ASSERT_EQ(spec->firewall_rules.size(), 1u);
  EXPECT_EQ(spec->firewall_rules[0].ports, std::vector<int64_t>{30303});
}

TEST(ParsePayload, ReadsSecretsBesideTheValues) {
  auto spec = ParsePayload(Rendered({{"token", "hunter2\n"}, {"unset", ""}}));
  ASSERT_TRUE(spec.has_value()) << spec.error().message;
  EXPECT_EQ(spec->secrets, (std::map<std::string, std::string>{{"token", "hunter2\n"}}));
  EXPECT_FALSE(spec->values.contains("token"));
  EXPECT_EQ(spec->values.at("network"), "main \"net\"");
  // They are names of files.
  EXPECT_EQ(ParsePayload(Rendered({{"../token", "hunter2"}})).error().Fact("field"), "secrets");
}

// It would start the node without them.
TEST(ParsePayload, AnAgentThatDoesNotKnowOfSecretsFindsNoConfig) {
  EXPECT_EQ(Rendered({{"token", "hunter2"}}).find(R"("config":)"), std::string::npos);
  EXPECT_NE(Rendered({{"token", ""}}).find(R"("config":)"), std::string::npos);
}

TEST(ParsePayload, NamesTheFieldThatItCannotUse) {
  struct Case {
    std::string what;
    std::string with;
    std::string_view field;
  };
  for (const Case& broken :
       {Case{R"("node_id":"01900000)", R"("node_id":"../../etc)", "node_id"},
        Case{R"("config_id")", R"("config_ie")", "config_id"},
        Case{R"("image_uri":"docker://registry/eth:1")", R"("image_uri":7)", "image_uri"},
        Case{R"("name":"eth-1")", R"("name":"eth\u0000")", "name"},
        Case{R"("cpu_cores":8)", R"("cpu_cores":0)", "cpu_cores"},
        Case{R"("memory_bytes":16000000000)", R"("memory_bytes":1.5)", "memory_bytes"},
        Case{R"("disk_bytes":1000000000000)", R"("disk_bytes":-1)", "disk_bytes"},
        Case{R"("values":{)", R"("values":[{)", "JSON object"},
        Case{R"("config":)", R"("confix":)", "config"}}) {
    auto spec = ParsePayload(Replaced(Rendered(), broken.what, broken.with));
    ASSERT_FALSE(spec.has_value()) << broken.with;
    EXPECT_EQ(spec.error().reason, "PAYLOAD_INVALID");
    EXPECT_EQ(spec.error().Fact("field"), broken.field);
  }
}

TEST(ParsePayload, ComesBackFromAnyPrefixOfAPayload) {
  std::string whole = Rendered();
  for (size_t length = 0; length < whole.size(); ++length)
    EXPECT_FALSE(ParsePayload(std::string_view(whole).substr(0, length)).has_value());
}

}  // namespace
}  // namespace tallyman::agent
