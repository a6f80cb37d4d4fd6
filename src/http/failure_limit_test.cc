#include "http/failure_limit.h"

#include <gtest/gtest.h>

namespace tallyman::http {
namespace {

using std::chrono::seconds;

struct Limit : ::testing::Test {
  void Fail(const std::string& address, int times) {
    for (int i = 0; i < times; ++i) limit.Failed(address);
  }
  ManualClock clock{Time(seconds(1'800'000'000))};
  FailureLimit limit{clock, 3, 5};
};

TEST_F(Limit, TurnsAwayWhoFailedTooOftenUntilTheMinuteIsOver) {
  Fail("192.0.2.1", 2);
  EXPECT_EQ(limit.MustWait("192.0.2.1"), std::nullopt);
  clock.Advance(seconds(20));
  Fail("192.0.2.1", 1);
  EXPECT_EQ(limit.MustWait("192.0.2.1"), seconds(40));
  EXPECT_EQ(limit.MustWait("192.0.2.2"), std::nullopt);
  clock.Advance(std::chrono::microseconds(39'000'001));
  EXPECT_EQ(limit.MustWait("192.0.2.1"), seconds(1)) << "rounded up";
  clock.Advance(seconds(1));
  EXPECT_EQ(limit.MustWait("192.0.2.1"), std::nullopt);
  Fail("192.0.2.1", 2);
  EXPECT_EQ(limit.MustWait("192.0.2.1"), std::nullopt) << "counted anew";
}

TEST_F(Limit, TakesANetworkOfIpv6AsOne) {
  Fail("2001:db8:1:2:3:4:5:6", 2);
  Fail("2001:db8:1:2::9", 1);
  EXPECT_NE(limit.MustWait("2001:db8:1:2:aaaa::1"), std::nullopt);
  EXPECT_EQ(limit.MustWait("2001:db8:1:3::1"), std::nullopt);
  Fail("::1", 3);
  EXPECT_NE(limit.MustWait("::1"), std::nullopt);
  EXPECT_NE(limit.MustWait("2001:0db8:0001:0002::"), std::nullopt) << "another spelling";
  EXPECT_EQ(limit.MustWait("fe80::1"), std::nullopt);
}

TEST_F(Limit, KeepsABoundedNumberOfAddresses) {
  for (int i = 0; i < 1000; ++i) Fail("192.0.2." + std::to_string(i), 3);
  int turned_away = 0;
  for (int i = 0; i < 1000; ++i) {
    if (limit.MustWait("192.0.2." + std::to_string(i))) ++turned_away;
  }
  EXPECT_GE(turned_away, 1);
  EXPECT_LE(turned_away, 5);
}

}  // namespace
}  // namespace tallyman::http
