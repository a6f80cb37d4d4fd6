#include "planner/placement.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <deque>
#include <tuple>

#include "planner/test_fleet.h"

namespace tallyman::planner {
namespace {

constexpr Resources kNeed = {4, 40, 400};

struct Region {
  std::deque<Host> hosts;

  Host& Add(const Resources& capacity, const Books& books = {}, const Resources& held = {}) {
    Host& host = hosts.emplace_back();
    host.id = IdOf<HostId>(static_cast<int>(hosts.size()));
    host.name = "host-" + std::to_string(hosts.size());
    host.capacity = capacity;
    host.books = books;
    host.held = held;
    return host;
  }

  // The hosts by number: 1, 2, ...
  Result<std::vector<int>> Place(int64_t count, PlacementStrategy strategy,
                                 const Resources& need = kNeed) const {
    std::vector<const Host*> candidates;
    for (const Host& host : hosts) candidates.push_back(&host);
    ASSIGN_OR_RETURN(std::vector<HostId> ids,
                     PlaceInRegion(candidates, need, count, strategy, "eu-1"));
    std::vector<int> numbers;
    for (const HostId& id : ids) numbers.push_back(id.uuid.bytes[14] * 256 + id.uuid.bytes[15]);
    return numbers;
  }
};

using Numbers = std::vector<int>;

TEST(Place, SpreadsOverTheHostsWithFewestNodes) {
  Region region;
  region.Add({100, 1000, 10'000}, {3, {}});
  region.Add({50, 1000, 10'000}, {1, {}});
  region.Add({60, 1000, 10'000}, {1, {}});
  EXPECT_EQ(region.Place(5, PlacementStrategy::kSpread).value(), (Numbers{3, 2, 3, 2, 1}));
}

TEST(Place, TakesHostsThatWereHeardWhileTheyHaveRoom) {
  for (PlacementStrategy strategy : {PlacementStrategy::kSpread, PlacementStrategy::kPack}) {
    Region region;
    region.Add({100, 1000, 10'000});
    region.Add({9, 1000, 10'000}, {7, {}}).heard = true;
    EXPECT_EQ(region.Place(3, strategy).value(), (Numbers{2, 2, 1}));
  }
}

TEST(Place, PacksTheFullestHostThatStillFits) {
  Region region;
  region.Add({100, 1000, 10'000});
  region.Add({9, 1000, 10'000});
  region.Add({9, 90, 10'000});
  region.Add({3, 1000, 10'000});
  EXPECT_EQ(region.Place(5, PlacementStrategy::kPack).value(), (Numbers{3, 3, 2, 2, 1}));
}

// Contract, "Capacity": needed <= free, exact fit included, in every dimension, holds counted.
TEST(Place, AcceptsAnExactFitAndNotAByteLess) {
  for (PlacementStrategy strategy : {PlacementStrategy::kSpread, PlacementStrategy::kPack}) {
    Region region;
    region.Add({14, 140, 1400}, {1, {9, 90, 900}}, {1, 10, 100});
    EXPECT_EQ(region.Place(1, strategy).value(), (Numbers{1}));
    for (Dimension dimension : kDimensions) {
      Region full = region;
      --full.hosts[0].capacity.at(dimension);
      EXPECT_FALSE(full.Place(1, strategy).has_value());
      Region held = region;
      ++held.hosts[0].held.at(dimension);
      EXPECT_FALSE(held.Place(1, strategy).has_value());
    }
  }
}

TEST(Place, GivesTiesToTheSmallerIdWhateverTheOrderOfTheCandidates) {
  for (PlacementStrategy strategy : {PlacementStrategy::kSpread, PlacementStrategy::kPack}) {
    Region region;
    for (int i = 0; i < 3; ++i) region.Add(kNeed);
    std::vector<const Host*> backwards = {&region.hosts[2], &region.hosts[0], &region.hosts[1]};
    auto placed = PlaceInRegion(backwards, kNeed, 3, strategy, "eu-1");
    ASSERT_TRUE(placed.has_value());
    EXPECT_EQ(*placed, (std::vector{IdOf<HostId>(1), IdOf<HostId>(2), IdOf<HostId>(3)}));
  }
}

TEST(Place, TellsForHowManyThereWasRoom) {
  Region region;
  region.Add({8, 1000, 10'000});
  region.Add({4, 1000, 10'000});
  auto placed = region.Place(5, PlacementStrategy::kSpread);
  ASSERT_FALSE(placed.has_value());
  EXPECT_EQ(placed.error().code, Code::kResourceExhausted);
  EXPECT_EQ(placed.error().reason, "NO_HOST_FITS");
  EXPECT_EQ(placed.error().resource, "region eu-1");
  EXPECT_EQ(placed.error().Fact("placed"), "3");
  EXPECT_EQ(placed.error().Fact("count"), "5");
  EXPECT_EQ(placed.error().Fact("cpu_cores"), "4");
}

TEST(Place, LeavesAHostAloneThatCarriesMoreThanItHas) {
  Region region;
  region.Add({2, 1000, 10'000}, {1, {10, 0, 0}});
  EXPECT_FALSE(region.Place(1, PlacementStrategy::kPack).has_value());
}

// Law: the queue gives what looking at every host for every node gives.
RC_GTEST_PROP(PlacementLaws, AgreesWithANaiveModel, ()) {
  Region region;
  auto small = rc::gen::inRange<int64_t>(0, 20);
  for (int i = *rc::gen::inRange(0, 8); i > 0; --i) {
    region.Add({*small, *small, *small},
               {*rc::gen::inRange<int64_t>(0, 3), {*small / 4, *small / 4, *small / 4}},
               {*small / 8, 0, 0});
  }
  auto amount = rc::gen::inRange<int64_t>(1, 6);
  Resources need = {*amount, *amount, *amount};
  auto count = *rc::gen::inRange<int64_t>(0, 12);
  auto strategy = *rc::gen::element(PlacementStrategy::kSpread, PlacementStrategy::kPack);

  std::deque<Host> model = region.hosts;
  Numbers expected;
  for (; static_cast<int64_t>(expected.size()) < count;) {
    Host* best = nullptr;
    auto rank = [&](const Host& host) {
      Resources free = FreeOf(host).value();
      return strategy == PlacementStrategy::kSpread
                 ? std::tuple(host.books.node_count, -free.cpu_cores, host.id)
                 : std::tuple(free.cpu_cores, free.memory_bytes, host.id);
    };
    for (Host& host : model) {
      if (!need.FitsIn(FreeOf(host).value())) continue;
      if (best == nullptr || rank(host) < rank(*best)) best = &host;
    }
    if (best == nullptr) break;
    best->books = Add(best->books, {1, need}).value();
    expected.push_back(best->id.uuid.bytes[15]);
  }
  auto placed = region.Place(count, strategy, need);
  if (static_cast<int64_t>(expected.size()) == count) {
    RC_ASSERT(placed.value() == expected);
  } else {
    RC_ASSERT(!placed.has_value());
    RC_ASSERT(placed.error().Fact("placed") == std::to_string(expected.size()));
  }
}

TEST(CheckFits, AcceptsAnExactFitOfSeveral) {
  Region region;
  Host& host = region.Add({13, 130, 1300}, {}, {1, 10, 100});
  EXPECT_TRUE(CheckFits(host, kNeed, 3).has_value());
  EXPECT_FALSE(CheckFits(host, kNeed, 4).has_value());
}

TEST(CheckFits, NamesDimensionNeedAndFree) {
  Region region;
  Status fits = CheckFits(region.Add({100, 99, 10'000}, {1, {0, 20, 0}}), kNeed, 2);
  ASSERT_FALSE(fits.has_value());
  EXPECT_EQ(fits.error().code, Code::kResourceExhausted);
  EXPECT_EQ(fits.error().reason, "HOST_FULL");
  EXPECT_EQ(fits.error().resource, "host host-1");
  EXPECT_EQ(fits.error().Fact("dimension"), "memory_bytes");
  EXPECT_EQ(fits.error().Fact("need"), "80");
  EXPECT_EQ(fits.error().Fact("free"), "79");
}

// Fault 13.
TEST(CheckFits, RefusesACountThatOverflows) {
  Region region;
  Status fits = CheckFits(region.Add({INT64_MAX, INT64_MAX, INT64_MAX}), kNeed, INT64_MAX);
  ASSERT_FALSE(fits.has_value());
  EXPECT_EQ(fits.error().reason, "HOST_FULL");
}

}  // namespace
}  // namespace tallyman::planner
