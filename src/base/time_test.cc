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

TEST(Time, TakesWhatPeopleTypeAndPaste) {
  const Time day = *ParseTime("2026-03-01T00:00:00Z");
  EXPECT_EQ(ParseTypedTime("2026-03-01"), day);
  const Time noon = *ParseTime("2026-03-01T12:00:00Z");
  EXPECT_EQ(ParseTypedTime("2026-03-01 12:00:00"), noon);
  EXPECT_EQ(ParseTypedTime("2026-03-01 12:00:00Z"), noon);
  EXPECT_EQ(ParseTypedTime("2026-03-01T12:00:00Z"), noon);
  EXPECT_EQ(ParseTypedTime("2026-03-01 14:00:00+02:00"), noon);
  EXPECT_EQ(ParseTypedTime("2026-03-01T08:30:00-03:30"), noon);
  EXPECT_EQ(ParseTypedTime("2026-02-28 23:30:00-12:30"), noon);
  EXPECT_EQ(ParseTypedTime("2026-03-01T12:00:00.5Z"), noon + std::chrono::milliseconds(500));
  EXPECT_EQ(ParseTypedTime("2026-03-01T12:00:00.000001Z"), noon + std::chrono::microseconds(1));
  EXPECT_EQ(ParseTypedTime("2026-03-01T12:00:00.000001999Z"), noon + std::chrono::microseconds(1));
}

TEST(Time, RefusesWhatNobodyMeansAsATime) {
  for (const char* bad :
       {"", "2026-02-30", "2026-3-1", "20260301", "2026-03-01 12:00", "today",
        "2026-03-01T12:00:00.Z", "2026-03-01T12:00:00.5xZ", "2026-03-01T12:00:00",
        "2026-03-01 12:00:00+0200", "2026-03-01 12:00:00+24:00", "2026-03-01 12:00:00+02:60",
        "2026-03-01 12:00:00+-1:00", "2026-03-01 12:00:00=02:00"}) {
    EXPECT_EQ(ParseTypedTime(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace tallyman
