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
  EXPECT_THAT(ran.err, AllOf(HasSubstr("f.yaml:"), HasSubstr("7.7.7"), HasSubstr("apply again")));
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

}  // namespace
}  // namespace tallyman
