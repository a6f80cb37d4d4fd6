#include "control/clock_check.h"

#include <fmt/core.h>

namespace tallyman::control {
namespace {

using std::chrono::microseconds;

std::string Describe(microseconds length) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(length).count();
  if (seconds < 120) return fmt::format("{} seconds", seconds);
  if (seconds < 2 * 3600) return fmt::format("{} minutes", seconds / 60);
  if (seconds < 2 * 86400) return fmt::format("{} hours", seconds / 3600);
  return fmt::format("{} days", seconds / 86400);
}

}  // namespace

Result<microseconds> ClockSkew(Control& control) {
  const Time before = control.clock().Now();
  ASSIGN_OR_RETURN(const std::optional<Time> database, control.store().Now());
  const Time after = control.clock().Now();
  // The database answered somewhere in between; how long that took may not be held against anyone.
  if (database && *database < before) return before - *database;
  if (database && *database > after) return after - *database;
  return microseconds(0);
}

std::optional<Error> SkewFault(microseconds ahead) {
  const microseconds length = ahead < microseconds(0) ? -ahead : ahead;
  if (length <= kClockSkewMax) return std::nullopt;
  return Error(Code::kUnavailable, "CLOCK_SKEW",
               fmt::format("this machine's clock is {} {} the database's, so nothing was changed: "
                           "set the clock right (NTP), or use another machine",
                           Describe(length), ahead < microseconds(0) ? "behind" : "ahead of"))
      .With("skew_seconds",
            std::to_string(std::chrono::duration_cast<std::chrono::seconds>(ahead).count()));
}

Status ClockCheck::Run() {
  ASSIGN_OR_RETURN(const microseconds ahead, ClockSkew(control_));
  metrics_.clock_skew_seconds = std::chrono::duration<double>(ahead).count();
  std::optional<Error> fault = SkewFault(ahead);
  const bool was_wrong = !control_.MayWrite();
  if (fault.has_value() != was_wrong) {
    control_.log().Write(
        {fault ? LogLevel::kError : LogLevel::kInfo,
         fault ? "clock_skew" : "clock_right",
         fault ? fault->message : "this machine's clock agrees with the database's again",
         {}});
  }
  control_.RefuseWrites(std::move(fault));
  return {};
}

}  // namespace tallyman::control
