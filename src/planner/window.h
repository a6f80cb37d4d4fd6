// When a window is open. Pure, but for the rules of zones, which are handed in.
#pragma once

#include <chrono>
#include <vector>

#include "base/zones.h"
#include "model/window.h"

namespace tallyman::planner {

inline constexpr std::chrono::days kWindowLengthMax{7};

// From `from` until `until`, which is not in it.
struct Opening {
  Time from;
  Time until;

  friend bool operator==(const Opening&, const Opening&) = default;
};

// Whether a window may be made. INVALID_ARGUMENT, with the fact `field`:
//   UNKNOWN_ZONE           no zone has that name
//   INVALID_WINDOW_DAYS    no day of the week, or a bit that is none
//   INVALID_WINDOW_START   not a minute of a day
//   INVALID_WINDOW_LENGTH  a week's opening of no time or more than seven days; or one that allows
//                          and is shorter than `take_within`, so that nothing would be released
//   INVALID_WINDOW_END     a fixed time that does not end after its beginning
Status CheckWindow(const Window& window, std::chrono::microseconds take_within, const Zones& zones);

// The openings that end after `from`, each as the window has it, in order of their beginnings; at
// most `count`, which is 1,000 or less. UNKNOWN_ZONE.
Result<std::vector<Opening>> NextOpenings(const Window& window, Time from, size_t count,
                                          const Zones& zones);

// The same, of those that also begin before `until`; all of them.
Result<std::vector<Opening>> OpeningsBetween(const Window& window, Time from, Time until,
                                             const Zones& zones);

}  // namespace tallyman::planner
