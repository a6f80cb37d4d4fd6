#include "main/agent_options.h"

#include <gtest/gtest.h>

#include <map>

namespace tallyman::app {
namespace {

using namespace tallyman::agent::oci;

RegistryOptions Registries(std::vector<std::string> more,
                           std::map<std::string, std::string, std::less<>> variables = {}) {
  std::vector<std::string> arguments = {"--server", "https://x", "--data", "/d"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  arguments.insert(arguments.end(), {"--log", "json"});
  auto parsed = ParseAgentOptions(arguments, [&](std::string_view name) {
    auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  });
  EXPECT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_EQ(parsed->settings->log, LogForm::kJson);
  return parsed->settings->registries;
}

TEST(ParseAgentOptions, PlainHttpIsForOneRegistryOrForAll) {
  EXPECT_FALSE(Registries({}).all_plain_http);
  EXPECT_TRUE(Registries({"--registry-plain-http"}).all_plain_http);
  const RegistryOptions named =
      Registries({"--registry-plain-http", "a:5000", "--registry-plain-http", "b"});
  EXPECT_FALSE(named.all_plain_http);
  EXPECT_EQ(named.plain_http, (std::set<std::string>{"a:5000", "b"}));
  EXPECT_TRUE(IsPlainHttp(named, "docker://a:5000/x/y:1"));
  EXPECT_FALSE(IsPlainHttp(named, "docker://a/x:1"));
  EXPECT_FALSE(IsPlainHttp(named, "docker://a:5000.example/x:1"));
}

TEST(ParseAgentOptions, ProxiesOfTheEnvironmentAreHandedOn) {
  EXPECT_EQ(
      Registries({}, {{"HTTPS_PROXY", "http://p:1"}, {"no_proxy", "x"}, {"OTHER", "y"}}).variables,
      (std::vector<std::string>{"HTTPS_PROXY=http://p:1", "no_proxy=x"}));
}

std::chrono::milliseconds TalksEvery(const std::string& poll, const std::string& status) {
  auto parsed = ParseAgentOptions(
      {"--server", "https://x", "--data", "/d", "--poll-seconds", poll, "--status-seconds", status},
      [](std::string_view) { return std::nullopt; });
  EXPECT_TRUE(parsed.has_value()) << parsed.error().message;
  return parsed->settings->loop.poll_interval;
}

// A status is told when the agent talks.
TEST(ParseAgentOptions, TheAgentTalksAsOftenAsItReports) {
  EXPECT_EQ(TalksEvery("30", "3"), std::chrono::seconds(3));
  EXPECT_EQ(TalksEvery("5", "30"), std::chrono::seconds(5));
}

}  // namespace
}  // namespace tallyman::app
