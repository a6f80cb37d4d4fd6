// The dashboard, the alert rules and the unit speak of what the server really has.
#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "server/server_process.h"
#include "tests/cli/program.h"

namespace tallyman {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

const std::string kDeploy = std::string(TALLYMAN_SOURCE_DIR) + "/deploy/";

std::string Contents(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// The names of metrics in PromQL, without what histograms add.
std::set<std::string> MetricsIn(const std::string& text) {
  std::set<std::string> names;
  static const std::regex kName(R"(\btallyman_[a-z0-9_]+)");
  for (std::sregex_iterator it(text.begin(), text.end(), kName), end; it != end; ++it) {
    std::string name = it->str();
    for (const char* suffix : {"_bucket", "_count", "_sum"}) {
      if (name.ends_with(suffix)) name.resize(name.size() - std::string_view(suffix).size());
    }
    names.insert(name);
  }
  return names;
}

class DeployTest : public testing::Test {
 protected:
  // The page of a server that has answered a call.
  static std::string MetricsPage(ServerProcess& server) {
    const std::string bearer = "Authorization: Bearer " + server.token();
    const auto curl = [&](const std::string& path, const std::vector<std::string>& more) {
      std::vector<std::string> words = {"-sS", "--max-time", "20", "-H", bearer, server.Url(path)};
      words.insert(words.end(), more.begin(), more.end());
      return RunProgram("curl", words, {"PATH=/usr/bin:/bin"}).out;
    };
    curl("/tallyman.v1.OrgService/ListOrgs", {"-H", "Content-Type: application/json", "-d", "{}"});
    return curl("/metrics", {});
  }
};

TEST_F(DeployTest, DashboardAndRulesNameMetricsThatThereAre) {
  ServerProcess server;
  ASSERT_TRUE(server.Start()) << server.Log();
  const std::string page = MetricsPage(server);
  std::set<std::string> there;
  static const std::regex kType(R"(# TYPE (tallyman_[a-z0-9_]+) )");
  for (std::sregex_iterator it(page.begin(), page.end(), kType), end; it != end; ++it)
    there.insert((*it)[1]);
  ASSERT_GT(there.size(), 5u) << page;
  for (const char* file : {"grafana/tallyman.json", "prometheus/tallyman.rules.yml"}) {
    const auto named = MetricsIn(Contents(kDeploy + file));
    EXPECT_GT(named.size(), 3u) << file;
    for (const std::string& name : named) EXPECT_TRUE(there.contains(name)) << file << ": " << name;
  }
}

TEST_F(DeployTest, TheDashboardIsWhole) {
  const auto dashboard = boost::json::parse(Contents(kDeploy + "grafana/tallyman.json"));
  std::set<int64_t> ids;
  for (const auto& panel : dashboard.at("panels").as_array()) {
    EXPECT_TRUE(ids.insert(panel.at("id").to_number<int64_t>()).second);
    if (panel.at("type").as_string() == "row") continue;
    EXPECT_FALSE(panel.at("description").as_string().empty());
    ASSERT_FALSE(panel.at("targets").as_array().empty());
    for (const auto& target : panel.at("targets").as_array())
      EXPECT_FALSE(target.at("expr").as_string().empty());
  }
}

// The server starts with the settings that the package installs (in a directory of this test's).
TEST_F(DeployTest, TheSettingsOfTheUnitAreTaken) {
  const std::string settings = Contents(kDeploy + "systemd/server.conf");
  std::smatch match;
  static const std::regex kOptions(R"re(\nTALLYMAN_SERVER_OPTIONS="([^"]*)")re");
  ASSERT_TRUE(std::regex_search(settings, match, kOptions));
  std::istringstream words(match[1]);
  std::vector<std::string> options;
  for (std::string word; words >> word;) {
    if (word == "--db" || word == "--listen") {
      words >> word;  // those of the test take their place
      continue;
    }
    options.push_back(word);
  }
  ServerProcess server;
  EXPECT_TRUE(server.Start(options)) << server.Log();
  EXPECT_EQ(server.Stop(), 0);
  EXPECT_THAT(Contents(kDeploy + "systemd/tallyman-server.service"),
              HasSubstr("ExecStart=/usr/bin/tallyman server $TALLYMAN_SERVER_OPTIONS"));
}

// The agent's unit starts it with options that it knows, and its end leaves containers alone.
TEST_F(DeployTest, TheSettingsOfTheAgentAreTaken) {
  const std::string settings = Contents(kDeploy + "systemd/agent.conf");
  std::smatch match;
  static const std::regex kOptions(R"re(\nTALLYMAN_AGENT_OPTIONS="([^"]*)")re");
  ASSERT_TRUE(std::regex_search(settings, match, kOptions));
  const std::string unit = Contents(kDeploy + "systemd/tallyman-agent.service");
  EXPECT_THAT(unit, HasSubstr("ExecStart=/usr/bin/tallyman agent --data /var/lib/tallyman-agent "
                              "$TALLYMAN_AGENT_OPTIONS\n"));
  EXPECT_THAT(unit, HasSubstr("StateDirectory=tallyman-agent\n"));
  EXPECT_THAT(unit, HasSubstr("KillMode=process\n"));
  // Options of this kind would give it mounts of its own, which end with it.
  for (const char* closed : {"Private", "Protect", "ReadOnly", "MountFlags", "RootDirectory"})
    EXPECT_THAT(unit, testing::Not(HasSubstr(std::string("\n") + closed)));

  std::vector<std::string> words = {"agent", "--data", "/proc/nowhere", "--runtime", "simulated"};
  std::istringstream options(match[1]);
  for (std::string word; options >> word;) words.push_back(word);
  const Ran ran = RunProgram(TALLYMAN_PROGRAM, words, {"PATH=/usr/bin:/bin"});
  EXPECT_THAT(ran.err, HasSubstr("reason=DIRECTORY_NOT_MADE"));  // all else was understood
}

// Shutting down: first the agent, then the nodes, then file systems and network. Anything else
// leaves the nodes alone.
TEST_F(DeployTest, TheNodesAreStoppedBetweenAgentAndMachine) {
  const std::string agent = Contents(kDeploy + "systemd/tallyman-agent.service");
  const std::string nodes = Contents(kDeploy + "systemd/tallyman-nodes.service");
  EXPECT_THAT(agent, HasSubstr("Requires=tallyman-nodes.service\n"));
  EXPECT_THAT(agent, testing::ContainsRegex("\nAfter=.*tallyman-nodes.service"));
  for (const char* later : {"network.target", "local-fs.target", "remote-fs.target"})
    EXPECT_THAT(nodes, testing::ContainsRegex(std::string("\nAfter=[^\n]*") + later));
  EXPECT_THAT(nodes, HasSubstr("RemainAfterExit=yes\n"));
  for (const char* tie : {"PartOf=", "BindsTo=", "StopWhenUnneeded="})
    EXPECT_THAT(nodes, testing::Not(HasSubstr(tie)));

  std::smatch match;
  static const std::regex kStop(R"(\nExecStop=/usr/bin/tallyman ([^\n]*)\n)");
  ASSERT_TRUE(std::regex_search(nodes, match, kStop));
  EXPECT_EQ(match[1], "agent --stop-nodes --data /var/lib/tallyman-agent");
  const Ran ran =
      RunProgram(TALLYMAN_PROGRAM,
                 {"agent", "--stop-nodes", "--data", "/proc/nowhere", "--runtime", "simulated"},
                 {"PATH=/usr/bin:/bin"});
  EXPECT_THAT(ran.err, HasSubstr("reason=DIRECTORY_NOT_MADE"));  // all else was understood

  // An upgrade restarts the agent only; a removal stops it only.
  for (const char* script : {"debian/postinst", "debian/prerm", "debian/postrm"})
    EXPECT_THAT(Contents(kDeploy + script), testing::Not(HasSubstr("tallyman-nodes.service")));
}

// Made as the package has them.
TEST_F(DeployTest, EveryWordHasAManualPage) {
  const TempDir dir;
  const std::string to = (dir.path() / "manual").string();
  const Ran ran = RunProgram(std::string(TALLYMAN_SOURCE_DIR) + "/scripts/manual-pages",
                             {TALLYMAN_PROGRAM, to}, {"PATH=/usr/bin:/bin"});
  ASSERT_EQ(ran.status, 0) << ran.err;
  const auto page = [&](const std::string& name) {
    return RunProgram("zcat", {to + "/man1/" + name + ".1.gz"}, {"PATH=/usr/bin:/bin"}).out;
  };
  EXPECT_THAT(page("tallyman"), HasSubstr(".TH TALLYMAN 1"));
  EXPECT_THAT(page("tallyman-node"), HasSubstr(".SS upgrade"));
  // The options of these two are their own.
  EXPECT_THAT(page("tallyman-server"), HasSubstr("\\-\\-listen"));
  EXPECT_THAT(page("tallyman-agent"), HasSubstr("\\-\\-join\\-token\\-file"));
  EXPECT_THAT(Contents(to + "/bash/tallyman"), HasSubstr("complete -F _tallyman tallyman"));
}

TEST_F(DeployTest, TheUnitsAreNoMoreOpenThanTheyWere) {
  const Ran ran = RunProgram(std::string(TALLYMAN_SOURCE_DIR) + "/scripts/check-units", {},
                             {"PATH=/usr/bin:/bin"});
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("tallyman-server.service"));
  EXPECT_THAT(ran.out, HasSubstr("tallyman-agent.service"));
}

}  // namespace
}  // namespace tallyman
