#include "planner/capacity_order.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>

#include "planner/test_fleet.h"

namespace tallyman::planner {
namespace {

CapacityMove Move(int number, const Resources& before, const Resources& after) {
  return {IdOf<NodeId>(number), before, after};
}

std::vector<int> Numbers(const CapacityOrder& order) {
  std::vector<int> numbers;
  for (const NodeId& id : order.order) numbers.push_back(id.uuid.bytes[15]);
  return numbers;
}

using Order = std::vector<int>;

TEST(OrderByCapacity, FillsAFullHostWithWhatItsShrinksLeave) {
  const std::vector<CapacityMove> moves = {Move(1, {2, 20, 200}, {4, 40, 400}),
                                           Move(2, {4, 40, 400}, {2, 20, 200}),
                                           Move(3, {8, 80, 800}, {8, 80, 800})};
  const CapacityOrder order = OrderByCapacity({}, moves);
  EXPECT_EQ(Numbers(order), (Order{2, 3, 1}));
  EXPECT_TRUE(order.blocked.empty());
}

TEST(OrderByCapacity, TakesTheLargestShrinkAndTheSmallestGrowFirst) {
  const std::vector<CapacityMove> moves = {
      Move(1, {1, 0, 0}, {4, 0, 0}), Move(2, {1, 0, 0}, {2, 0, 0}), Move(3, {9, 0, 0}, {8, 0, 0}),
      Move(4, {9, 0, 0}, {5, 0, 0}), Move(5, {9, 0, 0}, {5, 0, 0})};
  EXPECT_EQ(Numbers(OrderByCapacity({}, moves)), (Order{4, 5, 3, 2, 1}));
}

TEST(OrderByCapacity, NamesWhatABlockedNodeLacks) {
  const std::vector<CapacityMove> moves = {Move(1, {8, 10, 10}, {24, 10, 10}),
                                           Move(2, {8, 10, 10}, {9, 10, 14})};
  const CapacityOrder order = OrderByCapacity({16, 0, 4}, moves);
  EXPECT_EQ(Numbers(order), (Order{2}));
  EXPECT_EQ(order.blocked,
            (std::vector{BlockedMove{IdOf<NodeId>(1), Dimension::kCpuCores, 16, 15}}));
}

TEST(OrderByCapacity, AsksForNoRoomWhereNothingGrows) {
  const std::vector<CapacityMove> moves = {Move(1, {4, 40, 400}, {5, 40, 400}),
                                           Move(2, {4, 40, 400}, {4, 41, 400})};
  const CapacityOrder order = OrderByCapacity({1, -7, 0}, moves);
  EXPECT_EQ(Numbers(order), (Order{1}));
  EXPECT_EQ(order.blocked,
            (std::vector{BlockedMove{IdOf<NodeId>(2), Dimension::kMemoryBytes, 1, -7}}));
}

// Node 2 frees more cores, but needs the disk that only node 1 gives.
TEST(OrderByCapacity, ComesBackToAMixedNodeForWhichAnotherMadeRoom) {
  const std::vector<CapacityMove> moves = {Move(1, {8, 10, 90}, {7, 11, 10}),
                                           Move(2, {8, 10, 10}, {4, 10, 50})};
  const CapacityOrder order = OrderByCapacity({0, 1, 0}, moves);
  EXPECT_EQ(Numbers(order), (Order{1, 2}));
  EXPECT_TRUE(order.blocked.empty());
}

TEST(OrderByCapacity, IsTheSameWhateverTheOrderOfTheNodes) {
  std::vector<CapacityMove> moves;
  for (int i = 1; i <= 4; ++i) moves.push_back(Move(i, {2, 2, 2}, {3, 3, 3}));
  const Order first = Numbers(OrderByCapacity({2, 2, 2}, moves));
  std::ranges::reverse(moves);
  EXPECT_EQ(Numbers(OrderByCapacity({2, 2, 2}, moves)), first);
  EXPECT_EQ(first, (Order{1, 2}));
}

TEST(OrderByCapacity, IsExactAtTheBoundsOf64Bits) {
  const std::vector<CapacityMove> moves = {
      Move(1, {INT64_MAX, 0, 0}, {}), Move(2, {INT64_MAX, 0, 0}, {}),
      Move(3, {}, {INT64_MAX, 0, 0}), Move(4, {}, {INT64_MAX, 0, 0}),
      Move(5, {}, {INT64_MAX, 0, 0}), Move(6, {}, {INT64_MAX, 0, 0})};
  const CapacityOrder order = OrderByCapacity({INT64_MAX - 1, 0, 0}, moves);
  EXPECT_EQ(Numbers(order), (Order{1, 2, 3, 4}));
  ASSERT_EQ(order.blocked.size(), 2u);
  EXPECT_EQ(order.blocked[0],
            (BlockedMove{IdOf<NodeId>(5), Dimension::kCpuCores, INT64_MAX, INT64_MAX - 1}));
}

// The law of the header, in small numbers: what is free after a change, or nothing if it had no
// room.
std::optional<Resources> Changed(Resources free, const CapacityMove& move) {
  for (Dimension d : kDimensions) {
    const int64_t taken = std::max<int64_t>(0, move.after.get(d) - move.before.get(d));
    if (taken > 0 && taken > free.get(d)) return std::nullopt;
    free.at(d) -= taken;
    free.at(d) += std::max<int64_t>(0, move.before.get(d) - move.after.get(d));
  }
  return free;
}

std::vector<CapacityMove> AnyMoves(bool pure) {
  std::vector<CapacityMove> moves;
  auto amount = rc::gen::inRange<int64_t>(0, 5);
  for (int i = *rc::gen::inRange(0, 7); i > 0; --i) {
    const Resources one = {*amount, *amount, *amount}, other = {*amount, *amount, *amount};
    const bool grows = *rc::gen::arbitrary<bool>();
    CapacityMove move = Move(i, one, other);
    if (pure) move = grows ? Move(i, one, Max(one, other)) : Move(i, Max(one, other), one);
    moves.push_back(move);
  }
  return moves;
}

Resources AnyFree() {
  auto amount = rc::gen::inRange<int64_t>(-2, 6);
  return {*amount, *amount, *amount};
}

// Whether any of all orders has room for each change.
bool SomeOrderFits(const Resources& free, const std::vector<CapacityMove>& moves) {
  std::vector<size_t> places(moves.size());
  for (size_t i = 0; i < places.size(); ++i) places[i] = i;
  do {
    std::optional<Resources> left = free;
    for (size_t place : places) {
      if (left) left = Changed(*left, moves[place]);
    }
    if (left) return true;
  } while (std::ranges::next_permutation(places).found);
  return false;
}

// Does the changes in the order given, each of which has to fit; what is left.
Resources Done(const Resources& free, const std::vector<CapacityMove>& moves,
               const CapacityOrder& order) {
  std::map<NodeId, CapacityMove> todo;
  for (const CapacityMove& move : moves) todo.emplace(move.node, move);
  Resources left = free;
  for (const NodeId& node : order.order) {
    const auto move = todo.extract(node);
    RC_ASSERT(!move.empty());
    const auto after = Changed(left, move.mapped());
    RC_ASSERT(after.has_value());
    left = *after;
  }
  RC_ASSERT(todo.size() == order.blocked.size());
  for (const BlockedMove& blocked : order.blocked) {
    RC_ASSERT(todo.contains(blocked.node));
    RC_ASSERT(!Changed(left, todo.at(blocked.node)).has_value());
    RC_ASSERT(blocked.free == left.get(blocked.dimension));
    RC_ASSERT(blocked.need > blocked.free);
  }
  return left;
}

// Law: what either only grows or only shrinks is ordered whole if any order of it fits, which is so
// whenever the end state does.
RC_GTEST_PROP(CapacityOrderLaws, PureMovesAreOrderedWheneverTheEndFits, ()) {
  const auto moves = AnyMoves(/*pure=*/true);
  const Resources free = AnyFree();
  const CapacityOrder order = OrderByCapacity(free, moves);
  Done(free, moves, order);
  Resources end = free;
  bool grows[3] = {};
  for (const CapacityMove& move : moves) {
    for (size_t i = 0; i < 3; ++i) {
      const int64_t growth = move.after.get(kDimensions[i]) - move.before.get(kDimensions[i]);
      end.at(kDimensions[i]) -= growth;
      grows[i] |= growth > 0;
    }
  }
  bool end_fits = true;
  for (size_t i = 0; i < 3; ++i) end_fits &= !grows[i] || end.get(kDimensions[i]) >= 0;
  RC_TAG(end_fits);
  RC_ASSERT(order.blocked.empty() == SomeOrderFits(free, moves));
  RC_ASSERT(order.blocked.empty() == end_fits);
}

// Law: whatever is ordered fits step by step, and nothing that is blocked would fit afterwards. An
// order of all is given only if there is one.
RC_GTEST_PROP(CapacityOrderLaws, AnOrderOfMixedMovesFitsStepByStep, ()) {
  const auto moves = AnyMoves(/*pure=*/false);
  const Resources free = AnyFree();
  const CapacityOrder order = OrderByCapacity(free, moves);
  Done(free, moves, order);
  const bool possible = SomeOrderFits(free, moves);
  RC_TAG(possible, order.blocked.empty());
  RC_ASSERT(possible || !order.blocked.empty());
}

}  // namespace
}  // namespace tallyman::planner
