#include "base/time.h"

#include <gtest/gtest.h>

namespace tallyman {
namespace {

TEST(Time, ReadsWhatItWrites) {
  Time time = FromMicros(1732542956123456);
  EXPECT_EQ(FormatTime(time), "2024-11-25T13:55:56.123456Z");
  EXPECT_EQ(ParseTime(FormatTime(time)), time);
  EXPECT_EQ(ParseTime("2024-11-25T13:55:56Z"), FromMicros(1732542956000000));
}

TEST(Time, RefusesWhatIsNoTime) {
  for (const char* bad : {"", "2024-13-25T13:55:56Z", "2024-02-30T00:00:00Z",
                          "2024-11-25 13:55:56Z", "2024-11-25T13:55:5xZ", "2024-11-25T24:00:00Z"}) {
    EXPECT_EQ(ParseTime(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace tallyman
