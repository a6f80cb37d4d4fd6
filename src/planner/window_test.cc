#include "planner/window.h"

#include <gtest/gtest.h>

#include "base/time.h"
#include "zones/system_zones.h"

namespace tallyman::planner {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

constexpr minutes kTakeWithin{5};
constexpr uint8_t kMonday = 1, kFriday = 16, kSaturday = 32, kSunday = 64, kEveryDay = 127;

const Zones& Installed() {
  static const zones::SystemZones zones;
  return zones;
}

Time At(const std::string& text) { return ParseTime(text + ":00Z").value(); }

Window Weekly(std::string zone, uint8_t week, int start_minute, minutes length) {
  Window window;
  window.name = "nights";
  window.time = WeeklyTime{std::move(zone), week, start_minute, length};
  return window;
}

Window Fixed(const std::string& from, const std::string& until) {
  Window window;
  window.name = "launch";
  window.time = FixedTime{At(from), At(until)};
  return window;
}

// "2025-03-30T01:00 to 2025-03-30T02:00", one for each.
std::vector<std::string> Openings(const Window& window, const std::string& from, size_t count) {
  const auto openings = NextOpenings(window, At(from), count, Installed()).value();
  std::vector<std::string> texts;
  for (const Opening& opening : openings) {
    texts.push_back(FormatTime(opening.from).substr(0, 16) + " to " +
                    FormatTime(opening.until).substr(0, 16));
  }
  return texts;
}

using Texts = std::vector<std::string>;

TEST(NextOpenings, AreByTheClocksOfTheZone) {
  const Window window = Weekly("Europe/Berlin", kMonday | kFriday, 23 * 60, hours(6));
  EXPECT_EQ(Openings(window, "2025-03-26T00:00", 3),
            (Texts{"2025-03-28T22:00 to 2025-03-29T04:00", "2025-03-31T21:00 to 2025-04-01T03:00",
                   "2025-04-04T21:00 to 2025-04-05T03:00"}));
}

TEST(NextOpenings, BeginWithTheOneThatIsOpen) {
  const Window window = Weekly("UTC", kSunday, 20 * 60, hours(6));
  EXPECT_EQ(Openings(window, "2025-06-02T01:59", 1),
            (Texts{"2025-06-01T20:00 to 2025-06-02T02:00"}));
  EXPECT_EQ(Openings(window, "2025-06-02T02:00", 1),
            (Texts{"2025-06-08T20:00 to 2025-06-09T02:00"}));
}

TEST(NextOpenings, OfSevenDaysFollowOneAnother) {
  const Window window = Weekly("Europe/Berlin", kMonday, 0, days(7));
  EXPECT_EQ(
      Openings(window, "2025-06-09T00:00", 2),
      (Texts{"2025-06-08T22:00 to 2025-06-15T22:00", "2025-06-15T22:00 to 2025-06-22T22:00"}));
  EXPECT_EQ(Openings(window, "2025-06-15T21:59", 1),
            (Texts{"2025-06-08T22:00 to 2025-06-15T22:00"}));
}

// Clocks jump from 2 to 3: the window opens at the jump and is as long as always.
TEST(NextOpenings, BeginAtTheJumpThatSkipsTheirStart) {
  EXPECT_EQ(
      Openings(Weekly("Europe/Berlin", kSunday, 150, hours(2)), "2025-03-29T00:00", 2),
      (Texts{"2025-03-30T01:00 to 2025-03-30T03:00", "2025-04-06T00:30 to 2025-04-06T02:30"}));
  EXPECT_EQ(Openings(Weekly("America/New_York", kSunday, 150, hours(2)), "2025-03-08T00:00", 1),
            (Texts{"2025-03-09T07:00 to 2025-03-09T09:00"}));
  EXPECT_EQ(Openings(Weekly("Australia/Lord_Howe", kSunday, 135, hours(2)), "2025-10-03T00:00", 1),
            (Texts{"2025-10-04T15:30 to 2025-10-04T17:30"}));
}

// Clocks show 2 to 3 twice: the window opens once, at the first time.
TEST(NextOpenings, BeginAtTheFirstOfTwoStarts) {
  EXPECT_EQ(
      Openings(Weekly("Europe/Berlin", kSunday, 150, hours(1)), "2025-10-25T00:00", 2),
      (Texts{"2025-10-26T00:30 to 2025-10-26T01:30", "2025-11-02T01:30 to 2025-11-02T02:30"}));
  EXPECT_EQ(Openings(Weekly("America/New_York", kSunday, 90, hours(1)), "2025-11-01T00:00", 1),
            (Texts{"2025-11-02T05:30 to 2025-11-02T06:30"}));
  EXPECT_EQ(Openings(Weekly("Africa/Casablanca", kSunday, 150, hours(1)), "2024-03-09T00:00", 1),
            (Texts{"2024-03-10T01:30 to 2024-03-10T02:30"}));
}

TEST(NextOpenings, LastAsLongAsTheySayOverAJump) {
  const Window window = Weekly("Europe/Berlin", kSaturday, 22 * 60, hours(8));
  EXPECT_EQ(Openings(window, "2025-03-29T12:00", 1),
            (Texts{"2025-03-29T21:00 to 2025-03-30T05:00"}));
  EXPECT_EQ(Openings(window, "2025-10-25T12:00", 1),
            (Texts{"2025-10-25T20:00 to 2025-10-26T04:00"}));
}

TEST(NextOpenings, Of2040AreInSummerTime) {
  EXPECT_EQ(Openings(Weekly("Europe/Berlin", kSunday, 12 * 60, hours(1)), "2040-07-01T00:00", 1),
            (Texts{"2040-07-01T10:00 to 2040-07-01T11:00"}));
}

TEST(NextOpenings, OfAFixedTimeAreOneUntilItIsOver) {
  const Window window = Fixed("2025-12-20T00:00", "2026-01-06T00:00");
  EXPECT_EQ(Openings(window, "2025-01-01T00:00", 9),
            (Texts{"2025-12-20T00:00 to 2026-01-06T00:00"}));
  EXPECT_EQ(Openings(window, "2026-01-05T23:59", 9).size(), 1u);
  EXPECT_EQ(Openings(window, "2026-01-06T00:00", 9), Texts{});
}

TEST(NextOpenings, SayThatTheZoneIsUnknown) {
  EXPECT_EQ(NextOpenings(Weekly("Europe/Nowhere", kMonday, 0, hours(1)), Time{}, 1, Installed())
                .error()
                .reason,
            "UNKNOWN_ZONE");
}

TEST(OpeningsBetween, AreThoseThatTouchTheTime) {
  const Window window = Weekly("UTC", kEveryDay, 0, hours(36));
  EXPECT_EQ(
      OpeningsBetween(window, At("2025-06-03T12:00"), At("2025-06-05T00:00"), Installed()).value(),
      (std::vector<Opening>{{At("2025-06-03T00:00"), At("2025-06-04T12:00")},
                            {At("2025-06-04T00:00"), At("2025-06-05T12:00")}}));
  const Window fixed = Fixed("2025-06-03T00:00", "2025-06-04T00:00");
  EXPECT_TRUE(
      OpeningsBetween(fixed, At("2025-06-04T00:00"), At("2025-06-05T00:00"), Installed())->empty());
  EXPECT_TRUE(
      OpeningsBetween(fixed, At("2025-06-02T00:00"), At("2025-06-03T00:00"), Installed())->empty());
}

struct Refusal {
  const char* what;
  Window window;
  const char* reason;
  const char* field;
};

TEST(CheckWindow, RefusesWhatWouldNeverOpenAsMeant) {
  for (const Refusal& row : {
           Refusal{"zone", Weekly("Mars", kMonday, 0, hours(1)), "UNKNOWN_ZONE", "zone"},
           {"no day", Weekly("UTC", 0, 0, hours(1)), "INVALID_WINDOW_DAYS", "days"},
           {"an eighth day", Weekly("UTC", 128 | kMonday, 0, hours(1)), "INVALID_WINDOW_DAYS",
            "days"},
           {"start", Weekly("UTC", kMonday, 1440, hours(1)), "INVALID_WINDOW_START",
            "start_minute"},
           {"start", Weekly("UTC", kMonday, -1, hours(1)), "INVALID_WINDOW_START", "start_minute"},
           {"no length", Weekly("UTC", kMonday, 0, minutes(0)), "INVALID_WINDOW_LENGTH", "minutes"},
           {"length", Weekly("UTC", kMonday, 0, days(7) + minutes(1)), "INVALID_WINDOW_LENGTH",
            "minutes"},
           {"short", Weekly("UTC", kMonday, 0, kTakeWithin - minutes(1)), "INVALID_WINDOW_LENGTH",
            "minutes"},
           {"end", Fixed("2025-06-03T01:00", "2025-06-03T00:00"), "INVALID_WINDOW_END", "until"},
           {"end", Fixed("2025-06-03T01:00", "2025-06-03T01:00"), "INVALID_WINDOW_END", "until"},
           {"short", Fixed("2025-06-03T01:00", "2025-06-03T01:04"), "INVALID_WINDOW_LENGTH",
            "until"},
       }) {
    const Status checked = CheckWindow(row.window, kTakeWithin, Installed());
    ASSERT_FALSE(checked.has_value()) << row.what;
    EXPECT_EQ(checked.error().code, Code::kInvalidArgument) << row.what;
    EXPECT_EQ(checked.error().reason, row.reason) << row.what;
    EXPECT_EQ(checked.error().Fact("field"), row.field) << row.what;
  }
}

TEST(CheckWindow, AcceptsTheBounds) {
  for (const Window& window :
       {Weekly("UTC", kMonday, 0, kTakeWithin), Weekly("UTC", kEveryDay, 1439, days(7)),
        Fixed("2025-06-03T00:00", "2025-06-03T00:05")}) {
    EXPECT_TRUE(CheckWindow(window, kTakeWithin, Installed()).has_value());
  }
}

TEST(CheckWindow, LetsAFreezeBeAsShortAsOneLikes) {
  Window weekly = Weekly("UTC", kMonday, 0, minutes(1)),
         fixed = Fixed("2025-06-03T00:00", "2025-06-03T00:01");
  weekly.kind = fixed.kind = WindowKind::kFreeze;
  EXPECT_TRUE(CheckWindow(weekly, kTakeWithin, Installed()).has_value());
  EXPECT_TRUE(CheckWindow(fixed, kTakeWithin, Installed()).has_value());
}

}  // namespace
}  // namespace tallyman::planner
