#include "planner/config.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "planner/test_fleet.h"

namespace tallyman::planner {
namespace {

constexpr Resources kOne = {1, 1, 1};

NodeConfig New(const Image& image, const std::map<std::string, std::string>& set = {}) {
  ConfigEdit edit;
  edit.set = set;
  return ResolveNew(image, edit, {}).value();
}

FirewallRule Rule(const std::string& key, int64_t port) {
  FirewallRule rule;
  rule.key = key;
  rule.ports = {port};
  return rule;
}

std::vector<std::string> RulesOf(const NodeConfig& config) {
  std::vector<std::string> rules;
  for (const FirewallRule& rule : config.firewall_rules)
    rules.push_back(rule.key + std::to_string(rule.ports[0]));
  return rules;
}

// Contract 6, requirement 1.1.
TEST(ResolveUpgrade, TakesTheResourcesOfTheNewImage) {
  Image old_image = MakeImage(1, {8, 100, 1000}), new_image = MakeImage(2, {32, 50, 1000});
  auto config = ResolveUpgrade(old_image, New(old_image), new_image, {});
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->resources, (Resources{32, 50, 1000}));
  EXPECT_EQ(config->image_id, new_image.id);
}

// Contract 6.
TEST(ResolveUpgrade, CarriesAChangedValueOverWithWhatTheNewImageAddsForIt) {
  Image old_image = MakeImage(1, {8, 8, 8}, {MakeProperty("archive", "no", {0, 0, 100})});
  Image new_image = MakeImage(2, {10, 10, 10}, {MakeProperty("archive", "off", {1, 2, 300})});
  auto config = ResolveUpgrade(old_image, New(old_image, {{"archive", "yes"}}), new_image, {});
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->values.at("archive"), "yes");
  EXPECT_EQ(config->resources, (Resources{11, 12, 310}));
}

// Contract 6: changed is what differs from the *old* image's default.
TEST(ResolveUpgrade, KeepsAddingForAChangedValueThatIsTheNewDefault) {
  Image old_image = MakeImage(1, kOne, {MakeProperty("archive", "no", kOne)});
  Image new_image = MakeImage(2, kOne, {MakeProperty("archive", "yes", {2, 2, 2})});
  auto config = ResolveUpgrade(old_image, New(old_image, {{"archive", "yes"}}), new_image, {});
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->resources, (Resources{3, 3, 3}));
}

// Contract 6.
TEST(ResolveUpgrade, LetsAnUnchangedValueFollowTheNewDefaultAndAddsNothing) {
  Image old_image = MakeImage(1, kOne, {MakeProperty("network", "goerli", kOne)});
  Image new_image = MakeImage(2, kOne, {MakeProperty("network", "holesky", kOne)});
  auto config = ResolveUpgrade(old_image, New(old_image), new_image, {});
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->values.at("network"), "holesky");
  EXPECT_EQ(config->resources, kOne);
}

// Contract 6.
TEST(ResolveUpgrade, KeepsAKeyThatTheNewImageDoesNotKnowAndAddsNothingForIt) {
  Image old_image =
      MakeImage(1, kOne, {MakeProperty("archive", "no", {5, 5, 5}), MakeProperty("plain", "a")});
  Image new_image = MakeImage(2, kOne);
  auto config = ResolveUpgrade(old_image, New(old_image, {{"archive", "yes"}}), new_image, {});
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->values,
            (std::map<std::string, std::string>{{"archive", "yes"}, {"plain", "a"}}));
  EXPECT_EQ(config->resources, kOne);
}

TEST(ResolveUpgrade, AddsAgainForAKeptValueOnceAnImageKnowsItsKeyAgain) {
  Image knows = MakeImage(1, kOne, {MakeProperty("archive", "no", {5, 5, 5})}),
        forgot = MakeImage(2, kOne);
  NodeConfig kept = ResolveUpgrade(knows, New(knows, {{"archive", "yes"}}), forgot, {}).value();
  auto back = ResolveUpgrade(forgot, kept, knows, {});
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->resources, (Resources{6, 6, 6}));
}

// A value that nobody changed must not begin to cost because an image between forgot its key.
TEST(ResolveUpgrade, DoesNotChargeForAKeptValueThatIsTheDefaultWhereItsKeyComesBack) {
  Image knows = MakeImage(1, kOne, {MakeProperty("archive", "no", {5, 5, 5})}),
        forgot = MakeImage(2, kOne);
  NodeConfig kept = ResolveUpgrade(knows, New(knows), forgot, {}).value();
  auto back = ResolveUpgrade(forgot, kept, knows, {});
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->values, New(knows).values);
  EXPECT_EQ(back->resources, kOne);
}

TEST(ResolveUpgrade, GivesAPropertyThatIsNewItsDefault) {
  Image new_image = MakeImage(2, kOne, {MakeProperty("metrics", "on", kOne)});
  auto config = ResolveUpgrade(MakeImage(1, kOne), New(MakeImage(1, kOne)), new_image, {});
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->values.at("metrics"), "on");
  EXPECT_EQ(config->resources, kOne);
}

// Contract 6: firewall rules by the same rule as values.
TEST(ResolveUpgrade, CarriesFirewallRulesOverByTheSameRule) {
  Image old_image = MakeImage(1, kOne), new_image = MakeImage(2, kOne);
  old_image.firewall_rules = {Rule("changed", 1), Rule("dropped", 1), Rule("gone", 1),
                              Rule("same", 1)};
  new_image.firewall_rules = {Rule("added", 2), Rule("changed", 2), Rule("dropped", 2),
                              Rule("same", 2)};
  NodeConfig config = New(old_image);
  config.firewall_rules = {Rule("changed", 9), Rule("gone", 1), Rule("own", 9), Rule("same", 1)};
  auto next = ResolveUpgrade(old_image, config, new_image, {});
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(RulesOf(*next),
            (std::vector<std::string>{"added2", "changed9", "gone1", "own9", "same2"}));
}

// Contract 6: never below the minimum.
TEST(ResolveUpgrade, NeverUndercutsTheMinimum) {
  Image old_image = MakeImage(1, {8, 8, 8}, {MakeProperty("light", "no")});
  Image new_image = MakeImage(2, {8, 8, 8}, {MakeProperty("light", "no", {-6, 2, -100})});
  auto config = ResolveUpgrade(old_image, New(old_image, {{"light", "yes"}}), new_image, {});
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->resources, (Resources{8, 10, 8}));
}

// Contract 7, requirements 5.4 and 1.4.
TEST(ResolveUpgrade, RefusesATotalOutsideTheLimitsNamingDimensionAndValue) {
  struct Row {
    Resources minimum;
    std::string dimension;
    int64_t value;
  };
  const Image old_image = MakeImage(1, kOne);
  for (const Row& row :
       {Row{{0, 1, 1}, "cpu_cores", 0}, Row{{1, 0, 1}, "memory_bytes", 0},
        Row{{1, 1, 0}, "disk_bytes", 0}, Row{{-1, 1, 1}, "cpu_cores", -1},
        Row{{1, INT64_MIN, 1}, "memory_bytes", INT64_MIN}, Row{{1001, 1, 1}, "cpu_cores", 1001},
        Row{{1, kTebi + 1, 1}, "memory_bytes", kTebi + 1},
        Row{{1, 1, 100 * kTebi + 1}, "disk_bytes", 100 * kTebi + 1},
        Row{{INT64_MAX, 1, 1}, "cpu_cores", INT64_MAX}}) {
    auto config = ResolveUpgrade(old_image, New(old_image), MakeImage(2, row.minimum), {});
    ASSERT_FALSE(config.has_value()) << row.dimension << " " << row.value;
    EXPECT_EQ(config.error().code, Code::kInvalidArgument);
    EXPECT_EQ(config.error().reason, "INVALID_IMAGE_CONFIG");
    EXPECT_EQ(config.error().Fact("dimension"), row.dimension);
    EXPECT_EQ(config.error().Fact("value"), std::to_string(row.value));
  }
}

// Contract 7.
TEST(CheckTotal, AcceptsTheLimitsThemselvesAndLimitsThatWereSet) {
  Image image = MakeImage(1, kOne);
  EXPECT_TRUE(CheckTotal(image, {1000, kTebi, 100 * kTebi}, {}).has_value());
  Policies policies;
  policies.node_max = {2, 4 * kTebi, 7};
  EXPECT_TRUE(CheckTotal(image, {2, 4 * kTebi, 7}, policies).has_value());
  auto status = CheckTotal(image, {2, 4 * kTebi, 8}, policies);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().Fact("dimension"), "disk_bytes");
  EXPECT_EQ(status.error().Fact("limit"), "7");
}

TEST(CheckTotal, CountsWhatPropertiesAddTowardsTheLimit) {
  Image image = MakeImage(1, {600, 1, 1}, {MakeProperty("archive", "no", {401, 0, 0})});
  auto config = ResolveEdit(image, New(image), {.set = {{"archive", "yes"}}}, {});
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().reason, "INVALID_IMAGE_CONFIG");
  EXPECT_EQ(config.error().Fact("value"), "1001");
}

// Fault 13, requirement 5.5.
TEST(ResolveUpgrade, ReportsAnOverflowOfWhatPropertiesAdd) {
  Image old_image = MakeImage(1, kOne, {MakeProperty("a", "0"), MakeProperty("b", "0")});
  Image new_image = MakeImage(
      2, kOne, {MakeProperty("a", "0", {0, INT64_MAX - 1, 0}), MakeProperty("b", "0", {0, 1, 0})});
  auto config = ResolveUpgrade(old_image, New(old_image, {{"a", "1"}, {"b", "1"}}), new_image, {});
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().code, Code::kOutOfRange);
  EXPECT_EQ(config.error().reason, "RESOURCE_OVERFLOW");
  EXPECT_EQ(config.error().Fact("dimension"), "memory_bytes");
  EXPECT_EQ(config.error().Fact("left"), std::to_string(INT64_MAX));
  EXPECT_EQ(config.error().Fact("right"), "1");
  EXPECT_EQ(config.error().Fact("property"), "b");
}

TEST(ResolveNew, TakesDefaultsRulesAndTheMinimum) {
  Image image = MakeImage(1, kOne, {MakeProperty("network", "mainnet", kOne)});
  image.firewall_rules = {Rule("rpc", 8545)};
  NodeConfig config = New(image);
  EXPECT_EQ(config.values, (std::map<std::string, std::string>{{"network", "mainnet"}}));
  EXPECT_EQ(config.firewall_rules, image.firewall_rules);
  EXPECT_EQ(config.resources, kOne);
  EXPECT_EQ(New(image, {{"network", "mainnet"}}).resources, kOne);
  EXPECT_EQ(New(image, {{"network", "sepolia"}}).resources, (Resources{2, 2, 2}));
}

// Fault 12: the resources change with the value, not with the next upgrade.
TEST(ResolveEdit, ChangesTheResourcesAtOnceSoThatTheNextUpgradeDoesNotJump) {
  std::vector<Property> properties = {MakeProperty("archive", "no", {4, 40, 400})};
  Image image = MakeImage(1, {8, 8, 8}, properties),
        next_image = MakeImage(2, {8, 8, 8}, properties);
  ConfigEdit edit;
  edit.set = {{"archive", "yes"}};
  NodeConfig edited = ResolveEdit(image, New(image), edit, {}).value();
  EXPECT_EQ(edited.resources, (Resources{12, 48, 408}));
  EXPECT_EQ(ResolveUpgrade(image, edited, next_image, {}).value().resources, edited.resources);

  edit = {};
  edit.reset = {"archive"};
  NodeConfig reset = ResolveEdit(image, edited, edit, {}).value();
  EXPECT_EQ(reset.values.at("archive"), "no");
  EXPECT_EQ(reset.resources, (Resources{8, 8, 8}));
  EXPECT_EQ(ResolveUpgrade(image, reset, next_image, {}).value().resources, reset.resources);
}

TEST(ResolveEdit, RefusesAKeyThatNobodyKnowsAndListsThoseThatAre) {
  Image image =
      MakeImage(1, kOne, {MakeProperty("archive", "no"), MakeProperty("network", "mainnet")});
  ConfigEdit set, reset;
  set.set = {{"archve", "yes"}};
  reset.reset = {"archve"};
  for (const ConfigEdit& edit : {set, reset}) {
    auto config = ResolveEdit(image, New(image), edit, {});
    ASSERT_FALSE(config.has_value());
    EXPECT_EQ(config.error().code, Code::kInvalidArgument);
    EXPECT_EQ(config.error().reason, "UNKNOWN_PROPERTY");
    EXPECT_EQ(config.error().Fact("key"), "\"archve\"");
    EXPECT_NE(config.error().message.find("archive, network"), std::string::npos);
  }
}

TEST(ResolveEdit, EditsAndForgetsAKeyThatOnlyTheNodeHas) {
  Image image = MakeImage(1, kOne);
  NodeConfig config = New(image);
  config.values["legacy"] = "1";
  ConfigEdit edit;
  edit.set = {{"legacy", "2"}};
  EXPECT_EQ(ResolveEdit(image, config, edit, {}).value().values.at("legacy"), "2");
  edit = {};
  edit.reset = {"legacy"};
  EXPECT_FALSE(ResolveEdit(image, config, edit, {}).value().values.contains("legacy"));
}

TEST(ResolveEdit, RefusesToSetAndResetTheSameKey) {
  Image image = MakeImage(1, kOne, {MakeProperty("archive", "no")});
  ConfigEdit edit{.set = {{"archive", "yes"}}, .reset = {"archive"}};
  auto config = ResolveEdit(image, New(image), edit, {});
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().reason, "CONFLICTING_EDIT");
}

TEST(ResolveEdit, RefusesHugeAndBrokenValuesAndNeverEchoesThemRaw) {
  Image image = MakeImage(1, kOne, {MakeProperty("archive", "no")});
  for (const std::string& bad :
       {std::string(10'000'000, 'x'), std::string("\xff\xfe"), std::string("a\0b", 3)}) {
    ConfigEdit edit;
    edit.set = {{"archive", bad}};
    auto config = ResolveEdit(image, New(image), edit, {});
    ASSERT_FALSE(config.has_value());
    EXPECT_EQ(config.error().code, Code::kInvalidArgument);
    EXPECT_LT(config.error().message.size(), 1000u);

    edit = {};
    edit.set = {{bad, "yes"}};
    config = ResolveEdit(image, New(image), edit, {});
    ASSERT_FALSE(config.has_value());
    EXPECT_EQ(config.error().reason, "UNKNOWN_PROPERTY");
    EXPECT_LT(config.error().message.size(), 1000u);
    EXPECT_EQ(config.error().message.find('\xff'), std::string::npos);
  }
}

TEST(ResolveEdit, ReplacesFirewallRulesOnlyWhenAsked) {
  Image image = MakeImage(1, kOne, {MakeProperty("archive", "no")});
  image.firewall_rules = {Rule("rpc", 1)};
  ConfigEdit edit;
  edit.set = {{"archive", "yes"}};
  EXPECT_EQ(RulesOf(ResolveEdit(image, New(image), edit, {}).value()),
            (std::vector<std::string>{"rpc1"}));
  edit.firewall_rules = {Rule("z", 1), Rule("a", 2)};
  EXPECT_EQ(RulesOf(ResolveEdit(image, New(image), edit, {}).value()),
            (std::vector<std::string>{"a2", "z1"}));
  edit.firewall_rules.emplace();
  EXPECT_TRUE(ResolveEdit(image, New(image), edit, {}).value().firewall_rules.empty());
}

// Law: for any two images and any values, the result is what the contract's sentence says.
RC_GTEST_PROP(ConfigLaws, AnUpgradeIsWhatTheSentenceSays, ()) {
  const std::vector<std::string> keys = {"a", "b", "c", "d"}, words = {"0", "1", "2"};
  auto any_image = [&](int number) {
    std::vector<Property> properties;
    for (const std::string& key : keys) {
      if (*rc::gen::inRange(0, 3) == 0) continue;
      auto add = rc::gen::inRange<int64_t>(0, 50);
      properties.push_back(MakeProperty(key, *rc::gen::elementOf(words), {*add, *add, *add}));
    }
    auto minimum = rc::gen::inRange<int64_t>(1, 100);
    return MakeImage(number, {*minimum, *minimum, *minimum}, properties);
  };
  Image old_image = any_image(1), new_image = any_image(2);
  std::map<std::string, std::string> set;
  for (const Property& property : old_image.properties) {
    if (*rc::gen::arbitrary<bool>()) set[property.key] = *rc::gen::elementOf(words);
  }
  NodeConfig before = New(old_image, set);
  NodeConfig after = ResolveUpgrade(old_image, before, new_image, {}).value();

  Resources total = new_image.minimum;
  for (const std::string& key : keys) {
    const Property *was = old_image.FindProperty(key), *is = new_image.FindProperty(key);
    bool changed = was != nullptr && before.values.at(key) != was->default_value;
    if (changed || (was != nullptr && is == nullptr)) {
      RC_ASSERT(after.values.at(key) == before.values.at(key));
    } else if (is != nullptr) {
      RC_ASSERT(after.values.at(key) == is->default_value);
    } else {
      RC_ASSERT(!after.values.contains(key));
    }
    if (changed && is != nullptr) total = Add(total, is->add).value();
  }
  RC_ASSERT(after.resources == total);
}

TEST(ResolveNew, ARefusedValueIsNotShown) {
  const Image image = MakeImage(1, kOne, {MakeProperty("token", "", {})});
  const auto config = ResolveNew(image, {.set = {{"token", "hunter2\r"}}}, {});
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().reason, "INVALID_TEXT");
  EXPECT_EQ(config.error().message.find("hunter2"), std::string::npos) << config.error().message;
}

}  // namespace
}  // namespace tallyman::planner
