#include "zones/system_zones.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "base/time.h"
#include "tests/support/temp_dir.h"

namespace tallyman::zones {
namespace {

namespace fs = std::filesystem;
using std::chrono::minutes;
using std::chrono::seconds;

const SystemZones& Installed() {
  static const SystemZones zones;
  return zones;
}

LocalMinute Local(int year, unsigned month, unsigned day, int hour, int minute) {
  using std::chrono::local_days;
  return local_days(std::chrono::year(year) / month / day) + minutes(60 * hour + minute);
}

std::string FirstAt(std::string_view zone, LocalMinute local) {
  return FormatTime(Installed().Find(zone).value()->FirstAt(local)).substr(0, 16);
}

TEST(SystemZones, ResolveWhatClocksShowOnce) {
  EXPECT_EQ(FirstAt("UTC", Local(2025, 7, 1, 12, 0)), "2025-07-01T12:00");
  EXPECT_EQ(FirstAt("Europe/Berlin", Local(2025, 1, 1, 12, 0)), "2025-01-01T11:00");
  EXPECT_EQ(FirstAt("Europe/Berlin", Local(2025, 7, 1, 12, 0)), "2025-07-01T10:00");
  EXPECT_EQ(FirstAt("America/New_York", Local(2025, 7, 1, 12, 0)), "2025-07-01T16:00");
  EXPECT_EQ(FirstAt("Asia/Kathmandu", Local(2025, 7, 1, 12, 0)), "2025-07-01T06:15");
  // Clocks of Morocco go back for Ramadan.
  EXPECT_EQ(FirstAt("Africa/Casablanca", Local(2024, 3, 20, 12, 0)), "2024-03-20T12:00");
  EXPECT_EQ(FirstAt("Africa/Casablanca", Local(2024, 7, 1, 12, 0)), "2024-07-01T11:00");
}

TEST(SystemZones, ResolveWhatClocksJumpOverToTheJump) {
  EXPECT_EQ(FirstAt("Europe/Berlin", Local(2025, 3, 30, 2, 0)), "2025-03-30T01:00");
  EXPECT_EQ(FirstAt("Europe/Berlin", Local(2025, 3, 30, 2, 59)), "2025-03-30T01:00");
  EXPECT_EQ(FirstAt("Europe/Berlin", Local(2025, 3, 30, 3, 0)), "2025-03-30T01:00");
  EXPECT_EQ(FirstAt("America/New_York", Local(2025, 3, 9, 2, 30)), "2025-03-09T07:00");
  EXPECT_EQ(FirstAt("Australia/Lord_Howe", Local(2025, 10, 5, 2, 15)), "2025-10-04T15:30");
  EXPECT_EQ(FirstAt("Africa/Casablanca", Local(2024, 4, 14, 2, 30)), "2024-04-14T02:00");
  // A whole day that was not.
  EXPECT_EQ(FirstAt("Pacific/Apia", Local(2011, 12, 30, 9, 0)), "2011-12-30T10:00");
}

TEST(SystemZones, ResolveWhatClocksShowTwiceToTheFirst) {
  EXPECT_EQ(FirstAt("Europe/Berlin", Local(2025, 10, 26, 2, 30)), "2025-10-26T00:30");
  EXPECT_EQ(FirstAt("America/New_York", Local(2025, 11, 2, 1, 30)), "2025-11-02T05:30");
  EXPECT_EQ(FirstAt("Australia/Lord_Howe", Local(2025, 4, 6, 1, 45)), "2025-04-05T14:45");
  EXPECT_EQ(FirstAt("Africa/Casablanca", Local(2024, 3, 10, 2, 30)), "2024-03-10T01:30");
}

// Files list jumps until 2037; a rule at their end goes on.
TEST(SystemZones, KnowTheRulesOf2040) {
  EXPECT_EQ(FirstAt("Europe/Berlin", Local(2040, 7, 1, 12, 0)), "2040-07-01T10:00");
  EXPECT_EQ(FirstAt("America/New_York", Local(2040, 7, 1, 12, 0)), "2040-07-01T16:00");
}

// A file as `zic -b slim` makes them: its last jump is that of October 1996, to UTC+1; all others
// are by the rule at its end.
void WriteZone(const fs::path& file, const std::string& rule) {
  const auto block = [](int jumps) {
    std::string text = std::string("TZif2") + std::string(15, '\0');
    for (const int count : {0, 0, 0, jumps, 1, 4}) {
      text += std::string(3, '\0') + static_cast<char>(count);
    }
    if (jumps == 1) text += std::string("\0\0\0\0\x32\x72\xb4\x10\0", 9);
    return text + std::string("\0\0\x0e\x10\0\0", 6) + std::string("CET\0", 4);
  };
  std::ofstream(file, std::ios::binary) << block(0) << block(1) << '\n' << rule << '\n';
}

TEST(SystemZones, ObeyTheRuleAtTheEndOfAFile) {
  const TempDir dir;
  WriteZone(dir.path() / "Slim", "CET-1CEST,M3.5.0,M10.5.0/3");
  const SystemZones zones(dir.path());
  const Zone* zone = zones.Find("Slim").value();
  EXPECT_EQ(FormatTime(zone->FirstAt(Local(2025, 3, 30, 2, 30))).substr(0, 16), "2025-03-30T01:00");
  EXPECT_EQ(FormatTime(zone->FirstAt(Local(2040, 7, 1, 12, 0))).substr(0, 16), "2040-07-01T10:00");
}

TEST(SystemZones, ShowTheLocalTime) {
  const Time noon = ParseTime("2025-07-01T12:00:30.999999Z").value();
  EXPECT_EQ(Installed().Find("Europe/Berlin").value()->LocalAt(noon),
            Local(2025, 7, 1, 14, 0) + seconds(30));
  EXPECT_EQ(Installed().Find("Pacific/Auckland").value()->LocalAt(noon),
            Local(2025, 7, 2, 0, 0) + seconds(30));
  const Time before_1970 = ParseTime("1969-12-31T23:59:59.500000Z").value();
  EXPECT_EQ(Installed().Find("UTC").value()->LocalAt(before_1970),
            Local(1969, 12, 31, 23, 59) + seconds(59));
}

TEST(SystemZones, RefuseNamesThatAreNone) {
  for (const std::string_view name :
       {"", "Berlin", "Europe/Nowhere", "Europe", "/usr/share/zoneinfo/UTC", "../zoneinfo/UTC",
        "Europe/../UTC", "file:/usr/share/zoneinfo/UTC", "tzdata.zi", "Europe/Berlin ", "right/UTC",
        "posix/UTC", "localtime", "posixrules"}) {
    const auto found = Installed().Find(name);
    ASSERT_FALSE(found.has_value()) << name;
    EXPECT_EQ(found.error().code, Code::kInvalidArgument);
    EXPECT_EQ(found.error().reason, "UNKNOWN_ZONE");
    EXPECT_EQ(found.error().Fact("field"), "zone");
    EXPECT_EQ(found.error().Fact("value"), name);
  }
  EXPECT_FALSE(Installed().Find(std::string(101, 'a')).has_value());
  EXPECT_FALSE(Installed().Find(std::string("UTC\0", 4)).has_value());
}

TEST(SystemZones, RefuseNamesOutsideTheDirectoryEvenIfTheyAreFiles) {
  const TempDir dir;
  fs::create_directories(dir.path() / "zones/right");
  WriteZone(dir.path() / "Outside", "CET-1");
  for (const char* name :
       {"zones/Inside", "zones/right/Leap", "zones/localtime", "zones/In.side"}) {
    WriteZone(dir.path() / name, "CET-1");
  }
  const SystemZones zones(dir.path() / "zones");
  EXPECT_TRUE(zones.Find("Inside").has_value());
  for (const char* name : {"../Outside", "right/Leap", "localtime", "In.side", "right"}) {
    EXPECT_FALSE(zones.Find(name).has_value()) << name;
  }
}

TEST(SystemZones, RefuseAFileThatIsNoZone) {
  const TempDir dir;
  std::ofstream(dir.path() / "Broken") << "TZif2 but not for long";
  EXPECT_EQ(SystemZones(dir.path()).Find("Broken").error().reason, "UNKNOWN_ZONE");
}

TEST(SystemZones, FindAZoneThatIsInstalledLater) {
  const TempDir dir;
  const SystemZones zones(dir.path());
  EXPECT_FALSE(zones.Find("Later").has_value());
  WriteZone(dir.path() / "Later", "CET-1");
  EXPECT_TRUE(zones.Find("Later").has_value());
}

TEST(SystemZones, KeepAZoneWhoseFileVanishesUntilTheProgramEnds) {
  const TempDir dir;
  WriteZone(dir.path() / "Gone", "CET-1");
  const SystemZones zones(dir.path());
  const Zone* zone = zones.Find("Gone").value();
  fs::remove(dir.path() / "Gone");
  EXPECT_EQ(zones.Find("Gone").value(), zone);
  EXPECT_FALSE(SystemZones(dir.path()).Find("Gone").has_value());
}

const std::vector<const char*> kNames = {
    "UTC",           "Europe/Berlin",    "Europe/London",       "America/New_York",
    "Asia/Tokyo",    "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca",
    "Asia/Tehran",   "Pacific/Chatham",  "Pacific/Apia",        "America/Sao_Paulo",
    "Asia/Gaza",     "America/Nuuk",     "Asia/Pyongyang",      "Pacific/Kiritimati",
    "Europe/Dublin", "Antarctica/Troll", "Africa/Cairo"};

// The C library reads the same files by code of its own.
LocalSecond ShownByTheCLibrary(const char* name, Time time) {
  setenv("TZ", name, 1);
  tzset();
  const time_t at = std::chrono::floor<seconds>(time).time_since_epoch().count();
  tm shown{};
  localtime_r(&at, &shown);
  unsetenv("TZ");
  return LocalSecond(std::chrono::floor<seconds>(time).time_since_epoch() +
                     seconds(shown.tm_gmtoff));
}

RC_GTEST_PROP(SystemZonesLaws, AgreeWithTheCLibrary, ()) {
  const char* name = *rc::gen::elementOf(kNames);
  const Zone* zone = Installed().Find(name).value();
  // 1975 to 2100.
  const Time time{std::chrono::seconds(*rc::gen::inRange<int64_t>(157'766'400, 4'102'444'800))};
  RC_ASSERT(zone->LocalAt(time) == ShownByTheCLibrary(name, time));
}

// Law: FirstAt is the first moment at which clocks show that minute or a later one.
RC_GTEST_PROP(SystemZonesLaws, FirstAtIsTheFirst, ()) {
  const Zone* zone = Installed().Find(*rc::gen::elementOf(kNames)).value();
  // Near a jump, if the year has one.
  using std::chrono::days;
  Time day{days(*rc::gen::inRange(365 * 6, 365 * 110))};
  for (int i = 0; i < 365 && zone->LocalAt(day + days(1)) == zone->LocalAt(day) + days(1); ++i) {
    day += days(1);
  }
  const LocalMinute local =
      std::chrono::floor<minutes>(zone->LocalAt(day)) + minutes(*rc::gen::inRange(0, 2 * 24 * 60));
  const Time first = zone->FirstAt(local);
  RC_ASSERT(zone->LocalAt(first) >= local);
  for (int before = 1; before <= 26 * 60; ++before) {
    RC_ASSERT(zone->LocalAt(first - minutes(before)) < local);
  }
}

}  // namespace
}  // namespace tallyman::zones
