#include "base/semver.h"

#include <gtest/gtest.h>

namespace tallyman {
namespace {

TEST(SemVer, OrdersAsTheSpecificationsExample) {
  const char* ascending[] = {"1.0.0-alpha",  "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta",
                             "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1",       "1.0.0",
                             "1.0.1",        "1.1.0",         "1.10.0",           "2.0.0"};
  for (size_t i = 0; i < std::size(ascending); ++i) {
    for (size_t j = 0; j < std::size(ascending); ++j) {
      auto a = SemVer::Parse(ascending[i]), b = SemVer::Parse(ascending[j]);
      ASSERT_TRUE(a && b);
      EXPECT_EQ(Compare(*a, *b), i <=> j) << ascending[i] << " against " << ascending[j];
    }
  }
}

TEST(SemVer, RefusesWhatIsNone) {
  for (const char* bad : {"", "1", "1.2", "1.2.3.4", "01.2.3", "1.2.x", "1.2.3-", "1.2.3-a..b",
                          "v1.2.3", "1.2.3+5", "99999999999999999999.0.0"}) {
    EXPECT_EQ(SemVer::Parse(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace tallyman
