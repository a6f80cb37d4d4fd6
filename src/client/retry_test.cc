#include "client/retry.h"

#include <gtest/gtest.h>
#include "base/random.h"

namespace tallyman::client {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLong{3'600'000};
constexpr milliseconds kNone{0};

TEST(Retry, WaitsHalfToAllOfATimeThatDoubles) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SeededRandom random(seed);
    Retry retry({.attempts_max = 8, .wait_first = milliseconds(100), .wait_max = milliseconds(400)},
                random);
    for (int longest : {100, 200, 400, 400, 400}) {
      auto wait = retry.NextWait(kLong, kNone);
      ASSERT_TRUE(wait);
      EXPECT_GE(wait->count(), longest / 2) << seed;
      EXPECT_LE(wait->count(), longest) << seed;
    }
  }
}

TEST(Retry, IsNotTheSameForEverybody) {
  SeededRandom one(1), other(2);
  Retry a({}, one), b({}, other);
  EXPECT_NE(a.NextWait(kLong, kNone), b.NextWait(kLong, kNone));
}

TEST(Retry, GivesUpAfterEnoughAttempts) {
  SeededRandom random(1);
  Retry retry({.attempts_max = 3}, random);
  EXPECT_TRUE(retry.NextWait(kLong, kNone));
  EXPECT_TRUE(retry.NextWait(kLong, kNone));
  EXPECT_FALSE(retry.NextWait(kLong, kNone));
  EXPECT_EQ(retry.attempts(), 3);
}

TEST(Retry, GoesOnUntilItsTimeIsUsed) {
  constexpr milliseconds kTimeout(30'000);
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SeededRandom random(seed);
    Retry retry({}, random);
    milliseconds used(0);
    while (const auto wait = retry.NextWait(kTimeout - used, kNone)) used += *wait;
    EXPECT_GE(used, kTimeout - RetryOptions().wait_first) << seed;
    EXPECT_LE(used, kTimeout) << seed;
    EXPECT_LT(retry.attempts(), 50) << seed;
  }
}

TEST(Retry, WaitsAsLongAsTheServerAsksAndGivesUpWhereThatIsTooLong) {
  SeededRandom random(1);
  Retry retry({}, random);
  EXPECT_EQ(retry.NextWait(kLong, milliseconds(9000)), milliseconds(9000));
  EXPECT_FALSE(retry.NextWait(milliseconds(8999), milliseconds(9000)));
}

}  // namespace
}  // namespace tallyman::client
