#include "model/resources.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

namespace tallyman {
namespace {

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

Resources AnyResources() {
  return {*rc::gen::arbitrary<int64_t>(), *rc::gen::arbitrary<int64_t>(),
          *rc::gen::arbitrary<int64_t>()};
}

RC_GTEST_PROP(Resources, AddThenSubtractIsTheIdentityOrAnErrorAndNeverWraps, ()) {
  Resources a = AnyResources(), b = AnyResources();
  auto sum = Add(a, b);
  for (Dimension d : kDimensions) {
    __int128 wide = static_cast<__int128>(a.get(d)) + b.get(d);
    if (sum) RC_ASSERT(static_cast<__int128>(sum->get(d)) == wide);
  }
  if (sum) {
    RC_ASSERT(*Subtract(*sum, b) == a);
  } else {
    RC_ASSERT(sum.error().reason == "RESOURCE_OVERFLOW");
  }
}

RC_GTEST_PROP(Resources, AddDoesNotCareForOrder, ()) {
  Resources a = AnyResources(), b = AnyResources();
  auto one = Add(a, b), other = Add(b, a);
  RC_ASSERT(one.has_value() == other.has_value());
  if (one) RC_ASSERT(*one == *other);
}

TEST(Resources, OverflowNamesTheDimensionAndTheOperands) {
  auto sum = Add(Resources{1, kMax, 1}, Resources{1, 1, 1});
  ASSERT_FALSE(sum.has_value());
  EXPECT_EQ(sum.error().code, Code::kOutOfRange);
  EXPECT_EQ(sum.error().Fact("dimension"), "memory_bytes");
  EXPECT_EQ(sum.error().Fact("left"), std::to_string(kMax));
  auto books = Add(Books{kMax, {}}, Books{1, {}});
  ASSERT_FALSE(books.has_value());
  EXPECT_EQ(books.error().Fact("dimension"), "node_count");
}

TEST(Resources, ExactFitFits) {
  EXPECT_TRUE((Resources{4, 8, 16}).FitsIn({4, 8, 16}));
  EXPECT_FALSE((Resources{4, 9, 16}).FitsIn({4, 8, 16}));
}

RC_GTEST_PROP(Resources, ExcessIsWhatIsMissingToTheMax, ()) {
  auto amount = rc::gen::inRange<int64_t>(0, 1'000'000);
  Resources a{*amount, *amount, *amount}, b{*amount, *amount, *amount};
  RC_ASSERT(*Add(b, Excess(a, b)) == Max(a, b));
}

}  // namespace
}  // namespace tallyman
