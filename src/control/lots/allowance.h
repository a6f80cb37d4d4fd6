// How many rows may be forgotten now. Whatever the clock says, no more than one percent of them
// goes in an hour (what is not used adds up to five percent), so a clock that is set wrong leaves
// time to notice. A fleet at rest needs a quarter of a percent in a day. Used by one thread at a
// time.
#pragma once

#include <algorithm>
#include <optional>

#include "base/clock.h"

namespace tallyman::control {

class Allowance {
 public:
  // Adds what the time since the last call allows of so many rows.
  void Refill(SteadyTime now, int64_t count) {
    const std::chrono::duration<double, std::ratio<3600>> hours = now - refilled_at_.value_or(now);
    refilled_at_ = now;
    const auto rows = static_cast<double>(count);
    // The share of a few rows is less than a row, and still adds up to one.
    const double most = std::max(1.0, rows * kShareMax);
    left_ = std::min(most, left_ + rows * kShareOfAnHour * hours.count());
  }
  int64_t left() const { return static_cast<int64_t>(left_); }
  void Take(int64_t rows) { left_ -= static_cast<double>(rows); }

 private:
  static constexpr double kShareOfAnHour = 0.01;
  static constexpr double kShareMax = 0.05;

  std::optional<SteadyTime> refilled_at_;
  double left_ = 0;
};

}  // namespace tallyman::control
