#include "planner/window.h"

#include <fmt/core.h>

namespace tallyman::planner {
namespace {

using std::chrono::days;
using std::chrono::local_days;
using std::chrono::minutes;
using std::chrono::weekday;

constexpr int kMinutesOfDay = 24 * 60;
constexpr uint8_t kAllDays = 0x7f;

Error Invalid(std::string reason, std::string field, int64_t value, std::string message) {
  return InvalidArgument(std::move(reason), std::move(message))
      .With("field", std::move(field))
      .With("value", std::to_string(value));
}

Status CheckLength(const Window& window, std::chrono::microseconds length,
                   std::chrono::microseconds take_within, const std::string& field) {
  if (window.kind == WindowKind::kFreeze || length >= take_within) return {};
  using std::chrono::ceil;
  using std::chrono::floor;
  const int64_t given = floor<minutes>(length).count(), least = ceil<minutes>(take_within).count();
  return Fail(Invalid("INVALID_WINDOW_LENGTH", field, given,
                      fmt::format("window {} is open for {} min, and a host has {} min to take a "
                                  "command, so nothing would be released: make it longer",
                                  window.name, given, least))
                  .With("take_within", std::to_string(least)));
}

Status CheckWeekly(const Window& window, const WeeklyTime& time,
                   std::chrono::microseconds take_within, const Zones& zones) {
  if (auto zone = zones.Find(time.zone); !zone) return Fail(std::move(zone).error());
  if (time.days == 0 || (time.days & ~kAllDays) != 0) {
    return Fail(Invalid("INVALID_WINDOW_DAYS", "days", time.days,
                        fmt::format("window {} lists no day of the week, or what is none: name "
                                    "days such as mon-fri",
                                    window.name)));
  }
  if (time.start_minute < 0 || time.start_minute >= kMinutesOfDay) {
    return Fail(Invalid("INVALID_WINDOW_START", "start_minute", time.start_minute,
                        fmt::format("window {} starts at minute {} of the day: use 0 to {}",
                                    window.name, time.start_minute, kMinutesOfDay - 1)));
  }
  if (time.length <= minutes(0) || time.length > kWindowLengthMax) {
    return Fail(Invalid("INVALID_WINDOW_LENGTH", "minutes", time.length.count(),
                        fmt::format("window {} is open for {} min each time: use 1 min to {} days",
                                    window.name, time.length.count(), kWindowLengthMax.count())));
  }
  return CheckLength(window, time.length, take_within, "minutes");
}

bool IsListed(uint8_t week, local_days day) {
  return ((week >> (weekday(day).iso_encoding() - 1)) & 1) != 0;
}

Opening OpeningOf(const WeeklyTime& time, const Zone& zone, local_days day) {
  const Time from = zone.FirstAt(day + minutes(time.start_minute));
  return {from, from + time.length};
}

// A day so early that all openings before it have ended by `from`: clocks may jump by a whole day.
local_days FirstDay(const WeeklyTime& time, const Zone& zone, Time from) {
  return std::chrono::floor<days>(zone.LocalAt(from)) - std::chrono::ceil<days>(time.length) -
         days(2);
}

}  // namespace

Status CheckWindow(const Window& window, std::chrono::microseconds take_within,
                   const Zones& zones) {
  if (const auto* weekly = std::get_if<WeeklyTime>(&window.time)) {
    return CheckWeekly(window, *weekly, take_within, zones);
  }
  const auto& fixed = std::get<FixedTime>(window.time);
  if (fixed.until <= fixed.from) {
    return Fail(InvalidArgument("INVALID_WINDOW_END",
                                fmt::format("window {} does not end after its beginning: give an "
                                            "end that is later",
                                            window.name))
                    .With("field", "until"));
  }
  return CheckLength(window, fixed.until - fixed.from, take_within, "until");
}

Result<std::vector<Opening>> NextOpenings(const Window& window, Time from, size_t count,
                                          const Zones& zones) {
  // That many weeks have as many, even if only one day is listed.
  const bool is_weekly = std::holds_alternative<WeeklyTime>(window.time);
  const Time until = is_weekly ? from + std::chrono::weeks(count + 2) : Time::max();
  auto openings = OpeningsBetween(window, from, until, zones);
  if (openings && openings->size() > count) openings->resize(count);
  return openings;
}

Result<std::vector<Opening>> OpeningsBetween(const Window& window, Time from, Time until,
                                             const Zones& zones) {
  std::vector<Opening> openings;
  if (const auto* fixed = std::get_if<FixedTime>(&window.time)) {
    const bool touches = fixed->until > from && fixed->from < until;
    if (touches) openings.push_back({fixed->from, fixed->until});
    return openings;
  }
  const auto& time = std::get<WeeklyTime>(window.time);
  ASSIGN_OR_RETURN(const Zone* zone, zones.Find(time.zone));
  if ((time.days & kAllDays) == 0) return openings;
  for (local_days day = FirstDay(time, *zone, from);; day += days(1)) {
    if (!IsListed(time.days, day)) continue;
    const Opening opening = OpeningOf(time, *zone, day);
    if (opening.from >= until) return openings;
    if (opening.until > from) openings.push_back(opening);
  }
}

}  // namespace tallyman::planner
