#include "api/convert.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>

#include "api/event_text.h"

namespace tallyman::api {
namespace {

// "NODE_STATE_RUNNING" of an enum NodeState as the word that filters take: "running".
std::string WordOf(const google::protobuf::EnumValueDescriptor& value) {
  std::string prefix;
  for (char c : value.type()->name()) {
    if (std::isupper(static_cast<unsigned char>(c)) != 0 && !prefix.empty()) prefix += '_';
    prefix += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  std::string word = value.name().substr(prefix.size() + 1);
  std::ranges::transform(word, word.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return word;
}

// Every enumerator has the value of the same word, and every value but the unspecified one has an
// enumerator.
template <class Enum>
void ExpectSameWords(const google::protobuf::EnumDescriptor& type, const std::string& prefix = "") {
  std::set<int> numbers = {0};
  for (size_t i = 0; i < EnumText<Enum>::kWords.size(); ++i) {
    int number = ToMessage(static_cast<Enum>(i));
    ASSERT_NE(type.FindValueByNumber(number), nullptr);
    EXPECT_EQ(prefix + WordOf(*type.FindValueByNumber(number)), EnumText<Enum>::kWords[i]);
    numbers.insert(number);
  }
  EXPECT_EQ(numbers.size(), static_cast<size_t>(type.value_count())) << type.name();
}

TEST(ToMessage, GivesEveryEnumeratorTheValueOfTheSameWord) {
  ExpectSameWords<DriftKind>(*v1::DriftKind_descriptor());
  ExpectSameWords<LedgerKind>(*v1::LedgerKind_descriptor());
  ExpectSameWords<CommandKind>(*v1::CommandKind_descriptor(), "node_");
  ExpectSameWords<CommandState>(*v1::CommandState_descriptor());
  ExpectSameWords<NodeState>(*v1::NodeState_descriptor());
  ExpectSameWords<NextState>(*v1::NextState_descriptor());
  EXPECT_EQ(ToMessage(std::optional<NextState>()), v1::NEXT_STATE_UNSPECIFIED);
}

TEST(FromMessage, TakesCapacityPoliciesThereAndBack) {
  for (std::optional<CapacityPolicy> policy :
       {std::optional<CapacityPolicy>(), std::optional(CapacityPolicy::kWarn),
        std::optional(CapacityPolicy::kEnforce)}) {
    EXPECT_EQ(FromMessage(ToMessage(policy)), policy);
  }
  EXPECT_EQ(FromMessage(v1::CAPACITY_POLICY_UNSPECIFIED), std::nullopt);
}

TEST(FromMessage, TakesResourcesThereAndBack) {
  Resources extreme{std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), -1};
  EXPECT_EQ(FromMessage(ToMessage(extreme)), extreme);
}

TEST(FromMessage, TakesTimesThereAndBack) {
  for (int64_t micros :
       {int64_t{0}, int64_t{-1}, int64_t{-999'999}, int64_t{1'700'000'000'123'456}}) {
    Time time{std::chrono::microseconds(micros)};
    auto message = ToMessage(time);
    EXPECT_GE(message.nanos(), 0);
    EXPECT_EQ(FromMessage("t", message).value(), time) << micros;
  }
}

TEST(FromMessage, RefusesTimesBeyondTheCalendar) {
  google::protobuf::Timestamp time;
  for (int64_t seconds : {std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min(),
                          int64_t{253'402'300'800}, int64_t{-62'135'596'801}}) {
    time.set_seconds(seconds);
    auto result = FromMessage("images[7].committed_at", time);
    ASSERT_FALSE(result) << seconds;
    EXPECT_EQ(result.error().reason, "INVALID_TIME");
    EXPECT_EQ(result.error().Fact("index"), "7");
  }
  time.set_seconds(253'402'300'799);
  time.set_nanos(999'999'999);
  EXPECT_TRUE(FromMessage("t", time));
  time.set_nanos(1'000'000'000);
  EXPECT_FALSE(FromMessage("t", time));
}

TEST(FromMessage, TakesFirewallRulesThereAndBack) {
  google::protobuf::RepeatedPtrField<v1::FirewallRule> messages;
  std::vector<FirewallRule> rules;
  for (Direction direction : {Direction::kIn, Direction::kOut}) {
    for (FirewallAction action :
         {FirewallAction::kAllow, FirewallAction::kDeny, FirewallAction::kReject}) {
      for (Transport transport : {Transport::kTcp, Transport::kUdp, Transport::kBoth}) {
        rules.push_back({"k", direction, action, transport, {"10.0.0.0/8", "::1"}, {1, 65535}});
        *messages.Add() = ToMessage(rules.back());
      }
    }
  }
  EXPECT_EQ(FromMessage("rules", messages).value(), rules);
}

TEST(FromMessage, RefusesRulesThatLeaveSomethingOpen) {
  google::protobuf::RepeatedPtrField<v1::FirewallRule> rules;
  v1::FirewallRule& rule = *rules.Add();
  auto field = [&] {
    return std::string(FromMessage("images[2].firewall_rules", rules).error().Fact("field"));
  };
  EXPECT_EQ(field(), "images[2].firewall_rules[0].direction");
  rule.set_direction(v1::FIREWALL_DIRECTION_IN);
  EXPECT_EQ(field(), "images[2].firewall_rules[0].action");
  rule.set_action(v1::FIREWALL_ACTION_DENY);
  EXPECT_EQ(FromMessage("rules", rules).value().front().transport, Transport::kBoth);
  for (uint32_t port : {0u, 65536u, 4294967295u}) {
    rule.clear_ports();
    rule.add_ports(port);
    EXPECT_EQ(field(), "images[2].firewall_rules[0].ports") << port;
  }
}

TEST(ToMessage, SaysNothingOfADifferenceBeyond64Bits) {
  Drift drift;
  drift.stored = std::numeric_limits<int64_t>::min();
  drift.true_value = 1;
  EXPECT_EQ(ToMessage(drift).difference(), 0);
  drift.stored = 5;
  EXPECT_EQ(ToMessage(drift).difference(), -4);
}

TEST(ToMessage, ShowsWhatAHostCarriesBeforeAndAfter) {
  control::Changes changes;
  planner::HostChange& host = changes.hosts.emplace_back();
  host.stored.name = host.before.name = host.after.name = "h1";
  host.stored.id = host.before.id = host.after.id = HostId{Uuid::V7(Time(), 1, 2)};
  host.after.capacity = {8, 100, 100};
  host.stored.books = {1, {3, 10, 10}};  // wrong by one core
  host.before.books = {1, {4, 10, 10}};
  host.after.books = {2, {9, 20, 20}};
  host.after.held = {1, 0, 0};
  host.drifts.push_back({});
  changes.warnings.push_back({"OVER_CAPACITY", "h1 is full", host.after.id, "h1", "cpu_cores"});
  changes.warnings.push_back({"OVER_CAPACITY", "another", HostId(), "h2", "cpu_cores"});
  v1::Changes message = ToMessage(changes);
  ASSERT_EQ(message.hosts_size(), 1);
  const v1::HostChange& shown = message.hosts(0);
  EXPECT_EQ(shown.books_before().allocated().cpu_cores(), 3);
  EXPECT_EQ(shown.books_after().allocated().cpu_cores(), 9);
  EXPECT_EQ(shown.difference().allocated().cpu_cores(), 5);
  EXPECT_EQ(shown.difference().node_count(), 1);
  EXPECT_EQ(shown.free_after().cpu_cores(), -2);
  ASSERT_EQ(shown.over_capacity_size(), 1);
  EXPECT_EQ(shown.over_capacity(0), "cpu_cores");
  EXPECT_EQ(shown.warnings_size(), 1);
  EXPECT_EQ(shown.corrections_size(), 1);
  EXPECT_EQ(message.warnings_size(), 2);
}

TEST(FactsOf, ReadsTheDetailOfAnEventAndSurvivesABrokenOne) {
  EXPECT_EQ(FactsOf(R"({"a":"b","n":3})"),
            (std::map<std::string, std::string>{{"a", "b"}, {"n", "3"}}));
  EXPECT_TRUE(FactsOf("").empty());
  EXPECT_TRUE(FactsOf("[1]").empty());
  EXPECT_TRUE(FactsOf("{\"a\":").empty());
}

TEST(SentenceOf, TellsWhatHappened) {
  store::EventRow row;
  row.node = "eth-1";
  row.host = "h7";
  row.event.kind = EventKind::kUpgradeStarted;
  EXPECT_EQ(SentenceOf(row, {{"old_image", "a/b@1.0.0+1"}, {"new_image", "a/b@1.1.0+1"}}),
            "upgrade of node eth-1 on host h7 was started: a/b@1.0.0+1 -> a/b@1.1.0+1");
}

}  // namespace
}  // namespace tallyman::api
