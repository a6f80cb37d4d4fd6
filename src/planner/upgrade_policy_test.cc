#include "planner/upgrade_policy.h"

#include <gtest/gtest.h>

#include "planner/test_fleet.h"

namespace tallyman::planner {
namespace {

using std::chrono::days;
using std::chrono::microseconds;

const OrgId kAcme = IdOf<OrgId>(1), kOther = IdOf<OrgId>(2);
const ProtocolId kEthereum = IdOf<ProtocolId>(1), kBitcoin = IdOf<ProtocolId>(2);
const Time kNow{days(20'000)};

UpgradePolicy Policy(UpgradeLevel level) {
  UpgradePolicy policy;
  policy.org_id = kAcme;
  policy.protocol_id = kEthereum;
  policy.variant = "reth";
  policy.level = level;
  return policy;
}

Image Published(int number, const std::string& version, int64_t build = 1) {
  Image image;
  image.id = IdOf<ImageId>(number);
  image.protocol.id = kEthereum;
  image.version.variant = "reth";
  image.version.semantic_version = version;
  image.build = build;
  image.created_at = kNow - days(30);
  return image;
}

NodeBrief Running(int number, const std::string& version) {
  return {.id = IdOf<NodeId>(number),
          .org_id = kAcme,
          .protocol_id = kEthereum,
          .variant = "reth",
          .version = SemVer::Parse(version).value(),
          .auto_upgrade = true};
}

std::vector<UpgradeProposal> Proposed(const UpgradePolicy& policy,
                                      const std::vector<NodeBrief>& nodes,
                                      const std::vector<Image>& images,
                                      const std::vector<PastRollout>& past = {}) {
  return Propose(policy, nodes, images, past, kNow).value();
}

// The number of the image that one node at `from` is to run; 0: none.
int Target(const UpgradePolicy& policy, const std::string& from, const std::vector<Image>& images,
           const std::vector<PastRollout>& past = {}) {
  const auto proposals = Proposed(policy, {Running(1, from)}, images, past);
  return proposals.empty() ? 0 : proposals[0].image.uuid.bytes[15];
}

TEST(Propose, TakesTheHighestVersionOfTheLevel) {
  const std::vector<Image> images = {Published(1, "1.4.3"), Published(2, "1.5.0"),
                                     Published(3, "2.0.0"), Published(4, "1.4.10"),
                                     Published(5, "1.4.9")};
  EXPECT_EQ(Target(Policy(UpgradeLevel::kPatch), "1.4.2", images), 4);
  EXPECT_EQ(Target(Policy(UpgradeLevel::kMinor), "1.4.2", images), 2);
  EXPECT_EQ(Target(Policy(UpgradeLevel::kMajor), "1.4.2", images), 3);
  EXPECT_EQ(Target(Policy(UpgradeLevel::kPatch), "1.3.0", images), 0);
}

TEST(Propose, TakesTheNewestBuildAndLeavesTheSameVersionAlone) {
  const std::vector<Image> images = {Published(1, "1.4.3", 1), Published(2, "1.4.3", 3),
                                     Published(3, "1.4.3", 2)};
  EXPECT_EQ(Target(Policy(UpgradeLevel::kPatch), "1.4.2", images), 2);
  EXPECT_EQ(Target(Policy(UpgradeLevel::kPatch), "1.4.3", images), 0);
}

TEST(Propose, NeverGoesDown) {
  for (UpgradeLevel level : {UpgradeLevel::kPatch, UpgradeLevel::kMinor, UpgradeLevel::kMajor}) {
    EXPECT_EQ(Target(Policy(level), "1.4.5", {Published(1, "1.4.4"), Published(2, "0.9.0")}), 0);
  }
}

TEST(Propose, TakesPreReleasesOnlyWhereTheyAreWanted) {
  const std::vector<Image> images = {Published(1, "1.5.0-rc.1"), Published(2, "1.5.0-rc.2"),
                                     Published(3, "1.5.1-rc.1")};
  UpgradePolicy policy = Policy(UpgradeLevel::kMinor);
  EXPECT_EQ(Target(policy, "1.4.2", images), 0);
  EXPECT_EQ(Target(policy, "1.5.0-rc.1", images), 2);
  EXPECT_EQ(Target(policy, "1.5.0-rc.1", {images[1], Published(4, "1.5.0")}), 4);
  EXPECT_EQ(Target(policy, "1.5.0", images), 0);
  policy.pre_releases = true;
  EXPECT_EQ(Target(policy, "1.4.2", images), 3);
}

TEST(Propose, KeepsToTheRange) {
  const std::vector<Image> images = {Published(1, "1.4.3"), Published(2, "1.6.0"),
                                     Published(3, "2.0.0-rc.1"), Published(4, "2.0.0")};
  UpgradePolicy policy = Policy(UpgradeLevel::kMajor);
  policy.pre_releases = true;
  policy.version_range = ">=1.4.0 <2.0.0";
  EXPECT_EQ(Target(policy, "1.4.2", images), 2);
  policy.version_range = "  <=1.4.3 ";
  EXPECT_EQ(Target(policy, "1.4.2", images), 1);
  policy.version_range = ">2.0.0";
  EXPECT_EQ(Target(policy, "1.4.2", images), 0);
  policy.version_range = "=2.0.0";
  EXPECT_EQ(Target(policy, "1.4.2", images), 4);
  policy.version_range = "<2.0.0-rc.2";
  EXPECT_EQ(Target(policy, "1.4.2", images), 3);
}

TEST(Propose, RefusesARangeThatIsNone) {
  for (const char* range : {"1.4.0", ">=1.4", "~>1.4.0", ">= 1.4.0", ">=1.4.0,<2.0.0", "=>1.4.0"}) {
    UpgradePolicy policy = Policy(UpgradeLevel::kMinor);
    policy.version_range = range;
    const auto proposals = Propose(policy, {}, {}, {}, kNow);
    ASSERT_FALSE(proposals.has_value()) << range;
    EXPECT_EQ(proposals.error().code, Code::kInvalidArgument) << range;
    EXPECT_EQ(proposals.error().reason, "INVALID_VERSION_RANGE") << range;
    EXPECT_EQ(proposals.error().Fact("field"), "version_range") << range;
  }
}

TEST(Propose, WaitsForTheDelay) {
  UpgradePolicy policy = Policy(UpgradeLevel::kMinor);
  policy.delay = days(3);
  Image old = Published(1, "1.4.3"), fresh = Published(2, "1.4.4");
  fresh.created_at = kNow - days(3) + microseconds(1);
  EXPECT_EQ(Target(policy, "1.4.2", {old, fresh}), 1);
  fresh.created_at = kNow - days(3);
  EXPECT_EQ(Target(policy, "1.4.2", {old, fresh}), 2);
}

TEST(Propose, TakesOnlyImagesThatTheOrgSeesOfItsProtocolAndVariant) {
  const UpgradePolicy policy = Policy(UpgradeLevel::kMinor);
  Image image = Published(1, "1.4.3");
  image.org_id = kAcme;
  EXPECT_EQ(Target(policy, "1.4.2", {image}), 1);
  Image of_other = image, of_protocol = image, of_variant = image;
  of_other.org_id = kOther;
  of_protocol.protocol.id = kBitcoin;
  of_variant.version.variant = "geth";
  EXPECT_EQ(Target(policy, "1.4.2", {of_other, of_protocol, of_variant}), 0);
}

TEST(Propose, AsksTheNodeAsWellAsThePolicy) {
  const std::vector<Image> images = {Published(1, "1.4.3")};
  UpgradePolicy policy = Policy(UpgradeLevel::kMinor);
  NodeBrief off = Running(2, "1.4.2"), of_other = off, of_protocol = off, of_variant = off;
  off.auto_upgrade = false;
  of_other.org_id = kOther;
  of_protocol.protocol_id = kBitcoin;
  of_variant.variant = "geth";
  EXPECT_EQ(Proposed(policy, {off, of_other, of_protocol, of_variant, Running(1, "1.4.2")}, images),
            (std::vector{UpgradeProposal{IdOf<ImageId>(1), {IdOf<NodeId>(1)}}}));
  policy.enabled = false;
  EXPECT_TRUE(Proposed(policy, {Running(1, "1.4.2")}, images).empty());
}

TEST(Propose, GroupsNodesByTargetTheHighestFirst) {
  const std::vector<Image> images = {Published(1, "1.4.3"), Published(2, "1.5.1")};
  EXPECT_EQ(Proposed(Policy(UpgradeLevel::kPatch),
                     {Running(3, "1.4.0"), Running(2, "1.5.0"), Running(1, "1.4.2")}, images),
            (std::vector{UpgradeProposal{IdOf<ImageId>(2), {IdOf<NodeId>(2)}},
                         UpgradeProposal{IdOf<ImageId>(1), {IdOf<NodeId>(1), IdOf<NodeId>(3)}}}));
}

// Nor does the node fall back to a lower version in between.
TEST(Propose, DoesNotTryAgainWhatFailed) {
  const UpgradePolicy policy = Policy(UpgradeLevel::kMinor);
  const std::vector<Image> images = {Published(1, "1.4.3"), Published(2, "1.4.4")};
  for (RolloutEnd end : {RolloutEnd::kAborted, RolloutEnd::kReverted}) {
    const std::vector<PastRollout> past = {{.image = IdOf<ImageId>(2), .end = end}};
    EXPECT_EQ(Target(policy, "1.4.2", images, past), 0);
    std::vector<Image> fixed = images;
    fixed.push_back(Published(3, "1.4.4", 2));
    EXPECT_EQ(Target(policy, "1.4.2", fixed, past), 3);
  }
}

TEST(Propose, TriesAgainForAllButThoseOnWhichItFailed) {
  const std::vector<PastRollout> past = {{.image = IdOf<ImageId>(2), .failed = {IdOf<NodeId>(1)}},
                                         {.image = IdOf<ImageId>(1), .end = RolloutEnd::kAborted}};
  EXPECT_EQ(Proposed(Policy(UpgradeLevel::kMinor), {Running(1, "1.4.2"), Running(2, "1.4.2")},
                     {Published(1, "1.4.3"), Published(2, "1.4.4")}, past),
            (std::vector{UpgradeProposal{IdOf<ImageId>(2), {IdOf<NodeId>(2)}}}));
}

// "1 5 10 / 2": where stages end, and the waves after which it pauses.
std::string Fitted(const RolloutRequest& strategy, int64_t nodes) {
  const RolloutRequest fitted = FitToNodes(strategy, nodes);
  std::string text;
  for (const RolloutStage& stage : fitted.stages) text += std::to_string(stage.amount) + " ";
  text += "/";
  for (const int64_t wave : fitted.pause_after) text += " " + std::to_string(wave);
  return text;
}

TEST(FitToNodes, DoesForAnyNumberOfNodes) {
  RolloutRequest strategy;
  EXPECT_EQ(Fitted(strategy, 100), "1 10 100 /");
  EXPECT_EQ(Fitted(strategy, 5), "1 5 /");
  EXPECT_EQ(Fitted(strategy, 1), "1 /");
  strategy.stages = {{3, false}, {10, true}, {100, true}};
  strategy.pause_after = {2};
  EXPECT_EQ(Fitted(strategy, 100), "3 10 100 / 2");
  EXPECT_EQ(Fitted(strategy, 20), "3 20 / 1") << "10 percent are fewer than 3 nodes";
  EXPECT_EQ(Fitted(strategy, 2), "2 / 1");
  strategy.max_failures = 4;
  EXPECT_EQ(FitToNodes(strategy, 3).max_failures, 3);
  for (int64_t nodes = 1; nodes < 50; ++nodes) {
    std::vector<RolloutCandidate> candidates(static_cast<size_t>(nodes));
    for (size_t i = 0; i < candidates.size(); ++i)
      candidates[i].node = IdOf<NodeId>(static_cast<int>(i) + 1);
    const RolloutHost host;
    EXPECT_TRUE(PlanRollout(FitToNodes(strategy, nodes), candidates, {&host, 1})) << nodes;
  }
}

TEST(CheckStrategy, RefusesWhatWouldDoForNoNumberOfNodes) {
  EXPECT_TRUE(CheckStrategy({}));
  EXPECT_TRUE(CheckStrategy({.stages = {{5, false}, {1, true}, {100, true}}}));
  const auto field = [](const RolloutRequest& strategy) {
    const Status status = CheckStrategy(strategy);
    return status ? std::string("none") : std::string(status.error().Fact("field"));
  };
  EXPECT_EQ(field({.stages = {{0, false}}}), "stages[0]");
  EXPECT_EQ(field({.stages = {{101, true}}}), "stages[0]");
  EXPECT_EQ(field({.stages = {{5, false}, {5, false}}}), "stages[1]");
  EXPECT_EQ(field({.stages = std::vector<RolloutStage>(101, {1, false})}), "stages");
  EXPECT_EQ(field({.pause_after = {4}}), "pause_after");
  EXPECT_EQ(field({.pause_after = {0}}), "pause_after");
  EXPECT_EQ(field({.per_host = 0}), "per_host");
  EXPECT_EQ(field({.max_failures = -1}), "max_failures");
}

}  // namespace
}  // namespace tallyman::planner
