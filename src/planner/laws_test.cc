// Laws of the books that hold for any fleet. A failure prints the seed and the smallest fleet
// found; RC_PARAMS="seed=..." replays it.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <random>

#include "base/checked.h"
#include "planner/test_fleet.h"

namespace tallyman::planner {
namespace {

const std::vector<std::string> kKeys = {"a", "b", "c"};
const std::vector<std::string> kWords = {"0", "1", "2"};

Resources AnyResources(int64_t low, int64_t high) {
  auto amount = rc::gen::inRange<int64_t>(low, high);
  return {*amount, *amount, *amount};
}

std::vector<Property> AnyProperties() {
  std::vector<Property> properties;
  for (const std::string& key : kKeys) {
    if (*rc::gen::arbitrary<bool>()) {
      properties.push_back(MakeProperty(key, *rc::gen::elementOf(kWords), AnyResources(0, 30)));
    }
  }
  return properties;
}

Image AnyImage(int number) { return MakeImage(number, AnyResources(1, 100), AnyProperties()); }

std::map<std::string, std::string> AnyValues(const Image& image) {
  std::map<std::string, std::string> set;
  for (const Property& property : image.properties) {
    if (*rc::gen::arbitrary<bool>()) set[property.key] = *rc::gen::elementOf(kWords);
  }
  return set;
}

// Some hosts and some nodes on one of the images.
TestFleet AnyFleet(const std::vector<Image>& images) {
  TestFleet fleet;
  for (int i = *rc::gen::inRange(1, 4); i > 0; --i) fleet.AddHost(AnyResources(1, 1000));
  for (int i = *rc::gen::inRange(1, 8); i > 0; --i) {
    auto host = *rc::gen::inRange<size_t>(0, fleet.all_hosts().size());
    const Image& image = *rc::gen::elementOf(images);
    fleet.AddNode(fleet.all_hosts()[host], image, AnyValues(image));
  }
  return fleet;
}

// Some transitions that are still going on, and the holds that they ask for.
void OpenTransitions(TestFleet& fleet) {
  for (NodeSnapshot& node : fleet.all_nodes()) {
    Resources largest = node.running.value_or(Resources{});
    for (int i = *rc::gen::inRange(0, 3); i > 0; --i) {
      Transition& transition = node.transitions.emplace_back();
      transition.id = IdOf<CommandId>(1000 + i);
      transition.kind = CommandKind::kUpgrade;
      transition.state =
          *rc::gen::element(CommandState::kOpen, CommandState::kTaken, CommandState::kUnknown);
      transition.to = AnyResources(1, 200);
      largest = Max(largest, transition.to);
    }
    node.node.held = Excess(largest, node.node.resources);
    for (HostSnapshot& host : fleet.all_hosts()) {
      if (host.host.id == node.node.host_id)
        host.host.held = Add(host.host.held, node.node.held).value();
    }
  }
}

std::vector<const NodeSnapshot*> AnyBatch(const TestFleet& fleet) {
  std::vector<const NodeSnapshot*> batch;
  for (const NodeSnapshot* node : fleet.nodes()) {
    if (*rc::gen::arbitrary<bool>()) batch.push_back(node);
  }
  return batch;
}

Result<UpgradePlan> Plan(const TestFleet& fleet, std::span<const NodeSnapshot* const> batch,
                         const Image& image, const Policies& policies = {}) {
  return PlanUpgrade(batch, fleet.hosts(), image, policies, kTestCause);
}

void AssertBalanced(const TestFleet& fleet) {
  for (const HostSnapshot* host : fleet.hosts()) {
    HostSums sums = fleet.SumsOf(host->host.id);
    RC_ASSERT(host->host.books == sums.books);
    RC_ASSERT(host->host.held == sums.held);
    RC_ASSERT(!host->host.held.AnyNegative());
  }
  for (const NodeSnapshot* node : fleet.nodes()) {
    RC_ASSERT(node->node.resources == node->config->resources);
    RC_ASSERT(!node->node.held.AnyNegative());
  }
}

// Requirements 2.4 and 3.3: whatever is upgraded, the counters stay the sums.
RC_GTEST_PROP(Laws, AnyRowOfBatchesPreservesTheSums, ()) {
  Image one = AnyImage(1), two = AnyImage(2), target = AnyImage(9), last = AnyImage(10);
  TestFleet fleet = AnyFleet({one, two});
  OpenTransitions(fleet);
  AssertBalanced(fleet);
  for (const Image& image : {target, last}) {
    fleet.Write(Plan(fleet, AnyBatch(fleet), image).value(), image, /*settled=*/false);
    AssertBalanced(fleet);
  }
}

RC_GTEST_PROP(Laws, ThereAndBackBetweenImagesWithEqualPropertiesIsTheIdentity, ()) {
  Image here = AnyImage(1), there = here;
  there.id = IdOf<ImageId>(9);
  there.minimum = AnyResources(1, 100);
  TestFleet fleet = AnyFleet({here});
  TestFleet before = fleet;
  fleet.Write(PlanAll(fleet, there).value(), there);
  fleet.Write(PlanAll(fleet, here).value(), here);
  for (size_t i = 0; i < fleet.all_nodes().size(); ++i) {
    RC_ASSERT(fleet.all_nodes()[i].config->values == before.all_nodes()[i].config->values);
    RC_ASSERT(fleet.all_nodes()[i].config->firewall_rules ==
              before.all_nodes()[i].config->firewall_rules);
    RC_ASSERT(fleet.all_nodes()[i].node.resources == before.all_nodes()[i].node.resources);
  }
  for (size_t i = 0; i < fleet.all_hosts().size(); ++i) {
    RC_ASSERT(fleet.all_hosts()[i].host.books == before.all_hosts()[i].host.books);
    RC_ASSERT(fleet.all_hosts()[i].host.held == before.all_hosts()[i].host.held);
  }
}

RC_GTEST_PROP(Laws, TheOrderOfABatchDoesNotMatter, ()) {
  Image one = AnyImage(1), target = AnyImage(9);
  TestFleet fleet = AnyFleet({one});
  OpenTransitions(fleet);
  std::vector<const NodeSnapshot*> batch = fleet.nodes(), shuffled = batch;
  std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(*rc::gen::arbitrary<uint32_t>()));
  Policies policies;
  policies.capacity = *rc::gen::element(CapacityPolicy::kWarn, CapacityPolicy::kEnforce);
  auto first = Plan(fleet, batch, target, policies),
       second = Plan(fleet, shuffled, target, policies);
  // What is checked over the whole request is refused in any order, or in none.
  RC_ASSERT(first.has_value() == second.has_value());
  if (!first) return;
  for (const auto& [id, change] : first->books.hosts()) {
    RC_ASSERT(change.after == second->books.hosts().at(id).after);
  }
  RC_ASSERT(first->books.warnings().size() == second->books.warnings().size());
  for (const NodePlan& node : first->nodes) {
    auto same = std::ranges::find(second->nodes, node.before, &NodePlan::before);
    RC_ASSERT(same != second->nodes.end());
    RC_ASSERT(same->config.values == node.config.values);
    RC_ASSERT(same->config.resources == node.config.resources);
    RC_ASSERT(same->held_after == node.held_after);
    RC_ASSERT(same->superseded == node.superseded);
  }
}

// Small, or close to a bound of 64 bits; at least one.
int64_t AnyExtreme() {
  int64_t small = *rc::gen::inRange<int64_t>(1, 4);
  return *rc::gen::weightedElement<int64_t>({{15, small},
                                             {1, INT64_MAX - small},
                                             {1, INT64_MAX / 2 + small},
                                             {1, INT64_MAX / 2 - small}});
}

// One dimension at a time, so that enough of the plans succeed.
Resources AnyExtremes(Dimension dimension) {
  Resources amounts = {3, 3, 3};
  amounts.at(dimension) = AnyExtreme();
  return amounts;
}

// The sum where 64 bits hold it, else the most they hold: a counter that may be wrong, as in the
// field.
Resources SumOrMost(const Resources& a, const Resources& b) {
  Resources sum;
  for (Dimension d : kDimensions) sum.at(d) = CheckedAdd(a.get(d), b.get(d)).value_or(INT64_MAX);
  return sum;
}

// Requirement 5.5, fault 13: exact to the last bit, or an error; never something else.
RC_GTEST_PROP(Laws, OverflowNeverWraps, ()) {
  Policies no_limits;
  no_limits.node_max = {INT64_MAX, INT64_MAX, INT64_MAX};
  auto extreme =
      *rc::gen::elementOf(std::vector<Dimension>(kDimensions.begin(), kDimensions.end()));
  TestFleet fleet;
  HostSnapshot& host = fleet.AddHost(AnyExtremes(extreme));
  NodeSnapshot& node =
      fleet.AddNode(host, MakeImage(1, {1, 1, 1}, {MakeProperty("a", "0")}), {{"a", "1"}});
  node.node.resources = node.config->resources = AnyExtremes(extreme);
  node.running = AnyExtremes(extreme);
  node.node.held = AnyExtremes(extreme);
  host.host.books = {2, SumOrMost(node.node.resources, AnyExtremes(extreme))};
  host.host.held = SumOrMost(node.node.held, AnyExtremes(extreme));
  if (*rc::gen::arbitrary<bool>()) {
    host.sums = HostSums{host.host.books, host.host.held};
    host.ledger_balance = Books{2, AnyExtremes(extreme)};
  }
  Image target = MakeImage(9, AnyExtremes(extreme), {MakeProperty("a", "0", AnyExtremes(extreme))});
  auto plan = PlanAll(fleet, target, no_limits);
  RC_TAG(plan.has_value());
  if (!plan) {
    const std::vector<std::string> reasons = {"RESOURCE_OVERFLOW", "DRIFT_SUSPECTED",
                                              "INVALID_IMAGE_CONFIG", "BOOKS_NEGATIVE"};
    RC_ASSERT(std::ranges::find(reasons, plan.error().reason) != reasons.end());
    return;
  }
  const HostChange& change = plan->books.hosts().at(host.host.id);
  for (Dimension d : kDimensions) {
    __int128 total = static_cast<__int128>(target.minimum.get(d)) + target.properties[0].add.get(d);
    RC_ASSERT(static_cast<__int128>(plan->nodes[0].config.resources.get(d)) == total);
    __int128 books = static_cast<__int128>(change.before.books.allocated.get(d)) -
                     node.node.resources.get(d) + total;
    RC_ASSERT(static_cast<__int128>(change.after.books.allocated.get(d)) == books);
    RC_ASSERT(change.after.books.allocated.get(d) >= 0);
    RC_ASSERT(change.after.held.get(d) >= 0);
  }
}

// Spoils some counters, fields, holds and balances; the second run's sums are read afterwards.
void Spoil(TestFleet& fleet) {
  for (NodeSnapshot& node : fleet.all_nodes()) {
    if (*rc::gen::inRange(0, 3) == 0) node.node.resources = AnyResources(0, 200);
  }
  for (HostSnapshot& host : fleet.all_hosts()) {
    if (*rc::gen::arbitrary<bool>())
      host.host.books = {*rc::gen::inRange<int64_t>(0, 5), AnyResources(0, 500)};
    if (*rc::gen::arbitrary<bool>()) host.host.held = AnyResources(0, 500);
    if (*rc::gen::arbitrary<bool>())
      host.ledger_balance = Books{*rc::gen::inRange<int64_t>(0, 5), AnyResources(0, 9)};
  }
  fleet.ReadSums();
}

// Policy heal: from any drift one plan leads to true books, and the next one finds nothing to heal.
RC_GTEST_PROP(Laws, HealIsIdempotent, ()) {
  Image one = AnyImage(1), target = AnyImage(9), last = AnyImage(10);
  TestFleet fleet = AnyFleet({one});
  OpenTransitions(fleet);
  Spoil(fleet);
  auto healing = PlanAll(fleet, target);
  RC_ASSERT(healing.has_value());
  RC_TAG(healing->books.drifts().empty());
  fleet.Write(*healing, target, /*settled=*/false);
  AssertBalanced(fleet);
  fleet.ReadSums();
  for (const HostSnapshot* host : fleet.hosts()) RC_ASSERT(FindDrift(*host, fleet.nodes()).empty());
  auto next = PlanAll(fleet, last);
  RC_ASSERT(next.has_value());
  RC_ASSERT(next->books.drifts().empty());
  RC_ASSERT(std::ranges::count(next->books.ledger(), LedgerKind::kDriftCorrection,
                               &LedgerEntry::kind) == 0);
}

// The ledger explains the books: seq without a gap, each balance follows, the last one is the
// books.
RC_GTEST_PROP(Laws, LedgerEntriesChainAndEndAtTheBooks, ()) {
  Image one = AnyImage(1), target = AnyImage(9);
  TestFleet fleet = AnyFleet({one});
  if (*rc::gen::arbitrary<bool>()) Spoil(fleet);
  auto plan = PlanAll(fleet, target);
  if (!plan) {
    RC_ASSERT(plan.error().reason == kDriftSuspected);
    return;
  }
  for (const HostSnapshot* host : fleet.hosts()) {
    const Host& after = plan->books.hosts().at(host->host.id).after;
    int64_t seq = host->host.ledger_seq;
    Books balance = host->ledger_balance.value_or(host->host.books);
    int64_t entries = 0;
    for (const LedgerEntry& entry : plan->books.ledger()) {
      if (entry.host_id != host->host.id) continue;
      ++entries;
      RC_ASSERT(entry.seq == ++seq);
      balance = Add(balance, entry.delta).value();
      RC_ASSERT(entry.balance == balance);
      // A correction comes before everything that rests on it.
      if (entry.kind == LedgerKind::kDriftCorrection) RC_ASSERT(entries == 1);
    }
    RC_ASSERT(after.ledger_seq == seq);
    RC_ASSERT(after.books == balance);
    RC_ASSERT(after.version == host->host.version + (entries > 0 ? 1 : 0));
  }
}

bool Same(const NodeSnapshot& a, const NodeSnapshot& b) {
  return a.node == b.node && a.config->values == b.config->values &&
         a.config->resources == b.config->resources && a.running == b.running &&
         a.transitions == b.transitions;
}

// Requirement 3.2: a plan, refused or not, changes nothing that it was made from.
RC_GTEST_PROP(Laws, APlanLeavesItsInputsAsTheyWere, ()) {
  Image one = AnyImage(1), target = *rc::gen::element(AnyImage(9), MakeImage(9, {0, 1, 1}), one);
  TestFleet fleet = AnyFleet({one});
  OpenTransitions(fleet);
  if (*rc::gen::arbitrary<bool>()) Spoil(fleet);
  Policies policies;
  policies.capacity = *rc::gen::element(CapacityPolicy::kWarn, CapacityPolicy::kEnforce);
  policies.drift = *rc::gen::element(DriftPolicy::kHeal, DriftPolicy::kAbort);
  TestFleet before = fleet;
  auto plan = PlanAll(fleet, target, policies);
  RC_TAG(plan.has_value());
  for (size_t i = 0; i < fleet.all_nodes().size(); ++i) {
    RC_ASSERT(Same(fleet.all_nodes()[i], before.all_nodes()[i]));
  }
  for (size_t i = 0; i < fleet.all_hosts().size(); ++i) {
    RC_ASSERT(fleet.all_hosts()[i].host == before.all_hosts()[i].host);
    RC_ASSERT(fleet.all_hosts()[i].sums == before.all_hosts()[i].sums);
  }
}

}  // namespace
}  // namespace tallyman::planner
