// Placement: who fits, in which order.
#include <algorithm>
#include <tuple>

#include "base/random.h"
#include "base/system.h"
#include "tests/contract/contract.h"

namespace tallyman {
namespace {

using namespace tallyman::store;

class PlacementContract : public StoreContract {
 protected:
  std::vector<std::string> Place(const Resources& need, PlacementStrategy strategy,
                                 int64_t limit = 100) {
    LockSet wanted;
    wanted.placement = PlacementQuery{fleet_.region.id, need, strategy, limit};
    Snapshot snapshot = Load(wanted);
    std::vector<std::string> names;
    for (const HostId& id : snapshot.candidates) {
      // Every candidate is locked as a host.
      names.push_back(snapshot.hosts.at(id).host.name);
    }
    return names;
  }

  struct HostLiveness {
    bool heard = false;
    std::optional<Time> silent_since = {};
    bool cordoned = false;
  };
  void SetLiveness(const HostId& id, const HostLiveness& liveness) {
    Host& host = fleet_.hosts.at(id);
    const int64_t before = host.version++;
    host.heard = liveness.heard;
    host.silent_since = liveness.silent_since;
    host.cordoned = liveness.cordoned;
    ChangeSet changes;
    changes.host_updates = {{host, before}};
    ASSERT_OK(Apply(store(), changes));
    EXPECT_EQ(ReadHost(id), host);
  }

  // What a scan over all hosts and a sort make of it.
  std::vector<std::string> Scan(const Resources& need, PlacementStrategy strategy, int64_t limit) {
    ListQuery all;
    all.limit = 100'000;
    std::vector<Host> hosts;
    for (const HostRow& row : Read([&](ReadTx& tx) { return tx.ListHosts(all); })) {
      if (TakesNewNodes(row.host) && need.FitsIn(*FreeOf(row.host))) hosts.push_back(row.host);
    }
    std::ranges::sort(hosts, {}, [&](const Host& host) {
      Resources free = *FreeOf(host);
      if (strategy == PlacementStrategy::kPack) {
        return std::tuple(!host.heard, free.cpu_cores, free.memory_bytes, host.id);
      }
      return std::tuple(!host.heard, host.books.node_count, -free.cpu_cores, host.id);
    });
    std::vector<std::string> names;
    for (const Host& host : hosts) {
      if (std::ssize(names) < limit) names.push_back(host.name);
    }
    return names;
  }
};

using Names = std::vector<std::string>;

TEST_P(PlacementContract, SpreadTakesTheFewestNodesThenTheMostFreeCores) {
  AddHost("a", {8, 100'000, 100'000});
  AddHost("b", {16, 100'000, 100'000});
  HostId c = AddHost("c", {64, 100'000, 100'000});
  AddNode("n1", c);
  EXPECT_EQ(Place({1, 1, 1}, PlacementStrategy::kSpread), (Names{"b", "a", "c"}));
  EXPECT_EQ(Place({1, 1, 1}, PlacementStrategy::kSpread, 2), (Names{"b", "a"}));
}

TEST_P(PlacementContract, PackTakesTheFewestFreeCoresThatFitThenTheLeastMemory) {
  AddHost("a", {8, 300'000, 100'000});
  AddHost("b", {8, 200'000, 100'000});
  AddHost("c", {2, 900'000, 100'000});
  AddHost("d", {64, 100'000, 100'000});
  EXPECT_EQ(Place({3, 1, 1}, PlacementStrategy::kPack), (Names{"b", "a", "d"}));
  EXPECT_EQ(Place({3, 200'001, 1}, PlacementStrategy::kPack), (Names{"a"}));
}

TEST_P(PlacementContract, AnExactFitFitsAndOneMoreDoesNot) {
  HostId host = AddHost("a", {4, 10'000, 50'000});
  AddNode("n1", host);
  const Resources left = *Subtract(Resources{4, 10'000, 50'000}, kSmall);
  for (PlacementStrategy strategy : {PlacementStrategy::kSpread, PlacementStrategy::kPack}) {
    EXPECT_EQ(Place(left, strategy), (Names{"a"}));
    for (Dimension dimension : kDimensions) {
      Resources more = left;
      more.at(dimension) += 1;
      EXPECT_TRUE(Place(more, strategy).empty()) << ToText(dimension);
    }
  }
}

TEST_P(PlacementContract, HoldsAreNotFree) {
  HostId host = AddHost("a", {4, 10'000, 50'000});
  ChangeSet changes = fleet_.CreateNode("n1", host, fleet_.small);
  changes.new_nodes[0].held = {2, 0, 0};
  changes.host_updates[0].after.held = {2, 0, 0};
  ASSERT_OK(Apply(store(), changes));
  EXPECT_TRUE(Place({1, 1, 1}, PlacementStrategy::kSpread).empty());
  EXPECT_EQ(Place({0, 1, 1}, PlacementStrategy::kPack), (Names{"a"}));
}

TEST_P(PlacementContract, TiesGoToTheSmallerId) {
  // Ids rise with time, so names do as well.
  for (const char* name : {"a", "b", "c"}) AddHost(name, {8, 1'000, 1'000});
  EXPECT_EQ(Place({1, 1, 1}, PlacementStrategy::kSpread), (Names{"a", "b", "c"}));
  EXPECT_EQ(Place({1, 1, 1}, PlacementStrategy::kPack), (Names{"a", "b", "c"}));
}

TEST_P(PlacementContract, HostsThatWereHeardComeFirst) {
  AddHost("a", {64, 1'000, 1'000});
  SetLiveness(AddHost("b", {8, 1'000, 1'000}), {.heard = true});
  SetLiveness(AddHost("c", {16, 1'000, 1'000}), {.heard = true});
  EXPECT_EQ(Place({1, 1, 1}, PlacementStrategy::kSpread), (Names{"c", "b", "a"}));
  EXPECT_EQ(Place({1, 1, 1}, PlacementStrategy::kSpread, 1), (Names{"c"}));
  EXPECT_EQ(Place({1, 1, 1}, PlacementStrategy::kPack), (Names{"b", "c", "a"}));
  EXPECT_EQ(Place({20, 1, 1}, PlacementStrategy::kPack), (Names{"a"}));
}

TEST_P(PlacementContract, SilentAndCordonedHostsArePassedOver) {
  AddHost("a");
  HostId b = AddHost("b"), c = AddHost("c");
  SetLiveness(b, {.heard = true, .silent_since = fleet_.Tick()});
  SetLiveness(c, {.heard = true, .cordoned = true});
  for (PlacementStrategy strategy : {PlacementStrategy::kSpread, PlacementStrategy::kPack})
    EXPECT_EQ(Place({1, 1, 1}, strategy), (Names{"a"}));
  SetLiveness(b, {.heard = true});
  SetLiveness(c, {});
  EXPECT_EQ(Place({1, 1, 1}, PlacementStrategy::kSpread), (Names{"b", "a", "c"}));
}

TEST_P(PlacementContract, OnlyHostsOfTheRegion) {
  AddHost("a");
  LockSet wanted;
  wanted.placement =
      PlacementQuery{fleet_.ids.New<RegionId>(), {1, 1, 1}, PlacementStrategy::kSpread, 10};
  EXPECT_TRUE(Load(wanted).candidates.empty());
}

TEST_P(PlacementContract, EqualsAScanOfRandomFleets) {
  const uint64_t seed = SystemSeed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  SeededRandom random(seed);
  auto below = [&](int64_t bound) {
    return static_cast<int64_t>(random.Next() % static_cast<uint64_t>(bound));
  };
  for (int i = 0; i < 120; ++i) {
    const Resources capacity = {4 + below(12), 20'000 + 4'000 * below(4),
                                50'000 + 10'000 * below(3)};
    HostId host = AddHost("host-" + std::to_string(i), capacity);
    SetLiveness(host, {.heard = below(2) == 0,
                       .silent_since = below(5) == 0 ? std::optional(fleet_.Tick()) : std::nullopt,
                       .cordoned = below(5) == 0});
    for (int64_t n = below(4); n > 0; --n) {
      AddNode("node-" + std::to_string(i) + "-" + std::to_string(n), host);
    }
  }
  for (int i = 0; i < 150; ++i) {
    const Resources need = {below(14), below(40'000), below(70'000)};
    const int64_t limit = 1 + below(130);
    for (PlacementStrategy strategy : {PlacementStrategy::kSpread, PlacementStrategy::kPack}) {
      ASSERT_EQ(Place(need, strategy, limit), Scan(need, strategy, limit));
    }
  }
}

RUN_ON_ALL_BACKENDS(PlacementContract);

}  // namespace
}  // namespace tallyman
