// What the program prints, word for word, against tests/golden. TALLYMAN_ACCEPT=1 writes the files
// anew; read the difference before you commit it.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>
#include <regex>
#include <sstream>

#include "tests/cli/program.h"

namespace tallyman {
namespace {

class GoldenTest : public ProgramTest {
 protected:
  // Runs a command and adds it, its output, its errors and its status to the transcript.
  void Run(const std::vector<std::string>& arguments) {
    transcript_ += "$ tallyman";
    for (const std::string& argument : arguments) {
      transcript_ +=
          argument.find(' ') == std::string::npos ? " " + argument : " \"" + argument + "\"";
    }
    const Ran ran = Tallyman(arguments);
    transcript_ += "\n" + ran.out;
    if (!ran.err.empty()) transcript_ += "[stderr]\n" + ran.err;
    if (ran.status != 0) transcript_ += "[exit " + std::to_string(ran.status) + "]\n";
    transcript_ += "\n";
  }

  // What differs from run to run is masked by something of the same width.
  std::string Masked() const {
    std::string text = transcript_;
    for (size_t at = text.find(PathOf("")); at != std::string::npos; at = text.find(PathOf(""))) {
      text.replace(at, PathOf("").size(), "DIR/");
    }
    text = std::regex_replace(
        text, std::regex("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
        "########-####-####-####-############");
    text = std::regex_replace(text, std::regex("\\b[0-9a-f]{64}\\b"), std::string(64, '#'));
    text = std::regex_replace(text, std::regex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\\.[0-9]+)?Z"),
                              "TIME");
    return std::regex_replace(text, std::regex("202[0-9]-[0-9]{2}-[0-9]{2} [0-9:]{8}"),
                              "####-##-## ##:##:##");
  }

  void Expect(const std::string& name) const {
    const std::string path = std::string(TALLYMAN_SOURCE_DIR) + "/tests/golden/" + name + ".txt";
    if (std::getenv("TALLYMAN_ACCEPT") != nullptr) {
      std::ofstream(path, std::ios::binary) << Masked();
      return;
    }
    std::ifstream file(path, std::ios::binary);
    std::stringstream golden;
    golden << file.rdbuf();
    EXPECT_EQ(Masked(), golden.str())
        << "if this is what is meant, accept it with TALLYMAN_ACCEPT=1";
  }

 private:
  std::string transcript_;
};

TEST_F(GoldenTest, Help) {
  Run({"--help"});
  Run({"node", "--help"});
  Run({"node", "create", "--help"});
  Run({"node", "upgrade", "--help"});
  Run({"audit", "--help"});
  Run({"import", "hosts", "--help"});
  Run({"apply", "--help"});
  Run({"diff", "--help"});
  Run({"export", "--help"});
  Expect("help");
}

TEST_F(GoldenTest, BuildingAFleet) {
  Run({"db", "migrate"});
  Run({"db", "migrate"});
  Run({"org", "create", "acme"});
  Run({"region", "create", "eu"});
  Run({"host", "create", "h1", "--region", "eu", "--cpu", "32", "--memory", "128GB", "--disk",
       "8TB"});
  Run({"host", "create", "h2", "--region", "eu", "--cpu", "64", "--memory", "256GiB", "--disk",
       "8TB", "--capacity-policy", "enforce"});
  Run({"image", "create", "p/v@1.0.0", "--uri", "i:1", "--cpu", "8", "--memory", "16GB", "--disk",
       "1500GB", "--committed-at", "1732542956", "--property", "archive=off", "--property-adds",
       "archive:memory=8GB,disk=1TB", "--firewall-rule", "p2p:in:allow:both:30303"});
  Run({"image", "show", "p/v@1.0.0"});
  Run({"node", "create", "--image", "p/v@1.0.0", "--region", "eu", "--count", "3", "--request-id",
       "make-3"});
  Run({"node", "list"});
  Run({"node", "show", "p-v-1"});
  Run({"host", "list"});
  Run({"host", "show", "h1"});
  Run({"org", "show", "acme"});
  Run({"command", "list"});
  Run({"events", "--kind", "node_created"});
  Expect("building_a_fleet");
}

TEST_F(GoldenTest, Upgrading) {
  CreateSmallFleet();
  Run({"node", "create", "--image", "p/v@1.0.0", "--host", "h2=2", "--name-prefix", "m"});
  Run({"node", "upgrade", "n-1", "m-1", "--image", "p/v@2.0.0", "--dry-run"});
  Run({"node", "upgrade", "--all-of", "p/v@1.0.0", "--region", "eu", "--image", "p/v@2.0.0",
       "--request-id", "up-1"});
  Run({"-q", "node", "upgrade", "n-1", "--image", "p/v@3.0.0", "--request-id", "up-2"});
  Run({"node", "upgrade", "n-1", "--image", "p/v@3.0.0"});
  Run({"host", "update", "h2", "--cpu", "16", "--request-id", "shrink"});
  Run({"host", "show", "h2"});
  Run({"ledger", "host", "h1"});
  Run({"ledger", "node", "m-1"});
  Run({"node", "delete", "m-2"});
  Run({"node", "delete", "m-2", "--yes", "--request-id", "gone"});
  Run({"audit"});
  Expect("upgrading");
}

TEST_F(GoldenTest, Policies) {
  CreateSmallFleet();
  Must({"node", "create", "m-1", "--image", "p/v@1.0.0", "--host", "h2"});
  Run({"policy", "set", "--help"});
  Run({"policy", "list"});
  Run({"node", "show", "n-1"});
  Run({"node", "update", "n-1", "--auto-upgrade", "on", "--request-id", "mark-1"});
  Run({"policy", "set", "follow", "--protocol", "p", "--variant", "v", "--dry-run"});
  Run({"policy", "set", "follow", "--protocol", "p", "--variant", "v", "--level", "major",
       "--range", ">=1.0.0 <3.0.0", "--delay", "1h", "--request-id", "set-1"});
  Run({"node", "update", "m-1", "--auto-upgrade", "on", "--request-id", "mark-2"});
  Run({"node", "show", "m-1"});
  Run({"policy", "list"});
  Run({"policy", "set", "follow", "--protocol", "p", "--variant", "v", "--as-before",
       "--request-id", "set-2"});
  Run({"policy", "show", "follow"});
  Run({"policy", "show", "follow", "-o", "json"});
  Run({"policy", "set", "nothing", "--protocol", "p", "--variant", "w", "--request-id", "set-3"});
  Run({"policy", "set", "other", "--protocol", "p", "--variant", "v", "--request-id", "set-4"});
  Run({"policy", "set", "follow", "--protocol", "p", "--variant", "v", "--as-before", "--level",
       "patch"});
  Run({"policy", "set", "follow", "--protocol", "p", "--variant", "v", "--range", "^1.0"});
  Run({"policy", "delete", "follow", "--expected-version", "1", "--request-id", "gone-1"});
  Run({"policy", "delete", "follow", "--request-id", "gone-2"});
  Run({"policy", "show", "follow"});
  Expect("policies");
}

TEST_F(GoldenTest, Quotas) {
  CreateSmallFleet();
  Run({"org", "create", "beta"});
  Run({"org", "set-quota", "--help"});
  Run({"org", "set-quota", "acme", "--nodes", "10", "--cpu", "200", "--memory", "1TiB", "--disk",
       "none"});
  Run({"org", "list"});
  Run({"org", "show", "acme"});
  Run({"org", "set-quota", "beta", "--disk", "10TB", "-o", "json"});
  Run({"org", "list", "-o", "json"});
  // Less than its nodes take.
  Run({"org", "set-quota", "acme", "--nodes", "0", "--cpu", "none"});
  Run({"org", "list"});
  Run({"node", "create", "--image", "p/v@1.0.0", "--host", "h2", "--org", "acme", "--name", "more",
       "--request-id", "more"});
  Run({"-q", "org", "set-quota", "acme", "--nodes", "none", "--memory", "none"});
  Run({"org", "list"});
  Run({"org", "set-quota", "acme"});
  Run({"org", "set-quota", "acme", "--nodes", "-1"});
  Run({"org", "set-quota", "acme", "--memory", "much"});
  Run({"org", "set-quota", "nobody", "--nodes", "1"});
  Expect("quotas");
}

TEST_F(GoldenTest, Drift) {
  CreateSmallFleet();
  Sql("UPDATE hosts SET node_cpu_cores = node_cpu_cores + 100, node_count = 7 WHERE name = 'h1'");
  Run({"audit"});
  Run({"audit", "-o", "json"});
  Run({"audit", "--repair"});
  Run({"audit", "--repair", "--yes", "--request-id", "repair-1"});
  Run({"audit"});
  Sql("UPDATE hosts SET node_disk_bytes = 1 WHERE name = 'h1'");
  Run({"node", "upgrade", "n-1", "--image", "p/v@2.0.0", "--request-id", "up-1"});
  Run({"ledger", "host", "h1"});
  Run({"audit"});
  Expect("drift");
}

TEST_F(GoldenTest, Applying) {
  const std::string fleet =
      "orgs: [acme]\nregions: [eu]\nhosts:\n- {name: h1, region: eu, cpu: 32, memory: 128GB, disk: "
      "8TB}\n"
      "images:\n- {image: p/v@1.0.0, uri: \"i:1\", cpu: 8, memory: 16GB, disk: 1TB, "
      "committed_at: 1732542956}\n"
      "- {image: p/v@2.0.0, uri: \"i:2\", committed_at: 1732542957, cpu: 16, memory: 32GB, disk: "
      "2TB}\n"
      "nodes:\n- {name_prefix: n, count: 2, image: p/v@1.0.0, region: eu}\n";
  Write("fleet.yaml", fleet);
  Run({"db", "migrate"});
  Run({"apply", "-f", PathOf("fleet.yaml"), "--dry-run"});
  Run({"apply", "-f", PathOf("fleet.yaml")});
  Run({"apply", "-f", PathOf("fleet.yaml")});
  std::string changed = fleet;
  changed.replace(changed.rfind("p/v@1.0.0"), 9, "p/v@2.0.0");
  changed.replace(changed.find("cpu: 32"), 7, "cpu: 48");
  Write("fleet.yaml", changed);
  Run({"diff", PathOf("fleet.yaml")});
  Run({"apply", "-f", PathOf("fleet.yaml"), "--dry-run"});
  Run({"apply", "-f", PathOf("fleet.yaml")});
  Run({"apply", "-f", PathOf("fleet.yaml"), "-o", "yaml"});
  Write("fleet.yaml", changed + "host: []\n");
  Run({"apply", "-f", PathOf("fleet.yaml")});
  Run({"export"});
  Expect("applying");
}

TEST_F(GoldenTest, Errors) {
  CreateSmallFleet();
  Run({"nod", "list"});
  Run({"node", "lst"});
  Run({"node", "list", "--regoin", "eu"});
  Run({"node", "show", "nope"});
  Run({"node", "show", "nope", "-o", "json"});
  Run({"node", "create", "--image", "p/v@1.0.0", "--host", "h1", "--count", "9"});
  Run({"host", "update", "h1", "--cpu", "-1"});
  Run({"host", "update", "h1", "--memory", "1.5TB"});
  Run({"--db", "sqlite:" + PathOf("none.db"), "node", "list"});
  Write("bad.csv", "sn,cpu_milli,memory_mib\nh9,500,1\n");
  Run({"import", "hosts", PathOf("bad.csv"), "--disk-gb", "10"});
  Expect("errors");
}

}  // namespace
}  // namespace tallyman
