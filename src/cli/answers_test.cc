// What becomes of answers: what they warn of, output that cannot be written, and `apply` beside
// others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "cli/testing_words.h"
#include "tallyman/v1/catalog.pb.h"
#include "tallyman/v1/command.pb.h"
#include "tallyman/v1/fleet.pb.h"
#include "tallyman/v1/host.pb.h"
#include "tallyman/v1/node.pb.h"
#include "tallyman/v1/org.pb.h"
#include "tallyman/v1/region.pb.h"
#include "tallyman/v1/token.pb.h"

namespace tallyman::cli {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class AnswersTest : public testing::Test {
 protected:
  Ran Run(std::vector<std::string> words, RunOptions options = {}) {
    words.insert(words.begin(), {"--db", "x"});
    options.client = &client;
    return RunWords(words, options);
  }
  Ran Apply(const std::string& fleet, std::vector<std::string> more = {}, RunOptions options = {}) {
    more.insert(more.begin(), {"apply", "-f", "-"});
    options.in = fleet;
    return Run(more, options);
  }

  void AnswerUpgrades() {
    client.On<v1::UpgradeNodesRequest, v1::UpgradeNodesResponse>(
        "NodeService/UpgradeNodes", [](const auto& request, auto& response) -> Status {
          v1::Changes& changes = *response.mutable_changes();
          changes.add_nodes()->set_node("n");
          changes.set_applied(!request.dry_run());
          *changes.add_warnings() = TooMuch();
          // The row of the host repeats it.
          *changes.add_hosts()->add_warnings() = TooMuch();
          return {};
        });
  }
  static v1::Warning TooMuch() {
    v1::Warning warning;
    warning.set_reason("OVER_CAPACITY");
    warning.set_message("host h carries too much");
    return warning;
  }

  // An org that somebody else creates just before this command does; `seen` is what lists show.
  void LoseTheRaceForAnOrg(bool others_are_seen) {
    client.On<v1::ListOrgsRequest, v1::ListOrgsResponse>(
        "OrgService/ListOrgs", [this](const auto&, auto& response) -> Status {
          for (const std::string& name : orgs_seen) response.add_orgs()->set_name(name);
          return {};
        });
    client.On<v1::ApplyFleetRequest, v1::ApplyFleetResponse>(
        "FleetService/ApplyFleet", [this, others_are_seen](const auto& request, auto&) -> Status {
          if (others_are_seen) orgs_seen.push_back(request.steps(0).create_org().name());
          return Fail(AlreadyExists("ORG_NAME_TAKEN", "org acme exists already").With("step", "0"));
        });
  }

  FakeClient client;
  std::vector<std::string> orgs_seen;
};

const std::vector<std::string> kUpgrade = {"node", "upgrade", "n", "--image", "i"};

std::vector<std::string> With(std::vector<std::string> words, const std::string& more) {
  words.push_back(more);
  return words;
}

TEST_F(AnswersTest, WarningsAreErrorsOutputWhateverIsShownOfTheAnswer) {
  AnswerUpgrades();
  for (const auto& words : {kUpgrade, With(kUpgrade, "-q"), With(kUpgrade, "--dry-run")}) {
    const Ran ran = Run(words);
    EXPECT_EQ(ran.status, 0);
    EXPECT_EQ(ran.err, "warning: host h carries too much (OVER_CAPACITY)\n");
    EXPECT_THAT(ran.out, Not(HasSubstr("OVER_CAPACITY")));
  }
}

TEST_F(AnswersTest, WarningsOfADocumentStandInIt) {
  AnswerUpgrades();
  for (const char* format : {"json", "yaml"}) {
    const Ran ran = Run(With(With(kUpgrade, "-o"), format));
    EXPECT_EQ(ran.err, "");
    EXPECT_THAT(ran.out, HasSubstr("OVER_CAPACITY"));
  }
}

// Nodes n-1, n-2, ... in pages; the call after `good_pages` fails.
class ListsTest : public AnswersTest {
 protected:
  ListsTest() {
    client.On<v1::ListNodesRequest, v1::ListNodesResponse>(
        "NodeService/ListNodes", [this](const auto& request, auto& response) -> Status {
          if (pages == good_pages) return Fail(Error(Code::kUnavailable, "GONE", "it is gone"));
          EXPECT_EQ(request.page_token(), pages == 0 ? "" : std::to_string(pages));
          for (int i = 0; i < request.page_size(); ++i)
            response.add_nodes()->set_name("n-" + std::to_string(++nodes));
          if (++pages < all_pages) response.set_next_page_token(std::to_string(pages));
          return {};
        });
  }
  std::vector<std::string> Lines(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }

  int all_pages = 3;
  int good_pages = 1000;
  int pages = 0;
  int nodes = 0;
};

TEST_F(ListsTest, AnErrorAmongThePagesIsTheStatusAndNoReaderTakesTheRestForWhole) {
  good_pages = 2;
  for (const char* format : {"json", "yaml"}) {
    pages = nodes = 0;
    const Ran ran = Run({"node", "list", "-o", format});
    EXPECT_EQ(ran.status, 9);
    EXPECT_THAT(ran.out, HasSubstr("n-2000"));
    EXPECT_THAT(ran.out, Not(HasSubstr("next_page_token")));
    EXPECT_THAT(ran.err, HasSubstr("it is gone"));
  }
}

TEST_F(ListsTest, AListThatNobodyReadsIsNotAskedForToItsEnd) {
  const Ran ran = Run({"node", "list", "-o", "json"}, {.out_fails = true, .reader_is_gone = true});
  EXPECT_EQ(ran.status, 141);
  EXPECT_EQ(pages, 1);
}

TEST_F(ListsTest, WhatIsHeldIsSortedAsPeopleCountAndMoreIsPrintedAsItComes) {
  all_pages = 10;
  std::vector<std::string> lines = Lines(Run({"node", "list"}).out);
  ASSERT_EQ(lines.size(), 10'001u);
  EXPECT_THAT(lines[10'000], testing::StartsWith("n-10000"));
  all_pages = 11;
  pages = nodes = 0;
  lines = Lines(Run({"node", "list"}).out);
  ASSERT_EQ(lines.size(), 11'001u) << "the titles stand once";
  EXPECT_THAT(lines[11'000], testing::StartsWith("n-11000"));
  pages = nodes = 0;
  lines = Lines(Run({"-q", "node", "list"}).out);
  EXPECT_EQ(lines.size(), 11'000u);
}

TEST_F(ListsTest, ATableThatBreaksOffShowsNothingOfWhatWasHeld) {
  good_pages = 2;
  const Ran ran = Run({"node", "list"});
  EXPECT_EQ(ran.status, 9);
  EXPECT_EQ(ran.out, "");
}

class PartsTest : public AnswersTest {
 protected:
  PartsTest() {
    client.On<v1::ListNodesRequest, v1::ListNodesResponse>(
        "NodeService/ListNodes", [this](const auto& request, auto& response) -> Status {
          EXPECT_EQ(request.filter(), "protocol=p variant=v");
          const int first = request.page_token().empty() ? 0 : std::stoi(request.page_token());
          for (int i = first; i < std::min(first + request.page_size(), nodes); ++i) {
            v1::Node& node = *response.add_nodes();
            node.set_id("n-" + std::to_string(i));
            node.set_image_id(i == 0 || upgraded.contains(node.id()) ? "new" : "old");
            if (i == 1) node.set_next_state(v1::NEXT_STATE_DELETING);
          }
          if (first + request.page_size() < nodes)
            response.set_next_page_token(std::to_string(first + request.page_size()));
          return {};
        });
    client.On<v1::GetImageRequest, v1::GetImageResponse>("CatalogService/GetImage",
                                                         [](const auto&, auto& response) -> Status {
                                                           response.mutable_image()->set_id("new");
                                                           return {};
                                                         });
    client.On<v1::UpgradeNodesRequest, v1::UpgradeNodesResponse>(
        "NodeService/UpgradeNodes", [this](const auto& request, auto& response) -> Status {
          ids.push_back(request.request_id());
          sizes.push_back(request.nodes_size());
          EXPECT_FALSE(request.has_selector());
          if (std::ssize(ids) == fails_at)
            return Fail(FailedPrecondition("NODE_BEING_DELETED", "node n is being deleted"));
          response.mutable_changes()->set_applied(true);
          for (const std::string& node : request.nodes()) {
            upgraded.insert(node);
            response.mutable_changes()->add_nodes()->set_node(node);
          }
          return {};
        });
  }

  int nodes = 5'002;
  int fails_at = 0;
  std::set<std::string> upgraded;
  std::vector<std::string> ids;
  std::vector<int> sizes;
};

const std::vector<std::string> kInParts = {"node",       "upgrade",      "--all-of",
                                           "p/v",        "--image",      "p/v@2.0",
                                           "--in-parts", "--request-id", "mine"};

TEST_F(PartsTest, EachPartIsARequestOfItsOwn) {
  const Ran ran = Run(kInParts);
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out,
            "Part 1 of 3: upgraded 2000 nodes.\n"
            "Part 2 of 3: upgraded 2000 nodes.\n"
            "Part 3 of 3: upgraded 1000 nodes.\n");
  EXPECT_THAT(sizes, ElementsAre(2000, 2000, 1000));
  EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), 3u);
  EXPECT_THAT(ids, testing::Each(testing::StartsWith("mine-")));
}

TEST_F(PartsTest, AFailureSaysWhatIsDoneAndTheCommandGoesOnThere) {
  fails_at = 2;
  const Ran failed = Run(kInParts);
  EXPECT_EQ(failed.status, 8);
  EXPECT_THAT(failed.err, AllOf(HasSubstr("part 2 of 3"), HasSubstr("being deleted"),
                                HasSubstr("2000 nodes"), HasSubstr("--request-id mine")));
  EXPECT_EQ(ids.size(), 2u);
  const Ran again = Run(kInParts);
  EXPECT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(upgraded.size(), 5'000u);
  EXPECT_EQ(ids.at(2), ids.at(1)) << "the same nodes under the same id";
}

TEST_F(PartsTest, ADocumentForEachPart) {
  const Ran ran = Run(With(With(kInParts, "-o"), "yaml"));
  EXPECT_EQ(ran.status, 0);
  EXPECT_THAT(ran.out, testing::StartsWith("---\nchanges:"));
}

constexpr const char* kOneHost =
    "regions: [eu]\n"
    "hosts: [{name: h, region: eu, cpu: 1, memory: 1GB, disk: 1GB}]\n";

class ApplyWarnings : public AnswersTest {
 protected:
  ApplyWarnings() {
    client.On<v1::ListRegionsRequest, v1::ListRegionsResponse>(
        "RegionService/ListRegions", [](const auto&, auto& response) -> Status {
          response.add_regions()->set_name("eu");
          return {};
        });
    client.On<v1::ListHostsRequest, v1::ListHostsResponse>(
        "HostService/ListHosts", [this](const auto&, auto& response) -> Status {
          v1::Host& host = *response.add_hosts();
          host.set_name("h");
          host.set_region("eu");
          host.set_capacity_policy(v1::CAPACITY_POLICY_DEFAULT);
          if (capacity) *host.mutable_capacity() = *capacity;
          return {};
        });
    client.On<v1::ApplyFleetRequest, v1::ApplyFleetResponse>(
        "FleetService/ApplyFleet", [this](const auto& request, auto& response) -> Status {
          capacity = request.steps(0).update_host().capacity();
          *response.add_results()->mutable_update_host()->add_warnings() = TooMuch();
          response.set_applied(true);
          return {};
        });
  }

  std::optional<v1::Resources> capacity;
};

TEST_F(ApplyWarnings, AreShown) {
  const Ran ran = Apply(kOneHost);
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.err, "warning: host h carries too much (OVER_CAPACITY)\n");
  EXPECT_THAT(ran.out, HasSubstr("Applied: 0 new, 1 changed, 1 unchanged."));
}

TEST_F(ApplyWarnings, StandInItsDocument) {
  const Ran ran = Apply(kOneHost, {"-o", "json"});
  EXPECT_THAT(ran.out, AllOf(HasSubstr("\"warnings\": ["), HasSubstr("OVER_CAPACITY")));
  EXPECT_THAT(Apply(kOneHost, {"-o", "json"}).out, HasSubstr("\"warnings\": []"));
}

// What is refused leaves nothing, so there is nothing to warn of.
TEST_F(ApplyWarnings, OfNothingWhereAStepIsRefused) {
  client.On<v1::ApplyFleetRequest, v1::ApplyFleetResponse>(
      "FleetService/ApplyFleet", [](const auto&, auto&) -> Status {
        return Fail(NotFound("IMAGE_NOT_FOUND", "there is no image p/v@1.0.0").With("step", "1"));
      });
  const Ran ran = Apply(std::string(kOneHost) + "nodes: [{name: n, image: p/v@1.0.0, host: h}]\n",
                        {"--org", "acme"});
  EXPECT_EQ(ran.status, 4);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("-:3:9: there is no image p/v@1.0.0 (nothing was changed)"),
                             HasSubstr("IMAGE_NOT_FOUND"), Not(HasSubstr("warning"))));
}

TEST_F(AnswersTest, ALostAnswerSaysWhatWasDoneAndHowToSeeIt) {
  AnswerUpgrades();
  const Ran ran = Run(kUpgrade, {.out_fails = true});
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("reason: OUTPUT_FAILED"), HasSubstr("UpgradeNodes"),
                             HasSubstr("--request-id fresh-id")));
}

TEST_F(AnswersTest, WhereNothingWasChangedALostAnswerSaysThat) {
  AnswerUpgrades();
  for (const auto& words : {With(kUpgrade, "--dry-run"), std::vector<std::string>{"org", "list"},
                            std::vector<std::string>{"--help"}}) {
    const Ran ran = Run(words, {.out_fails = true});
    EXPECT_EQ(ran.status, 1);
    EXPECT_THAT(ran.err, HasSubstr("nothing was changed"));
  }
}

TEST_F(ApplyWarnings, ALostAnswerOfApplyTellsWhereItsRequestsAreListed) {
  const Ran ran = Apply(kOneHost, {}, {.out_fails = true});
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("1 request was carried out"), HasSubstr("ApplyFleet"),
                             HasSubstr("audit trail"), Not(HasSubstr("--request-id"))));
}

TEST_F(AnswersTest, AReaderThatHasSeenEnoughIsNoErrorUnlessSomethingWasChanged) {
  AnswerUpgrades();
  const RunOptions gone = {.out_fails = true, .reader_is_gone = true};
  const Ran list = Run({"org", "list"}, gone);
  EXPECT_EQ(list.status, 141);
  EXPECT_EQ(list.err, "");
  const Ran upgrade = Run(kUpgrade, gone);
  EXPECT_EQ(upgrade.status, 1);
  EXPECT_THAT(upgrade.err, HasSubstr("--request-id fresh-id"));
}

TEST_F(AnswersTest, ASecretThatCannotBeShownIsSaidWithTheWayOut) {
  client.On<v1::CreateTokenRequest, v1::CreateTokenResponse>(
      "TokenService/CreateToken", [](const auto& request, auto& response) -> Status {
        response.mutable_token()->set_name(request.name());
        response.mutable_token()->set_id("token-1");
        response.set_secret("hidden");
        return {};
      });
  const Ran ran = Run({"token", "create", "ci", "--role", "viewer"},
                      {.out_fails = true, .reader_is_gone = true});
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("token ci was created"),
                             HasSubstr("tallyman token revoke token-1"), Not(HasSubstr("hidden"))));
}

TEST_F(AnswersTest, WithoutAStandardOutputNothingIsDone) {
  const Ran ran = Run(kUpgrade, {.out_is_closed = true});
  EXPECT_EQ(ran.status, 8);
  EXPECT_THAT(ran.err, HasSubstr("OUTPUT_CLOSED"));
  EXPECT_THAT(client.calls, IsEmpty());
  EXPECT_EQ(RunWords({"agent", "one"}, {.out_is_closed = true}).status, 1)
      << "what only logs needs none";
}

TEST_F(AnswersTest, WithoutAStandardInputNothingIsReadFromIt) {
  const Ran ran = Run({"node", "update", "n", "--set-file", "k=-"}, {.in_is_closed = true});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("standard input is closed"));
  EXPECT_THAT(client.calls, IsEmpty());
}

TEST_F(AnswersTest, ApplyComparesAgainWhereSomebodyElseWasFaster) {
  LoseTheRaceForAnOrg(true);
  const Ran ran = Apply("orgs: [acme]\n");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(ran.out, "Applied: 0 new, 0 changed, 1 unchanged.\n");
}

TEST_F(AnswersTest, ApplyGivesUpWhereWhatIsTakenIsNeverSeen) {
  LoseTheRaceForAnOrg(false);
  const Ran ran = Apply("orgs: [acme]\n");
  EXPECT_EQ(ran.status, 5);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("-:1:8"), HasSubstr("org acme exists already")));
  EXPECT_EQ(std::ranges::count(client.calls, "ApplyFleet"), 2);
}

// A server of before knows nothing of `names`.
TEST_F(AnswersTest, OtherNamesThanThoseThatWereAskedForAreAnError) {
  client.On<v1::CreateNodesRequest, v1::CreateNodesResponse>(
      "NodeService/CreateNodes", [](const auto&, auto& response) -> Status {
        response.mutable_changes()->set_applied(true);
        for (const char* name : {"p-v-1", "b"})
          response.mutable_changes()->add_nodes()->set_node(name);
        return {};
      });
  const Ran ran =
      Run({"node", "create", "a", "b", "--image", "p/v@1.0.0", "--host", "h", "--org", "acme"});
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("SERVER_TOO_OLD"),
                             HasSubstr("in place of a it created p-v-1; delete these")));
}

TEST_F(AnswersTest, OneNameIsAskedForAsServersOfBeforeKnowIt) {
  v1::CreateNodesRequest asked;
  client.On<v1::CreateNodesRequest, v1::CreateNodesResponse>(
      "NodeService/CreateNodes", [&](const auto& request, auto&) -> Status {
        asked = request;
        return {};
      });
  Run({"node", "create", "a", "--image", "i", "--host", "h", "--org", "acme"});
  EXPECT_EQ(asked.name(), "a");
  EXPECT_THAT(asked.names(), IsEmpty());
  Run({"node", "create", "a", "b", "c", "--image", "i", "--host", "h1", "--host", "h2", "--org",
       "acme"});
  EXPECT_THAT(asked.names(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(asked.by_hosts().hosts(0).count(), 2);
  EXPECT_EQ(asked.by_hosts().hosts(1).count(), 1);
}

class WaitTest : public AnswersTest {
 protected:
  // Two nodes are stopped; their commands end as `ends` says, each after having been asked for
  // twice.
  void AnswerStops(const std::vector<v1::CommandState>& ends) {
    client.On<v1::StopNodesRequest, v1::StopNodesResponse>(
        "NodeService/StopNodes", [ends](const auto& request, auto& response) -> Status {
          response.mutable_changes()->set_applied(!request.dry_run());
          for (size_t i = 0; i < ends.size(); ++i) {
            v1::NodeChange& change = *response.mutable_changes()->add_nodes();
            change.set_node("n-" + std::to_string(i));
            if (!request.dry_run()) change.set_command_id(std::to_string(i));
          }
          return {};
        });
    client.On<v1::GetCommandRequest, v1::GetCommandResponse>(
        "CommandService/GetCommand", [this, ends](const auto& request, auto& response) -> Status {
          const auto at = static_cast<size_t>(std::stoi(request.command_id()));
          const bool ended = ++asked[at] > 2;
          response.mutable_command()->set_state(ended ? ends[at] : v1::COMMAND_STATE_TAKEN);
          response.mutable_command()->set_outcome(ended ? "as it was told" : "");
          return {};
        });
  }

  std::map<size_t, int> asked;
};

const std::vector<std::string> kStop = {"node", "stop", "n-0", "n-1"};

TEST_F(WaitTest, EndsOnceEveryHostIsDone) {
  AnswerStops({v1::COMMAND_STATE_SETTLED, v1::COMMAND_STATE_SETTLED});
  const Ran ran = Run(With(With(kStop, "--wait"), "5m"));
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(asked, (std::map<size_t, int>{{0, 3}, {1, 3}}));
}

TEST_F(WaitTest, FailsWhereAHostDidNotDoIt) {
  AnswerStops({v1::COMMAND_STATE_SETTLED, v1::COMMAND_STATE_FAILED});
  const Ran ran = Run(With(With(kStop, "--wait"), "5m"));
  EXPECT_EQ(ran.status, 8);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("n-1: failed: as it was told"), HasSubstr("COMMANDS_FAILED"),
                             Not(HasSubstr("n-0"))));
}

TEST_F(WaitTest, GivesUpInTime) {
  AnswerStops({v1::COMMAND_STATE_TAKEN, v1::COMMAND_STATE_SETTLED});
  const Ran ran = Run(With(With(kStop, "--wait"), "1s"));
  EXPECT_EQ(ran.status, 9);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("WAITED_TOO_LONG"), HasSubstr("n-0; n-1")));
}

TEST_F(WaitTest, DoesNotWaitForAPlan) {
  AnswerStops({v1::COMMAND_STATE_FAILED, v1::COMMAND_STATE_FAILED});
  EXPECT_EQ(Run(With(With(With(kStop, "--wait"), "5m"), "--dry-run")).status, 0);
  EXPECT_EQ(Run(kStop).status, 0);
  EXPECT_TRUE(asked.empty());
}

class DrainWaitTest : public AnswersTest {
 protected:
  // Two hosts are drained; each is at rest once it has been asked for so often.
  void AnswerDrains(int asks) {
    client.On<v1::DrainHostsRequest, v1::DrainHostsResponse>(
        "HostService/DrainHosts", [](const auto& request, auto& response) -> Status {
          response.mutable_changes()->set_applied(!request.dry_run());
          for (const std::string& name : request.hosts()) response.add_hosts()->set_host(name);
          return {};
        });
    client.On<v1::GetHostRequest, v1::GetHostResponse>(
        "HostService/GetHost", [this, asks](const auto& request, auto& response) -> Status {
          v1::Host& host = *response.mutable_host();
          host.set_name(request.host());
          if (resumed) return {};
          host.mutable_drain()->set_status_since(true);
          host.mutable_drain()->set_drained(++asked[request.host()] >= asks);
          if (host.drain().drained()) return {};
          v1::DrainWait& wait = *host.mutable_drain()->add_waits();
          wait.set_node("n-1");
          wait.set_why("node_stop is taken");
          return {};
        });
  }

  std::map<std::string, int> asked;
  bool resumed = false;
};

const std::vector<std::string> kDrain = {"host", "drain", "h-1", "h-2"};

TEST_F(DrainWaitTest, EndsOnceEveryHostIsAtRest) {
  AnswerDrains(3);
  const Ran ran = Run(With(With(kDrain, "--wait"), "5m"));
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(asked, (std::map<std::string, int>{{"h-1", 3}, {"h-2", 3}}));
}

TEST_F(DrainWaitTest, GivesUpInTimeAndNamesWhatIsWaitedFor) {
  AnswerDrains(1'000'000);
  const Ran ran = Run(With(With(kDrain, "--wait"), "1s"));
  EXPECT_EQ(ran.status, 9);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("WAITED_TOO_LONG"), HasSubstr("host h-1"),
                             HasSubstr("n-1: node_stop is taken")));
}

TEST_F(DrainWaitTest, EndsWhereSomebodyResumedTheHost) {
  AnswerDrains(3);
  resumed = true;
  const Ran ran = Run(With(With(kDrain, "--wait"), "5m"));
  EXPECT_EQ(ran.status, 8);
  EXPECT_THAT(ran.err, HasSubstr("DRAIN_ENDED"));
}

TEST_F(DrainWaitTest, DoesNotWaitForAPlan) {
  AnswerDrains(3);
  EXPECT_EQ(Run(With(With(With(kDrain, "--wait"), "5m"), "--dry-run")).status, 0);
  EXPECT_EQ(Run(kDrain).status, 0);
  EXPECT_TRUE(asked.empty());
}

}  // namespace
}  // namespace tallyman::cli
