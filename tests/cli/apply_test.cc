// Fleet files against the real program.
#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <fstream>
#include <future>
#include <sstream>

#include "tests/cli/program.h"

namespace tallyman {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ApplyTest : public ProgramTest {
 protected:
  Ran Apply(const std::string& text, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"apply", "-f", Write("f.yaml", text)});
    return Tallyman(more);
  }
  // The example fleet with one piece replaced.
  static std::string Example(const std::string& from = {}, const std::string& to = {}) {
    std::ifstream file(std::string(TALLYMAN_SOURCE_DIR) + "/examples/fleet.yaml");
    std::stringstream text;
    text << file.rdbuf();
    std::string example = text.str();
    const size_t at = example.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return from.empty() ? example : example.replace(at, from.size(), to);
  }
};

TEST_F(ApplyTest, TheExampleFleetIsBuiltOnceAndBalances) {
  Must({"db", "migrate"});
  Must({"org", "list"});  // a server, where there is one, is up from now on
  const std::string before = Dump();
  EXPECT_THAT(Apply(Example(), {"--dry-run"}).out,
              HasSubstr("Nothing was changed; it would be: 61 new"));
  EXPECT_EQ(Dump(), before);
  EXPECT_THAT(Apply(Example()).out, HasSubstr("Applied: 61 new, 0 changed, 0 unchanged."));
  const std::string applied = Dump();
  EXPECT_THAT(Apply(Example()).out, HasSubstr("Applied: 0 new, 0 changed, 61 unchanged."));
  EXPECT_EQ(Dump(), applied);
  Must({"audit"});
}

TEST_F(ApplyTest, AChangedImageIsAnUpgrade) {
  Apply(Example());
  const std::string changed = Example("image: ethereum/reth-sepolia-archive@0.0.1, org",
                                      "image: ethereum/reth-sepolia-archive@0.0.2, org");
  EXPECT_THAT(Apply(changed, {"--dry-run"}).out,
              HasSubstr("~ node sepolia-1: image ethereum/reth-sepolia-archive@0.0.1"));
  EXPECT_THAT(Apply(changed).out, HasSubstr("Applied: 0 new, 5 changed, 56 unchanged."));
  EXPECT_EQ(Sql("SELECT count(*) FROM ledger WHERE kind = 'upgrade'"), "5\n");
  Must({"audit"});
}

TEST_F(ApplyTest, ChangedValuesAndCapacityAreUpdates) {
  Apply(Example());
  EXPECT_THAT(Apply(Example("trace-index: \"on\"", "trace-index: \"off\"")).out,
              HasSubstr("~ node eth-ams: trace-index \"on\" -> \"off\""));
  EXPECT_THAT(Apply(Example("{name: ams-s1, region: eu-west, cpu: 32",
                            "{name: ams-s1, region: eu-west, cpu: 48"))
                  .out,
              HasSubstr("~ host ams-s1: 32 cores"));
  Must({"audit"});
}

TEST_F(ApplyTest, WhatIsLeftOutStays) {
  Apply(Example());
  const std::string before = Dump();
  EXPECT_THAT(Apply("orgs: [acme]\n").out, HasSubstr("0 new, 0 changed, 1 unchanged"));
  EXPECT_EQ(Dump(), before);
}

TEST_F(ApplyTest, NodesOfNobodyGetADefaultOrgWhenThereIsNone) {
  const std::string fleet =
      "regions: [eu]\n"
      "hosts: [{name: h1, region: eu, cpu: 8, memory: 8GB, disk: 1TB}]\n"
      "images: [{image: p/v@1.0.0, uri: i, cpu: 1, memory: 1GB, disk: 1GB}]\n"
      "nodes: [{name: n, image: p/v@1.0.0, host: h1}]\n";
  EXPECT_THAT(Apply(fleet).out, AllOf(HasSubstr("+ org default"), HasSubstr("Applied: 5 new")));
  EXPECT_THAT(Apply(fleet).out, HasSubstr("0 new, 0 changed, 4 unchanged"));
}

constexpr const char* kThreeOfW =
    "orgs: [acme]\n"
    "regions: [eu]\n"
    "hosts: [{name: h1, region: eu, cpu: 64, memory: 64GB, disk: 1TB}]\n"
    "images: [{image: p/v@1.0.0, uri: i, cpu: 1, memory: 1GB, disk: 1GB}]\n"
    "nodes: [{name_prefix: w, count: 3, image: p/v@1.0.0, region: eu}]\n";

TEST_F(ApplyTest, ADeletedNodeIsMadeAgainUnderItsName) {
  Apply(kThreeOfW);
  Must({"node", "delete", "w-2", "--yes"});
  EXPECT_THAT(Apply(kThreeOfW).out,
              AllOf(HasSubstr("+ node w-2"), HasSubstr("Applied: 1 new, 0 changed, 6 unchanged.")));
  EXPECT_THAT(Apply(kThreeOfW).out, HasSubstr("Applied: 0 new, 0 changed, 7 unchanged."));
  EXPECT_EQ(Sql("SELECT group_concat(name) FROM (SELECT name FROM nodes WHERE deleted_at IS NULL "
                "ORDER BY name)"),
            "w-1,w-2,w-3\n");
  Must({"audit"});
}

TEST_F(ApplyTest, ANodeThatIsCalledAlikeChangesNoName) {
  Apply(std::string(kThreeOfW).substr(0, std::string(kThreeOfW).find("nodes:")));
  Must({"node", "create", "w-7", "--image", "p/v@1.0.0", "--host", "h1"});
  EXPECT_THAT(Apply(kThreeOfW).out, HasSubstr("Applied: 3 new, 0 changed, 4 unchanged."));
  EXPECT_EQ(Sql("SELECT group_concat(name) FROM (SELECT name FROM nodes ORDER BY name)"),
            "w-1,w-2,w-3,w-7\n");
}

TEST_F(ApplyTest, EightAtOnceMakeTheFleetOnce) {
  Must({"db", "migrate"});
  Must({"org", "list"});
  const std::string file = Write("f.yaml", kThreeOfW);
  std::vector<std::future<Ran>> runs;
  for (int i = 0; i < 8; ++i) {
    runs.push_back(std::async(std::launch::async, [&] { return Tallyman({"apply", "-f", file}); }));
  }
  int made = 0;
  for (auto& run : runs) {
    const Ran ran = run.get();
    EXPECT_EQ(ran.status, 0) << ran.err;
    const size_t counted = ran.out.find("Applied: ");
    ASSERT_NE(counted, std::string::npos) << ran.out;
    made += std::stoi(ran.out.substr(counted + 9));
  }
  EXPECT_EQ(made, 7) << "each thing is told by the run that made it";
  EXPECT_THAT(Apply(kThreeOfW).out, HasSubstr("Applied: 0 new, 0 changed, 7 unchanged."));
  EXPECT_EQ(Sql("SELECT count(*) FROM nodes; SELECT count(*) FROM images"), "3\n1\n");
  Must({"audit"});
}

TEST_F(ApplyTest, WhatTheServerRefusesNamesThePlace) {
  Must({"db", "migrate"});
  const Ran ran = Apply(Example("name: eth-ams\n    image: ethereum/reth-mainnet-full@0.0.9",
                                "name: eth-ams\n    image: ethereum/reth-mainnet-full@7.7.7"));
  EXPECT_EQ(ran.status, 4);
  EXPECT_THAT(ran.err,
              AllOf(HasSubstr("f.yaml:"), HasSubstr("7.7.7"), HasSubstr("nothing was changed")));
  EXPECT_EQ(Sql("SELECT count(*) FROM orgs"), "0\n") << "all of the file, or nothing";
  EXPECT_THAT(Apply(Example()).out, HasSubstr("Applied: "));
  Must({"audit"});
}

TEST_F(ApplyTest, BadFilesChangeNothing) {
  Apply(Example());
  const std::string before = Dump();
  std::string bomb = "orgs: [acme]\nx0: &x0 [a, a, a, a, a, a, a, a, a, a]\n";
  for (int i = 1; i < 20; ++i) {
    bomb += "x" + std::to_string(i) + ": &x" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) bomb += (j == 0 ? "*x" : ", *x") + std::to_string(i - 1);
    bomb += "]\n";
  }
  const std::pair<std::string, const char*> cases[] = {
      {Example("regions: [", "reigons: ["), "unknown key \"reigons\""},
      {Example("cpu: 96", "cpu: many"), "cpu is \"many\""},
      {Example("memory: 384GiB", "memory: 1.5TiB"), "fractions"},
      {Example("memory: 384GiB", "memory: 9223372036854775808"), "largest"},
      {Example("orgs: [acme", "orgs: [acme, acme"), "declares \"acme\" twice"},
      {Example("name: ams-1,", "name: ams-1, name: ams-1b,"), "key \"name\" is there twice"},
      {Example("name: ams-1,", "name: " + std::string(10'000'000, 'a') + ","), "f.yaml:"},
      {Example("org: acme\n    host: ams-1", "org: acme\n    host: ams-2"), "a node never moves"},
      {bomb, "aliases"},
      {std::string(50'000, '['), "f.yaml:"},
      {"orgs: [\xff]\n", "not UTF-8"},
      {std::string(20 << 20, ' '), "f.yaml:1:1"},
      {"", "declares nothing"},
  };
  for (const auto& [text, message] : cases) {
    const Ran ran = Apply(text);
    EXPECT_EQ(ran.status, 2) << message << ran.out.substr(0, 300);
    EXPECT_THAT(ran.err, HasSubstr(message));
    EXPECT_LT(ran.err.size(), 1000U);
  }
  EXPECT_EQ(Dump(), before);
}

// The last word of the line.
std::string TokenIn(const Ran& shown) {
  const size_t at = shown.out.find("plan token: ");
  EXPECT_NE(at, std::string::npos) << shown.out << shown.err;
  return at == std::string::npos ? "" : shown.out.substr(at + 12, 64);
}

TEST_F(ApplyTest, ADryRunFailsForWhatApplyFailsFor) {
  Must({"db", "migrate"});
  Must({"org", "list"});
  const std::string fleet =
      "orgs: [acme, rival]\n"
      "regions: [eu]\n"
      "hosts: [{name: h1, region: eu, cpu: 4, memory: 64GB, disk: 1TB, capacity_policy: enforce}]\n"
      "images:\n"
      "- {image: p/v@1.0.0, uri: i, cpu: 2, memory: 1GB, disk: 1GB, properties: [{key: k}]}\n"
      "- {image: q/v@1.0.0, uri: i, cpu: 1, memory: 1GB, disk: 1GB, org: rival}\n"
      "nodes:\n"
      "- {name: n, image: p/v@1.0.0, org: acme, host: h1}\n";
  const std::string rule = "{key: r, direction: in, action: allow}";
  const std::pair<std::string, const char*> cases[] = {
      {"- {name: m, image: p/v@9.9.9, org: acme, host: h1}\n", "f.yaml:9:3: "},
      {"- {name: m, image: p/v@1.0.0, org: acme, host: h1, values: {none: x}}\n",
       "UNKNOWN_PROPERTY"},
      {"- {name: m, image: p/v@1.0.0, org: acme, host: h1}\n"
       "- {name: o, image: p/v@1.0.0, org: acme, host: h1}\n",
       "f.yaml:8:3: host h1 has 4 of cpu_cores free and 3 nodes need 6"},
      {"- {name: m, image: q/v@1.0.0, org: acme, host: h1}\n", "IMAGE_NOT_FOUND"},
      {"- {name: m, image: p/v@1.0.0, org: acme, host: h1, firewall: [" + rule + ", " + rule +
           "]}\n",
       "INVALID_FIREWALL_RULE"},
  };
  const std::string before = Dump();
  for (const auto& [nodes, reason] : cases) {
    const Ran shown = Apply(fleet + nodes, {"--dry-run"});
    const Ran applied = Apply(fleet + nodes);
    EXPECT_NE(shown.status, 0) << reason;
    EXPECT_EQ(shown.err, applied.err);
    EXPECT_THAT(shown.err, AllOf(HasSubstr(reason), HasSubstr("nothing was changed")));
    EXPECT_EQ(Dump(), before) << reason;
  }
}

TEST_F(ApplyTest, ATokenAppliesWhatTheDryRunShowedOrNothing) {
  Must({"db", "migrate"});
  const Ran shown = Apply(kThreeOfW, {"--dry-run"});
  EXPECT_THAT(shown.out, AllOf(HasSubstr("+ node w-3"), HasSubstr("CAPACITY")));
  const std::string token = TokenIn(shown);
  EXPECT_EQ(TokenIn(Apply(kThreeOfW, {"--dry-run"})), token);
  std::string four = kThreeOfW;
  four.replace(four.find("count: 3"), 8, "count: 4");
  const Ran other = Apply(four, {"--plan-token", token});
  EXPECT_EQ(other.status, 9) << other.err;
  EXPECT_THAT(other.err, HasSubstr("PLAN_STALE"));
  EXPECT_EQ(Sql("SELECT count(*) FROM orgs"), "0\n");
  const Ran applied = Apply(kThreeOfW, {"--plan-token", token});
  EXPECT_THAT(applied.out, HasSubstr("Applied: 7 new"));
  EXPECT_EQ(Apply(kThreeOfW, {"--plan-token", token}).status, 9) << "it is there already";

  const std::string changes = TokenIn(Apply(four, {"--dry-run"}));
  Must({"node", "create", "x", "--image", "p/v@1.0.0", "--host", "h1"});
  const std::string before = Dump();
  EXPECT_THAT(Apply(four, {"--plan-token", changes}).err, HasSubstr("PLAN_STALE"));
  EXPECT_EQ(Dump(), before);
  Must({"audit"});
}

// Declared values are set together with the upgrade that would take them along.
TEST_F(ApplyTest, AnUpgradeAndItsValuesAreOneChange) {
  const std::string fleet =
      "orgs: [acme]\n"
      "regions: [eu]\n"
      "hosts: [{name: h1, region: eu, cpu: 8, memory: 64GB, disk: 1TB}]\n"
      "images:\n"
      "- {image: p/v@1.0.0, uri: i, cpu: 1, memory: 1GB, disk: 1GB, properties: [{key: k, default: "
      "a}]}\n"
      "- {image: p/v@2.0.0, uri: i, cpu: 1, memory: 1GB, disk: 1GB, properties: [{key: k, default: "
      "b}]}\n"
      "nodes: [{name: n, image: p/v@1.0.0, host: h1, values: {k: a}}]\n";
  Apply(fleet);
  std::string next = fleet;
  next.replace(next.rfind("p/v@1.0.0"), 9, "p/v@2.0.0");
  const std::string token = TokenIn(Apply(next, {"--dry-run"}));
  EXPECT_THAT(Apply(next, {"--plan-token", token}).out,
              AllOf(HasSubstr("~ node n: image p/v@1.0.0+1 -> p/v@2.0.0"),
                    HasSubstr("~ node n: k \"b\" -> \"a\"")));
  EXPECT_THAT(Apply(next).out, HasSubstr("0 new, 0 changed"));
  Must({"audit"});
}

TEST_F(ApplyTest, WhatIsExportedMakesTheSameFleet) {
  Apply(Example());
  const std::string exported = Must({"export"}).out;
  const std::string before = Dump();
  EXPECT_THAT(Apply(exported).out, HasSubstr("Applied: 0 new, 0 changed, 61 unchanged."));
  EXPECT_EQ(Dump(), before);
  EXPECT_EQ(Tallyman({"diff", Write("e.yaml", exported)}).status, 0);
  EXPECT_EQ(Tallyman({"diff", Write("x.yaml", Example())}).status, 0);

  const std::string other = "sqlite:" + PathOf("other.db");
  Must({"db", "migrate", "--db", other});
  Must({"apply", "-f", Write("e.yaml", exported), "--db", other});
  EXPECT_EQ(Must({"export", "--db", other}).out, exported);
  Must({"export", "--db", other, "-f", PathOf("again.yaml")});
  EXPECT_EQ(Must({"diff", PathOf("again.yaml")}).status, 0);
}

TEST_F(ApplyTest, DiffShowsWhatApplyWouldChangeAndChangesNothing) {
  Apply(Example());
  const std::string before = Dump();
  EXPECT_THAT(Must({"diff", Write("f.yaml", Example())}).out,
              HasSubstr("No difference: 0 new, 0 changed, 61 unchanged."));
  const Ran changed =
      Tallyman({"diff", Write("f.yaml", Example("trace-index: \"on\"", "trace-index: \"off\""))});
  EXPECT_EQ(changed.status, 3) << changed.err;
  EXPECT_THAT(changed.out, AllOf(HasSubstr("~ node eth-ams: trace-index \"on\" -> \"off\""),
                                 HasSubstr("Differences: 0 new, 1 changed, 60 unchanged.")));
  EXPECT_EQ(Dump(), before);
}

}  // namespace
}  // namespace tallyman
