#include "agent/oci/bundle.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace tallyman::agent::oci {
namespace {

namespace json = boost::json;

NodeSpec Spec() {
  NodeSpec spec;
  spec.node_id = *NodeId::Parse("01900000-0000-7000-8000-000000000001");
  spec.config_id = *ConfigId::Parse("01900000-0000-7000-8000-000000000002");
  spec.image_id = *ImageId::Parse("01900000-0000-7000-8000-000000000003");
  spec.name = "node-1";
  spec.image_uri = "docker://registry/chain:1";
  spec.resources = {4, 8'000'000'000, 100'000'000'000};
  return spec;
}

BundlePlaces Places() {
  return {.root = "/d/rootfs",
          .volumes = "/d/volumes",
          .info = "/d/info",
          .jobs = "/d/jobs",
          .cgroup = "/tallyman/x"};
}

// As umoci writes it, cut to what matters here.
std::string ImageConfig(const std::string& mounts = "", const std::string& annotations = "") {
  return R"({"ociVersion":"1.0.0","process":{"terminal":true,"args":["/run"],"cwd":"/",
    "env":["PATH=/bin","MODE=image"],"capabilities":{"bounding":["CAP_SYS_ADMIN"]}},
    "root":{"path":"rootfs"},"hooks":{"prestart":[{"path":"/evil"}]},
    "mounts":[{"destination":"/proc","type":"proc","source":"proc"})" +
         mounts + R"(],"annotations":{)" + annotations +
         R"(},"linux":{"namespaces":[{"type":"network"}],"resources":{"devices":[]}}})";
}

std::string Volume(const std::string& path) {
  return R"(,{"destination":")" + path + R"(","type":"tmpfs","source":"none","options":["rw"]})";
}

json::object Made(const std::string& image_config, const NodeSpec& spec) {
  auto bundle = MakeBundle(image_config, spec, Places());
  EXPECT_TRUE(bundle.has_value()) << (bundle ? "" : bundle.error().message);
  return bundle ? json::parse(bundle->config_json).as_object() : json::object();
}

TEST(MakeBundle, LimitsTheContainerToWhatTheConfigAsksFor) {
  json::object config = Made(ImageConfig(), Spec());
  const json::value& resources = config.at("linux").at("resources");
  EXPECT_EQ(resources.at("memory").at("limit").as_int64(), 8'000'000'000);
  EXPECT_EQ(resources.at("cpu").at("quota").as_int64(), 400'000);
  EXPECT_EQ(resources.at("cpu").at("period").as_int64(), 100'000);
  EXPECT_EQ(config.at("linux").at("cgroupsPath"), "/tallyman/x");
  EXPECT_EQ(config.at("root").at("path"), "/d/rootfs");
}

TEST(MakeBundle, TakesNoHooksFromTheImage) {
  EXPECT_FALSE(Made(ImageConfig(), Spec()).contains("hooks"));
}

TEST(MakeBundle, PutsDeclaredVolumesOnTheNodesDisk) {
  auto bundle = MakeBundle(ImageConfig(Volume("/data") + Volume("/var/lib/x")), Spec(), Places());
  ASSERT_TRUE(bundle.has_value());
  EXPECT_EQ(bundle->volume_names, (std::vector<std::string>{"data", "var+lib+x"}));
  EXPECT_NE(bundle->config_json.find(R"("source":"/d/volumes/var+lib+x")"), std::string::npos);
  EXPECT_EQ(MakeBundle(ImageConfig(), Spec(), Places())->volume_names,
            std::vector<std::string>{"data"});
}

TEST(MakeBundle, CleansThePathsOfVolumes) {
  struct Case {
    const char* declared;
    const char* name;
    const char* path;
  };
  for (const Case& good :
       {Case{"/../etc/x", "etc+x", "/etc/x"}, Case{"/a/../../b", "b", "/b"},
        Case{"data", "data", "/data"}, Case{"/a//b/", "a+b", "/a/b"}, Case{"/./a", "a", "/a"},
        Case{"/my data", "my%20data", "/my data"}, Case{"/a,b+c%", "a%2Cb%2Bc%25", "/a,b+c%"},
        Case{"/root/.ethereum", "root+.ethereum", "/root/.ethereum"}}) {
    auto bundle = MakeBundle(ImageConfig(Volume(good.declared)), Spec(), Places());
    ASSERT_TRUE(bundle.has_value()) << bundle.error().message;
    EXPECT_EQ(bundle->volume_names, std::vector<std::string>{good.name});
    EXPECT_NE(bundle->config_json.find(std::string(R"("destination":")") + good.path + '"'),
              std::string::npos)
        << bundle->config_json;
  }
}

TEST(MakeBundle, RefusesVolumesWhereTheContainerHasItsOwn) {
  for (const char* path :
       {"/", "", "/..", "/proc", "/sys/x", "/dev/shm", "/tallyman", "/a\\u0000b"}) {
    auto bundle = MakeBundle(ImageConfig(Volume(path)), Spec(), Places());
    ASSERT_FALSE(bundle.has_value()) << path;
    EXPECT_EQ(bundle.error().reason, "IMAGE_NOT_SUPPORTED");
  }
}

// The destinations of volumes, as they are mounted.
std::vector<std::string> Mounted(const std::string& config_json) {
  std::vector<std::string> paths;
  const json::value config = json::parse(config_json);
  for (const json::value& mount : config.at("mounts").as_array()) {
    if (mount.at("type") == "bind" &&
        std::string_view(mount.at("source").as_string()).starts_with("/d/volumes/"))
      paths.emplace_back(mount.at("destination").as_string());
  }
  return paths;
}

TEST(MakeBundle, MountsOuterVolumesBeforeInnerOnes) {
  auto bundle =
      MakeBundle(ImageConfig(Volume("/data/chain/db") + Volume("/data") + Volume("/data/chain")),
                 Spec(), Places());
  ASSERT_TRUE(bundle.has_value());
  EXPECT_EQ(Mounted(bundle->config_json),
            (std::vector<std::string>{"/data", "/data/chain", "/data/chain/db"}));
}

TEST(MakeBundle, AVolumeThatTheNodeHasHadStaysWhereItWas) {
  BundlePlaces places = Places();
  places.used_volumes = {"data", "my%20logs"};
  auto bundle = MakeBundle(ImageConfig(Volume("/data/chain") + Volume("/other")), Spec(), places);
  ASSERT_TRUE(bundle.has_value());
  // /data/chain is on the node's disk already, within /data.
  EXPECT_EQ(Mounted(bundle->config_json),
            (std::vector<std::string>{"/data", "/my logs", "/other"}));
}

TEST(MakeBundle, TakesDockersHealthcheckWhereNothingElseIsSaid) {
  const std::string docker =
      R"("tallyman.image_health":"{\"command\":[\"/check\"],\"timeout_ms\":2000,)"
      R"(\"interval_ms\":5000,\"start_period_ms\":60000,\"retries\":4}")";
  auto installed =
      ReadInstalled(MakeBundle(ImageConfig("", docker), Spec(), Places())->config_json);
  ASSERT_TRUE(installed.has_value());
  EXPECT_EQ(installed->health_command, std::vector<std::string>{"/check"});
  EXPECT_EQ(installed->health_timing, (HealthTiming{.timeout = std::chrono::seconds(2),
                                                    .interval = std::chrono::seconds(5),
                                                    .start_period = std::chrono::seconds(60),
                                                    .retries = 4}));
  installed = ReadInstalled(
      MakeBundle(ImageConfig("", docker + R"(,"tallyman.health":"true")"), Spec(), Places())
          ->config_json);
  ASSERT_TRUE(installed.has_value());
  EXPECT_EQ(installed->health_command.back(), "true");
  EXPECT_EQ(installed->health_timing, HealthTiming());
}

TEST(MakeBundle, TellsApartVolumesOfSimilarPaths) {
  auto bundle = MakeBundle(ImageConfig(Volume("/a-b") + Volume("/a/b")), Spec(), Places());
  ASSERT_TRUE(bundle.has_value());
  EXPECT_EQ(bundle->volume_names, (std::vector<std::string>{"a-b", "a+b"}));
}

TEST(MakeBundle, GivesValuesToTheContainerAsVariables) {
  NodeSpec spec = Spec();
  spec.values = {{"mode", "node"}, {"max-peers", "a=b c"}};
  std::string environment = json::serialize(Made(ImageConfig(), spec).at("process").at("env"));
  EXPECT_NE(environment.find(R"("MODE=node")"), std::string::npos) << environment;
  EXPECT_EQ(environment.find("MODE=image"), std::string::npos);
  EXPECT_NE(environment.find(R"("MAX_PEERS=a=b c")"), std::string::npos);
}

TEST(MakeBundle, WhatItMadeSaysWhatItWasMadeFrom) {
  NodeSpec spec = Spec();
  spec.values = {{"health_command", R"(["/check","-x"])"}};
  auto bundle =
      MakeBundle(ImageConfig("", R"("tallyman.health":"true","tallyman.stop-grace-seconds":"90",
                         "tallyman.node_id":"forged","org.opencontainers.image.stopSignal":"SIGINT")"),
                 spec, Places());
  ASSERT_TRUE(bundle.has_value()) << bundle.error().message;
  auto installed = ReadInstalled(bundle->config_json);
  ASSERT_TRUE(installed.has_value()) << installed.error().message;
  EXPECT_EQ(installed->node_id, spec.node_id);
  EXPECT_EQ(installed->config_id, spec.config_id);
  EXPECT_EQ(installed->image_id, spec.image_id);
  EXPECT_EQ(installed->resources, spec.resources);
  EXPECT_EQ(installed->health_command, (std::vector<std::string>{"/check", "-x"}));
  EXPECT_EQ(installed->stop_signal, "SIGINT");
  EXPECT_EQ(installed->stop_grace, std::chrono::seconds(90));
  EXPECT_EQ(installed->volume_names, bundle->volume_names);
}

TEST(MakeBundle, ALineIsACommandForTheImagesShell) {
  NodeSpec spec = Spec();
  spec.values = {{"health_command", "test -e /ready"}};
  auto installed = ReadInstalled(MakeBundle(ImageConfig(), spec, Places())->config_json);
  EXPECT_EQ(installed->health_command,
            (std::vector<std::string>{"/bin/sh", "-c", "test -e /ready"}));
  spec.values = {{"health_command", "[1]"}};
  EXPECT_FALSE(MakeBundle(ImageConfig(), spec, Places()).has_value());
}

TEST(MakeBundle, RefusesWhatIsNoConfig) {
  for (const char* text : {"", "[]", "{}", "{\"mounts\":3}", "nonsense"}) {
    auto bundle = MakeBundle(text, Spec(), Places());
    ASSERT_FALSE(bundle.has_value()) << text;
    EXPECT_EQ(bundle.error().reason, "IMAGE_CONFIG_INVALID");
  }
}

TEST(ReadInstalled, SaysWhenAConfigIsDamagedOrNotOurs) {
  for (const char* text :
       {"", "{}", R"({"annotations":{}})", R"({"annotations":{"tallyman.node_id":5}})"}) {
    auto installed = ReadInstalled(text);
    ASSERT_FALSE(installed.has_value()) << text;
    EXPECT_EQ(installed.error().reason, "CONTAINER_UNREADABLE");
  }
}

TEST(RenderNodeInfo, IsJsonOfWhatTheNodeMayKnow) {
  NodeSpec spec = Spec();
  spec.values = {{"a", "quote \" and \n"}, {"b", ""}};
  spec.firewall_rules = {{.key = "p2p", .ports = {30303}}};
  json::value info = json::parse(RenderNodeInfo(spec));
  EXPECT_EQ(info.at("values").at("a"), "quote \" and \n");
  EXPECT_EQ(info.at("resources").at("cpu_cores").as_int64(), 4);
  EXPECT_EQ(info.at("firewall_rules").as_array().size(), 1u);
}

}  // namespace
}  // namespace tallyman::agent::oci
