// Words that are refused, and help: what needs no database.
#include "cli/cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.h"
#include "cli/format.h"
#include "cli/nearest.h"
#include "cli/testing_words.h"
#include "tallyman/v1/fleet.pb.h"
#include "tallyman/v1/node.pb.h"
#include "tallyman/v1/org.pb.h"

namespace tallyman::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(RunCli, HelpTeachesWithExamplesAtEveryLevel) {
  const std::vector<std::vector<std::string>> levels = {
      {"--help"}, {"node", "--help"}, {"node", "upgrade", "-h"}};
  for (const auto& words : levels) {
    const Ran ran = RunWords(words);
    EXPECT_EQ(ran.status, 0);
    EXPECT_THAT(ran.out, AllOf(HasSubstr("Examples:"), HasSubstr("tallyman node upgrade"),
                               HasSubstr("--help")));
    EXPECT_THAT(ran.err, IsEmpty());
  }
  EXPECT_EQ(RunWords({"--version"}).out, "1.2.3\n");
}

TEST(RunCli, WithoutACommandItShowsTheHelpAndFails) {
  for (const auto& words : std::vector<std::vector<std::string>>{{}, {"node"}}) {
    const Ran ran = RunWords(words);
    EXPECT_EQ(ran.status, 2);
    EXPECT_THAT(ran.out, IsEmpty());
    EXPECT_THAT(ran.err, HasSubstr("Examples:"));
  }
}

TEST(RunCli, UnknownWordsSuggestTheNearest) {
  EXPECT_THAT(RunWords({"nod", "list"}).err,
              HasSubstr("there is no command \"nod\"; did you mean \"node\"?"));
  EXPECT_THAT(RunWords({"node", "lst"}).err,
              HasSubstr("\"tallyman node\" has no command \"lst\"; did you mean \"list\"?"));
  EXPECT_THAT(RunWords({"node", "list", "--regoin", "x"}).err,
              HasSubstr("did you mean \"--region\"?"));
  EXPECT_THAT(RunWords({"zebra"}).err,
              AllOf(HasSubstr("no command \"zebra\""), HasSubstr("tallyman --help")));
  EXPECT_EQ(RunWords({"nod"}).status, 2);
}

TEST(RunCli, UsageErrorsSayWhereHelpIs) {
  const std::vector<std::vector<std::string>> cases = {
      {"node", "create", "--region", "r"},
      {"node", "show"},
      {"node", "show", "a", "b"},
      {"node", "create", "--image", "a", "--image", "b"},
      {"node", "create", "--image", "a", "--spread", "--pack"},
      {"host", "show", "--limit"},
      {"org", "create"},
  };
  for (const auto& words : cases) {
    const Ran ran = RunWords(words);
    EXPECT_EQ(ran.status, 2) << ran.err;
    EXPECT_THAT(ran.err, AllOf(HasSubstr("error: "), HasSubstr("--help")));
    EXPECT_THAT(ran.out, IsEmpty());
  }
}

TEST(RunCli, GlobalOptionsStandAnywhere) {
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"--db", "sqlite:x", "node", "list"},
                                             {"node", "--db", "sqlite:x", "list"},
                                             {"node", "list", "--db", "sqlite:x"}}) {
    const Ran ran = RunWords(words);
    EXPECT_EQ(ran.status, RowOf(Code::kUnknown).exit_status);
    EXPECT_THAT(ran.err, HasSubstr("the database is gone"));
  }
}

TEST(RunCli, ANameMayBeAWordOfTheCommandLine) {
  EXPECT_THAT(RunWords({"--db", "x", "node", "show", "host"}).err,
              HasSubstr("the database is gone"));
  EXPECT_THAT(RunWords({"--db", "x", "org", "create", "list"}).err,
              HasSubstr("the database is gone"));
}

TEST(RunCli, WithoutADatabaseItSaysHowToNameOne) {
  const Ran ran = RunWords({"node", "list"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("--db sqlite:PATH"), HasSubstr("TALLYMAN_DB")));
}

TEST(RunCli, ErrorsFollowTheOutputFormat) {
  EXPECT_THAT(RunWords({"node", "list", "-o", "json"}).err,
              AllOf(HasSubstr("\"reason\": \"NO_DATABASE\""), HasSubstr("\"exit_status\": 2")));
  EXPECT_THAT(RunWords({"nod", "-o", "json"}).err, HasSubstr("\"reason\": \"USAGE\""));
  EXPECT_THAT(RunWords({"-oyaml", "nod"}).err, HasSubstr("reason: USAGE"));
  EXPECT_EQ(RunWords({"node", "list", "-o", "xml"}).status, 2);
}

TEST(RunCli, AnOpenOutcomeNamesTheRequestId) {
  FakeClient client;
  client.On<v1::CreateOrgRequest, v1::CreateOrgResponse>(
      "OrgService/CreateOrg", [](const auto&, auto&) { return Fail(NoDatabase::Gone()); });
  const RunOptions fake = {.client = &client};
  EXPECT_THAT(RunWords({"--db", "x", "org", "create", "a"}, fake).err,
              AllOf(HasSubstr("CreateOrg may or may not have happened"),
                    HasSubstr("--request-id fresh-id")));
  EXPECT_THAT(RunWords({"--db", "x", "org", "create", "a", "--request-id", "mine"}, fake).err,
              HasSubstr("--request-id mine"));
  EXPECT_THAT(
      RunWords({"--db", "x", "org", "create", "a", "-o", "json"}, fake).err,
      AllOf(HasSubstr("\"method\": \"CreateOrg\""), HasSubstr("\"request_id\": \"fresh-id\"")));
}

// A change begins with reads, of which nothing is left.
TEST(RunCli, AReadThatFailsLeavesNothingOpen) {
  FakeClient client;
  client.On<v1::ListOrgsRequest, v1::ListOrgsResponse>(
      "OrgService/ListOrgs", [](const auto&, auto&) { return Fail(NoDatabase::Gone()); });
  const Ran ran =
      RunWords({"--db", "x", "node", "create", "n", "--image", "p/v@1.0.0"}, {.client = &client});
  EXPECT_NE(ran.status, 0);
  EXPECT_THAT(ran.err, testing::Not(HasSubstr("may not have happened")));
  // Nor does a plan.
  client.On<v1::UpgradeNodesRequest, v1::UpgradeNodesResponse>(
      "NodeService/UpgradeNodes", [](const auto&, auto&) { return Fail(NoDatabase::Gone()); });
  const std::vector<std::string> upgrade = {"--db", "x",       "node",     "upgrade",
                                            "n",    "--image", "p/v@1.0.0"};
  EXPECT_THAT(RunWords(upgrade, {.client = &client}).err, HasSubstr("may not have happened"));
  std::vector<std::string> plan = upgrade;
  plan.emplace_back("--dry-run");
  EXPECT_THAT(RunWords(plan, {.client = &client}).err,
              testing::Not(HasSubstr("may not have happened")));
}

// Its words have no request id to repeat it with.
TEST(RunCli, AnOpenRequestOfAnApplyIsFoundInTheAuditTrail) {
  FakeClient client;
  client.On<v1::ApplyFleetRequest, v1::ApplyFleetResponse>(
      "FleetService/ApplyFleet", [](const auto&, auto&) { return Fail(NoDatabase::Gone()); });
  const Ran ran =
      RunWords({"--db", "x", "apply", "-f", "-"}, {.client = &client, .in = "orgs: [acme]\n"});
  EXPECT_THAT(ran.err, HasSubstr("ApplyFleet may or may not have happened"));
  EXPECT_THAT(ran.err, HasSubstr("audit trail --request "));
}

TEST(RunCli, ManualPagesAreMadeOfTheHelp) {
  const std::string main = RunWords({"manual"}).out;
  EXPECT_THAT(main, AllOf(HasSubstr(".TH TALLYMAN 1"), HasSubstr("tallyman\\-node\\fR(1)"),
                          HasSubstr("\\-\\-timeout"), testing::Not(HasSubstr("manual"))));
  const std::string node = RunWords({"manual", "node"}).out;
  EXPECT_THAT(node, AllOf(HasSubstr(".SS upgrade"), HasSubstr("\\-\\-image"),
                          HasSubstr("tallyman node upgrade")));
  EXPECT_EQ(RunWords({"manual", "nod"}).status, 2);
  EXPECT_THAT(RunWords({"--help"}).out, testing::Not(HasSubstr("manual")));
  EXPECT_THAT(RunWords({"completion", "bash"}).out, testing::Not(HasSubstr("manual")));
}

TEST(RunCli, WrongNumbersAreRefusedBeforeAnythingIsAsked) {
  const std::vector<std::vector<std::string>> cases = {
      {"node", "create", "--image", "i", "--region", "r", "--count", "-1"},
      {"node", "create", "--image", "i", "--region", "r", "--count", "0"},
      {"node", "create", "--image", "i", "--region", "r", "--count", "9223372036854775808"},
      {"host", "create", "h", "--region", "r", "--cpu", "1", "--memory", "1.5GB", "--disk", "1TB"},
      {"host", "update", "h", "--disk", "-1"},
      {"host", "update", "h"},
      {"node", "upgrade", "--image", "i"},
      {"node", "upgrade", "n"},
      {"node", "upgrade", "n", "--all-of", "p/v", "--image", "i"},
      {"node", "upgrade", "--all-of", "p@1.0.0", "--image", "i"},
      {"node", "create", "--image", "i"},
      {"node", "create", "--image", "i", "--region", "r", "--set", "novalue"},
      {"node", "list", "--limit", "0"},
      {"node", "update", "n", "--expected-version", "0"},
      {"node", "update", "n", "--auto-upgrade", "maybe"},
      {"node", "update", "n", "--set", "a=1", "--set", "a=2"},
      {"node", "update", "n", "--set", "a=1", "--set-file", "a=x"},
      {"node", "update", "n", "--set-file", "a=-", "--set-file", "b=-"},
      {"host", "update", "h", "--capacity-policy", "lax"},
      {"token", "create", "t", "--role", "king"},
      {"image", "create", "p/v@1.0.0", "--uri", "i", "--cpu", "1", "--memory", "1GB", "--disk",
       "1GB", "--property-adds", "undeclared:cpu=1"},
      {"audit", "--yes"},
      {"import", "hosts", "x.csv", "--disk-gb", "0"},
  };
  for (const auto& words : cases) {
    std::vector<std::string> with_db = {"--db", "x"};
    with_db.insert(with_db.end(), words.begin(), words.end());
    const Ran ran = RunWords(with_db);
    EXPECT_EQ(ran.status, 2) << words[0] << " " << words[1] << ": " << ran.err;
    EXPECT_THAT(ran.err, testing::Not(HasSubstr("gone")));
  }
}

TEST(RunCli, ExtraCommandsGetTheirWordsAsTheyAre) {
  EXPECT_EQ(RunWords({"agent", "--anything", "x", "--help"}).status, 3);
}

TEST(RunCli, ArgumentsThatAreNoTextAreRefused) {
  const Ran ran = RunWords({"org", "create", "\xff\xfe"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("argument 3"));
}

TEST(RunCli, CompletionKnowsEveryWord) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Ran ran = RunWords({"completion", shell});
    EXPECT_EQ(ran.status, 0);
    EXPECT_THAT(ran.out, AllOf(HasSubstr("upgrade"), HasSubstr("all-of"), HasSubstr("ledger")));
  }
  EXPECT_EQ(RunWords({"completion", "tcsh"}).status, 2);
}

// Also those that are the beginning of another option, such as --token of --token-file.
TEST(RunCli, CompletionOffersTheOptionsThatEveryCommandTakes) {
  const std::string bash = RunWords({"completion", "bash"}).out;
  const size_t line = bash.find("\"org create\")");
  ASSERT_NE(line, std::string::npos);
  EXPECT_THAT(bash.substr(line, bash.find('\n', line) - line),
              AllOf(HasSubstr(" --token "), HasSubstr(" -o "), HasSubstr(" -q "),
                    HasSubstr(" --request-id ")));
}

TEST(RunCli, ErrorsNameTheOptionTheValueAndWhatToWrite) {
  EXPECT_THAT(RunWords({"--db", "x", "host", "update", "h", "--capacity-policy", "lax"}).err,
              HasSubstr("--capacity-policy is \"lax\": write default, warn or enforce"));
  EXPECT_THAT(RunWords({"--db", "x", "node", "list", "--limit", "0"}).err,
              HasSubstr("--limit is \"0\": write 1 or more"));
}

TEST(RunCli, AValueIsNotRepeatedWhereItsKeyIsMissing) {
  const Ran ran = RunWords({"--db", "x", "node", "update", "n", "--set", "=hunter2"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("--set"), testing::Not(HasSubstr("hunter2"))));
}

TEST(RunCli, NounAndVerbInTheOtherOrderAreUnderstood) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"list", "nodes"}, "did you mean \"tallyman node list\"?"},
      {{"list", "node"}, "did you mean \"tallyman node list\"?"},
      {{"nodes", "list"}, "did you mean \"tallyman node list\"?"},
      {{"hosts"}, "did you mean \"tallyman host\"?"},
      {{"create", "org", "acme"}, "did you mean \"tallyman org create\"?"},
      {{"upgrade"}, "a noun comes before it, as in \"tallyman node upgrade\""},
      {{"nodse", "list"}, "did you mean \"node\"?"},
      {{"node", "lsit"}, "did you mean \"list\"?"},
      {{"node", "hsow"}, "did you mean \"show\"?"},
  };
  for (const auto& [words, expected] : cases) {
    const Ran ran = RunWords(words);
    EXPECT_EQ(ran.status, 2) << words[0];
    EXPECT_THAT(ran.err, HasSubstr(expected)) << words[0];
  }
}

TEST(RunCli, AllOfAProtocolIsNotTakenSilently) {
  const Ran ran = RunWords(
      {"--db", "x", "node", "upgrade", "--all-of", "ethereum", "--image", "ethereum/v@1.0.0"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("every variant"), HasSubstr("\"ethereum/*\"")));
  EXPECT_THAT(
      RunWords({"--db", "x", "node", "upgrade", "--all-of", "ethereum/*", "--image", "i"}).err,
      testing::Not(HasSubstr("variant")));
}

TEST(RunCli, ColumnsThatAreNotThereAreRefusedWithThoseThatAre) {
  const Ran ran = RunWords({"--db", "x", "org", "list", "--columns", "org,price"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err,
              HasSubstr("there is no column \"price\"; there are: org, created, id, quota"));
  EXPECT_EQ(RunWords({"--db", "x", "org", "list", "--columns", "org", "-o", "json"}).status, 2);
}

TEST(FormatAlike, MixesNoKindsOfUnits) {
  const DimensionView& memory = kDimensionViews[1];
  EXPECT_EQ(FormatAlike(memory, {kGibi * 768, kGibi * 700}),
            (std::vector<std::string>{"768 GiB", "700 GiB"}));
  EXPECT_EQ(FormatAlike(memory, {kGibi * 768, kGibi * 768 - 32 * kGiga, 0, 32 * kGiga}),
            (std::vector<std::string>{"824.6 GB", "792.6 GB", "0 B", "32 GB"}));
  EXPECT_EQ(FormatAlike(memory, {-kGibi * 3, kGiga}),
            (std::vector<std::string>{"-3.22 GB", "1 GB"}));
  EXPECT_EQ(FormatAlike(kDimensionViews[0], {1024, 3}), (std::vector<std::string>{"1024", "3"}));
}

TEST(Nearest, GivesUpOnWhatIsFarAway) {
  EXPECT_EQ(Nearest("lsit", {"list", "show"}), "list");
  EXPECT_EQ(Nearest("lsit", {"last", "list"}), "list") << "letters that changed places are one";
  EXPECT_EQ(Nearest("xyzzy", {"list", "show"}), "");
  EXPECT_EQ(Nearest(std::string(10'000'000, 'x'), {"list"}), "");
}

}  // namespace
}  // namespace tallyman::cli
