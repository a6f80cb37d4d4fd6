#include "planner/window_calendar.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "base/time.h"
#include "planner/test_fleet.h"
#include "planner/window.h"
#include "zones/system_zones.h"

namespace tallyman::planner {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::minutes;

constexpr minutes kLead{5};
constexpr uint8_t kEveryDay = 127;
const OrgId kAcme = IdOf<OrgId>(1), kOther = IdOf<OrgId>(2);
const ProtocolId kEthereum = IdOf<ProtocolId>(1), kBitcoin = IdOf<ProtocolId>(2);
const RegionId kEurope = IdOf<RegionId>(1), kAsia = IdOf<RegionId>(2);
const NodeScope kNode = {kAcme, kEthereum, kEurope};

const Zones& Installed() {
  static const zones::SystemZones zones;
  return zones;
}

Time At(const std::string& text) { return ParseTime(text + ":00Z").value(); }

// A Tuesday.
const Time kNoon = At("2025-06-03T12:00");

Window Named(std::string name, WindowKind kind, WindowScope scope,
             std::variant<WeeklyTime, FixedTime> time) {
  Window window;
  window.name = std::move(name);
  window.kind = kind;
  window.scope = scope;
  window.time = std::move(time);
  return window;
}

// Open every day from an hour of UTC, for some hours.
Window Daily(std::string name, int hour, int length, WindowScope scope = {}) {
  return Named(std::move(name), WindowKind::kAllow, scope,
               WeeklyTime{"UTC", kEveryDay, 60 * hour, hours(length)});
}

Window Freeze(std::string name, Time from, Time until, WindowScope scope = {}) {
  return Named(std::move(name), WindowKind::kFreeze, scope, FixedTime{from, until});
}

struct Asked {
  bool is_open;
  std::optional<Time> then;
  WindowBlock why = WindowBlock::kNone;
  std::string window = "";

  friend bool operator==(const Asked&, const Asked&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Asked& asked) {
    return out << (asked.is_open ? "open until " : "closed until ")
               << (asked.then ? FormatTime(*asked.then) : "further notice") << " "
               << static_cast<int>(asked.why) << " " << asked.window;
  }
};

Asked Ask(const std::vector<Window>& windows, Time now = kNoon, microseconds lead = kLead,
          const NodeScope& node = kNode) {
  const WindowCalendar calendar(windows, now, Installed());
  const WindowAnswer answer = calendar.Ask(node, lead);
  const auto opens_at = calendar.OpensAt(node, lead);
  EXPECT_EQ(answer.is_open, opens_at == now);
  return {answer.is_open, answer.is_open ? answer.closes_at : opens_at, answer.why,
          answer.window == nullptr ? "" : answer.window->name};
}

Asked Open(std::optional<Time> until = {}) { return {true, until}; }
Asked Shut(std::optional<Time> until, WindowBlock why, std::string window) {
  return {false, until, why, std::move(window)};
}

TEST(WindowCalendar, AllowsEverythingWhereThereIsNoWindow) { EXPECT_EQ(Ask({}), Open()); }

TEST(WindowCalendar, SaysWhenAWindowClosesAndOpens) {
  const std::vector<Window> windows = {Daily("noon", 11, 2)};
  EXPECT_EQ(Ask(windows), Open(kNoon + hours(1)));
  EXPECT_EQ(Ask(windows, kNoon + hours(1)), Shut(kNoon + hours(23), WindowBlock::kClosed, "noon"));
}

TEST(WindowCalendar, AsksForTheWholeLead) {
  const std::vector<Window> windows = {Daily("noon", 11, 2)};
  const Time last = kNoon + hours(1) - kLead;
  EXPECT_EQ(Ask(windows, last), Open(kNoon + hours(1)));
  EXPECT_EQ(Ask(windows, last + microseconds(1)),
            Shut(kNoon + hours(23), WindowBlock::kClosesSoon, "noon"));
  EXPECT_EQ(Ask(windows, kNoon - hours(1), microseconds(0)), Open(kNoon + hours(1)));
  EXPECT_EQ(Ask(windows, kNoon + hours(1) - microseconds(1), microseconds(0)),
            Open(kNoon + hours(1)));
  EXPECT_FALSE(Ask(windows, kNoon + hours(1), microseconds(0)).is_open);
}

TEST(WindowCalendar, JoinsWindowsOfOneOwnerThatOverlapOrAdjoin) {
  const std::vector<Window> windows = {Daily("one", 11, 2), Daily("two", 13, 1),
                                       Daily("three", 12, 4, {.region_id = kEurope})};
  EXPECT_EQ(Ask({windows[0], windows[1]}), Open(kNoon + hours(2)));
  EXPECT_EQ(Ask(windows), Open(kNoon + hours(4)));
  EXPECT_EQ(Ask({windows[0], windows[1]}, kNoon + hours(1) - minutes(1)), Open(kNoon + hours(2)));
  // Of two scopes, one after the other.
  EXPECT_EQ(Ask({windows[0], Daily("next", 13, 2, {.region_id = kEurope})}),
            Open(kNoon + hours(3)));
}

TEST(WindowCalendar, KnowsNoEndOfWhatIsAlwaysOpen) {
  EXPECT_EQ(Ask({Daily("always", 3, 24)}), Open());
  const Time far = kNoon + days(300);
  EXPECT_EQ(Ask({Named("year", WindowKind::kAllow, {}, FixedTime{kNoon - days(9), far})}), Open());
}

TEST(WindowCalendar, LetsAnOrgNarrowTheFleetsWindowsAndNotWidenThem) {
  const std::vector<Window> windows = {Daily("fleet", 10, 4),
                                       Daily("acme", 13, 9, {.org_id = kAcme})};
  EXPECT_EQ(Ask(windows), Shut(kNoon + hours(1), WindowBlock::kClosed, "acme"));
  EXPECT_EQ(Ask(windows, kNoon + hours(1)), Open(kNoon + hours(2)));
  EXPECT_EQ(Ask(windows, kNoon + hours(3)), Shut(kNoon + hours(25), WindowBlock::kClosed, "fleet"));
  EXPECT_EQ(Ask(windows, kNoon, kLead, {kOther, kEthereum, kEurope}), Open(kNoon + hours(2)));
}

// Two owners may be open one after the other and never together.
TEST(WindowCalendar, KnowsNoOpeningOfOwnersThatNeverAgree) {
  EXPECT_EQ(Ask({Daily("fleet", 10, 4), Daily("acme", 14, 8, {.org_id = kAcme})}),
            Shut(std::nullopt, WindowBlock::kClosed, "acme"));
}

TEST(WindowCalendar, MatchesAllThatAScopeSets) {
  for (const WindowScope& scope : {WindowScope{},
                                   {.org_id = kAcme},
                                   {.protocol_id = kEthereum},
                                   {.region_id = kEurope},
                                   {kAcme, kEthereum, {}},
                                   {kAcme, {}, kEurope},
                                   {{}, kEthereum, kEurope},
                                   {kAcme, kEthereum, kEurope}}) {
    for (WindowKind kind : {WindowKind::kAllow, WindowKind::kFreeze}) {
      const FixedTime time = kind == WindowKind::kFreeze
                                 ? FixedTime{kNoon - hours(1), kNoon + hours(1)}
                                 : FixedTime{kNoon + hours(1), kNoon + hours(2)};
      const std::vector<Window> windows = {Named("only", kind, scope, time)};
      EXPECT_FALSE(Ask(windows).is_open);
      for (const NodeScope& node : {NodeScope{kOther, kEthereum, kEurope},
                                    {kAcme, kBitcoin, kEurope},
                                    {kAcme, kEthereum, kAsia}}) {
        const bool matches = (!scope.org_id || *scope.org_id == node.org_id) &&
                             (!scope.protocol_id || *scope.protocol_id == node.protocol_id) &&
                             (!scope.region_id || *scope.region_id == node.region_id);
        EXPECT_EQ(Ask(windows, kNoon, kLead, node).is_open, !matches);
      }
    }
  }
}

TEST(WindowCalendar, PutsAFreezeAboveEveryWindow) {
  const std::vector<Window> windows = {
      Daily("always", 0, 24), Freeze("launch", kNoon - hours(1), kNoon + hours(2)),
      Freeze("audit", kNoon + hours(1), kNoon + days(2), {.org_id = kAcme})};
  EXPECT_EQ(Ask(windows), Shut(kNoon + days(2), WindowBlock::kFreeze, "launch"));
  EXPECT_EQ(Ask(windows, kNoon + hours(2)), Shut(kNoon + days(2), WindowBlock::kFreeze, "audit"));
  EXPECT_EQ(Ask(windows, kNoon + days(2)), Open());
}

TEST(WindowCalendar, KnowsTheWindowThatClosesLast) {
  const std::vector<Window> windows = {Daily("late", 10, 4), Daily("early", 11, 2)};
  EXPECT_EQ(Ask(windows), Open(kNoon + hours(2)));
  EXPECT_EQ(Ask(windows, kNoon, hours(3)),
            Shut(kNoon + hours(22), WindowBlock::kClosesSoon, "late"));
}

// What is released just before a freeze could be begun within it.
TEST(WindowCalendar, ClosesALeadBeforeAFreeze) {
  const std::vector<Window> windows = {Freeze("launch", kNoon, kNoon + hours(1))};
  EXPECT_EQ(Ask(windows, kNoon - kLead), Open(kNoon));
  EXPECT_EQ(Ask(windows, kNoon - kLead + microseconds(1)),
            Shut(kNoon + hours(1), WindowBlock::kFreeze, "launch"));
}

TEST(WindowCalendar, KnowsNoOpeningBeyondTheHorizon) {
  EXPECT_EQ(Ask({Freeze("winter", kNoon, kNoon + kWindowHorizon)}),
            Shut(std::nullopt, WindowBlock::kFreeze, "winter"));
  const std::vector<Window> windows = {
      Named("past", WindowKind::kAllow, {}, FixedTime{kNoon - days(2), kNoon - days(1)})};
  EXPECT_EQ(Ask(windows), Shut(std::nullopt, WindowBlock::kClosed, "past"));
}

TEST(WindowCalendar, CountsAWindowWhoseZoneIsLostAsClosedAndSaysSo) {
  Window lost = Daily("lost", 0, 24);
  std::get<WeeklyTime>(lost.time).zone = "Atlantis/Poseidonia";
  std::vector<Window> windows = {lost};
  EXPECT_EQ(Ask(windows), Shut(std::nullopt, WindowBlock::kUnusable, "lost"));
  const WindowCalendar calendar(windows, kNoon, Installed());
  ASSERT_EQ(calendar.unusable().size(), 1u);
  EXPECT_EQ(calendar.unusable()[0].first, &windows[0]);
  EXPECT_EQ(calendar.unusable()[0].second.reason, "UNKNOWN_ZONE");

  // Another window of the owner goes on, and a freeze holds.
  windows.push_back(Daily("noon", 12, 1));
  EXPECT_EQ(Ask(windows), Open(kNoon + hours(1)));
  EXPECT_EQ(Ask(windows, kNoon - hours(1)), Shut(kNoon, WindowBlock::kClosed, "noon"));
  windows[0].kind = WindowKind::kFreeze;
  EXPECT_EQ(Ask(windows), Shut(std::nullopt, WindowBlock::kUnusable, "lost"));
}

// What follows compares with clocks read step by step. All times are whole steps.
constexpr minutes kStep{5};

// Evenly, also in the first cases.
int AnyOf(int most) { return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(0, most)); }

// A moment from 2005 to 2064, mostly in a week in which the zone's clocks jump.
Time AnyTime(const std::string& zone) {
  const Zone* rules = Installed().Find(zone).value();
  Time day{days(12'784 + AnyOf(60 * 365))};
  for (int i = 0; i < 365 && rules->LocalAt(day + days(1)) == rules->LocalAt(day) + days(1); ++i) {
    day += days(1);
  }
  return day + kStep * (AnyOf(8 * 24 * 12) - 5 * 24 * 12);
}

std::string AnyZone() {
  return *rc::gen::elementOf(std::vector<std::string>{
      "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca",
      "Asia/Kathmandu", "Pacific/Auckland", "America/St_Johns"});
}

WeeklyTime AnyWeekly(const std::string& zone) {
  WeeklyTime time;
  time.zone = zone;
  time.days = static_cast<uint8_t>(1 + AnyOf(kEveryDay));
  // Mostly in the hours in which clocks jump.
  time.start_minute = 5 * (AnyOf(3) == 0 ? AnyOf(24 * 12) : AnyOf(4 * 12));
  time.length = kStep * (1 + (AnyOf(3) == 0 ? AnyOf(7 * 24 * 12) : AnyOf(6 * 12)));
  return time;
}

// By definition: a listed day's opening begins when clocks first show its start or anything later.
std::vector<Opening> Naive(const WeeklyTime& time, Time from, Time until, minutes step) {
  const Zone* zone = Installed().Find(time.zone).value();
  Time at = from - days(9);
  auto day = floor<days>(zone->LocalAt(at));
  std::vector<Opening> openings;
  for (; at < until; at += step) {
    for (const auto shown = zone->LocalAt(at); shown >= day + minutes(time.start_minute);
         day += days(1)) {
      const unsigned bit = std::chrono::weekday(day).iso_encoding() - 1;
      // The first day began before the scan.
      const bool listed = (time.days >> bit & 1) != 0 && at > from - days(8);
      if (listed && at + time.length > from) openings.push_back({at, at + time.length});
    }
  }
  return openings;
}

RC_GTEST_PROP(WindowLaws, OpeningsAgreeWithClocksReadMinuteByMinute, ()) {
  const std::string zone = AnyZone();
  WeeklyTime time = AnyWeekly(zone);
  time.start_minute = std::min(1439, time.start_minute + AnyOf(5));
  const Time from = AnyTime(zone) - minutes(AnyOf(5)), until = from + days(9);
  const Window window = Named("any", WindowKind::kAllow, {}, time);
  RC_ASSERT(OpeningsBetween(window, from, until, Installed()).value() ==
            Naive(time, from, until, minutes(1)));
}

std::vector<Window> AnyWindows(const std::string& zone, Time now) {
  std::vector<Window> windows;
  for (int i = AnyOf(8); i > 0; --i) {
    WindowScope scope;
    if (AnyOf(2) == 0) scope.org_id = AnyOf(4) == 0 ? kOther : kAcme;
    if (AnyOf(4) == 0) scope.protocol_id = AnyOf(4) == 0 ? kBitcoin : kEthereum;
    if (AnyOf(4) == 0) scope.region_id = AnyOf(4) == 0 ? kAsia : kEurope;
    const WindowKind kind = AnyOf(3) == 0 ? WindowKind::kFreeze : WindowKind::kAllow;
    const Time from = now + kStep * (AnyOf(2000) - 1000);
    std::variant<WeeklyTime, FixedTime> time = FixedTime{from, from + kStep * (1 + AnyOf(2000))};
    if (AnyOf(4) != 0) time = AnyWeekly(AnyOf(3) == 0 ? AnyZone() : zone);
    windows.push_back(Named("window-" + std::to_string(i), kind, scope, std::move(time)));
  }
  return windows;
}

// For each step from `now`, whether the windows allow what is done then.
std::vector<bool> Allowed(const std::vector<Window>& windows, Time now, size_t steps) {
  const Time until = now + kStep * steps;
  std::vector<bool> frozen(steps), fleet(steps), org(steps);
  bool fleet_has = false, org_has = false;
  for (const Window& window : windows) {
    const WindowScope& scope = window.scope;
    if (scope.org_id == kOther || scope.protocol_id == kBitcoin || scope.region_id == kAsia)
      continue;
    const bool freezes = window.kind == WindowKind::kFreeze;
    if (!freezes) (scope.org_id ? org_has : fleet_has) = true;
    std::vector<bool>& marked = freezes ? frozen : scope.org_id ? org : fleet;
    std::vector<Opening> openings;
    if (const auto* fixed = std::get_if<FixedTime>(&window.time)) {
      openings.push_back({fixed->from, fixed->until});
    } else {
      openings = Naive(std::get<WeeklyTime>(window.time), now, until, kStep);
    }
    for (const Opening& opening : openings) {
      for (Time at = std::max(now, opening.from); at < std::min(until, opening.until);
           at += kStep) {
        marked[static_cast<size_t>((at - now) / kStep)] = true;
      }
    }
  }
  std::vector<bool> allowed(steps);
  for (size_t i = 0; i < steps; ++i) {
    allowed[i] = !frozen[i] && (!fleet_has || fleet[i]) && (!org_has || org[i]);
  }
  return allowed;
}

RC_GTEST_PROP(WindowLaws, AnswersAgreeWithLookingAtEveryMoment, ()) {
  const std::string zone = AnyZone();
  const Time now = AnyTime(zone);
  const std::vector<Window> windows = AnyWindows(zone, now);
  const size_t lead = static_cast<size_t>(AnyOf(3) == 0 ? AnyOf(3 * 24 * 12) : 1 + AnyOf(12));
  const WindowCalendar calendar(windows, now, Installed());
  const WindowAnswer answer = calendar.Ask(kNode, kStep * lead);

  const size_t horizon = static_cast<size_t>(kWindowHorizon / kStep);
  const std::vector<bool> allowed = Allowed(windows, now, horizon);
  // The first of `lead` steps that are allowed, at least one.
  size_t opens = 0, run = 0;
  for (; opens + run < horizon && run < std::max<size_t>(lead, 1);) {
    if (allowed[opens + run]) {
      ++run;
    } else {
      opens += run + 1;
      run = 0;
    }
  }
  RC_TAG(answer.is_open, opens < horizon);
  RC_ASSERT(answer.is_open == (opens == 0));
  RC_ASSERT(answer.is_open == (answer.why == WindowBlock::kNone));
  RC_ASSERT(answer.is_open == (answer.window == nullptr));
  if (answer.is_open) {
    const size_t closes = static_cast<size_t>(std::ranges::find(allowed, false) - allowed.begin());
    RC_ASSERT(answer.closes_at ==
              (closes < horizon ? std::optional(now + kStep * closes) : std::nullopt));
  }
  RC_ASSERT(calendar.OpensAt(kNode, kStep * lead) ==
            (opens < horizon ? std::optional(now + kStep * opens) : std::nullopt));
}

}  // namespace
}  // namespace tallyman::planner
