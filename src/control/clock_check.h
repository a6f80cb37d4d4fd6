// Compares this machine's clock with the database's, which all servers of a fleet share. Background
// work, called from time to time; thread-safe.
#pragma once

#include <chrono>
#include <optional>

#include "base/metrics.h"
#include "control/control.h"

namespace tallyman::control {

// Deadlines, expiry and what is kept rest on clocks that agree to seconds.
constexpr std::chrono::seconds kClockSkewMax(5);

// How far this machine's clock is ahead of the database's; 0 when the database has no clock of its
// own.
Result<std::chrono::microseconds> ClockSkew(Control& control);
// Why nothing may be written with such a skew: CLOCK_SKEW; empty: it may.
std::optional<Error> SkewFault(std::chrono::microseconds ahead);

class ClockCheck {
 public:
  ClockCheck(Control& control, Metrics& metrics) : control_(control), metrics_(metrics) {}

  // Stops this server's writes while its clock is more than kClockSkewMax away from the database's,
  // and lets them go on afterwards; both are logged. An error is one of the database, and leaves
  // things as they are.
  Status Run();

 private:
  Control& control_;
  Metrics& metrics_;
};

}  // namespace tallyman::control
