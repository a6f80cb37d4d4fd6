// Time zones, as a dependency. Only main knows where the machine keeps the rules.
#pragma once

#include <chrono>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace tallyman {

// What clocks on the wall of a zone show.
using LocalMinute = std::chrono::local_time<std::chrono::minutes>;
using LocalSecond = std::chrono::local_time<std::chrono::seconds>;

// The rules of one zone. Thread-safe.
class Zone {
 public:
  virtual ~Zone() = default;
  // When the zone's clocks show `local`: the first time if they show it twice, and the moment at
  // which they jump over it if they never do.
  virtual Time FirstAt(LocalMinute local) const = 0;
  // What the zone's clocks show at `time`, its second cut off. The difference is the offset.
  virtual LocalSecond LocalAt(Time time) const = 0;
};

// Thread-safe.
class Zones {
 public:
  virtual ~Zones() = default;
  // A zone by its IANA name, such as Europe/Berlin. It lives as long as this object and does not
  // change. INVALID_ARGUMENT UNKNOWN_ZONE names `zone` and says what to do.
  virtual Result<const Zone*> Find(std::string_view name) const = 0;
};

}  // namespace tallyman
