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

Error Skewed(microseconds ahead) {
  const microseconds length = ahead < microseconds(0) ? -ahead : ahead;
  return Error(Code::kUnavailable, "CLOCK_SKEW",
               fmt::format("this server's clock is {} {} the database's, so nothing was changed: "
                           "set the clock right (NTP), or use another server",
                           Describe(length), ahead < microseconds(0) ? "behind" : "ahead of"))
      .With("skew_seconds",
            std::to_string(std::chrono::duration_cast<std::chrono::seconds>(ahead).count()));
}

}  // namespace

Status ClockCheck::Run() {
  const Time before = control_.clock().Now();
  ASSIGN_OR_RETURN(const std::optional<Time> database, control_.store().Now());
  const Time after = control_.clock().Now();
  if (!database) return {};
  // The database answered somewhere in between; how long that took may not be held against anyone.
  const microseconds ahead = *database < before  ? before - *database
                             : *database > after ? after - *database
                                                 : microseconds(0);
  metrics_.clock_skew_seconds = std::chrono::duration<double>(ahead).count();
  const bool is_wrong = ahead > kClockSkewMax || ahead < -kClockSkewMax;
  const bool was_wrong = !control_.MayWrite();
  control_.RefuseWrites(is_wrong ? std::optional(Skewed(ahead)) : std::nullopt);
  if (is_wrong != was_wrong) {
    control_.log().Write(
        {is_wrong ? LogLevel::kError : LogLevel::kInfo,
         is_wrong ? "clock_skew" : "clock_right",
         is_wrong ? Skewed(ahead).message : "this server's clock agrees with the database's again",
         {}});
  }
  return {};
}

}  // namespace tallyman::control
