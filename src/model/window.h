// A window: when rollouts may release nodes, or may not. A plain value.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "base/clock.h"
#include "base/enum_text.h"
#include "model/ids.h"

namespace tallyman {

enum class WindowKind { kAllow, kFreeze };

template <>
struct EnumText<WindowKind> {
  static constexpr std::array<std::string_view, 2> kWords = {"allow", "freeze"};
};

// The nodes that a window matches: whatever is set has to be the node's. The owner of a window is
// its org; without one, the fleet.
struct WindowScope {
  std::optional<OrgId> org_id;
  std::optional<ProtocolId> protocol_id;
  std::optional<RegionId> region_id;

  friend bool operator==(const WindowScope&, const WindowScope&) = default;
};

// One opening on each listed day: from a minute of that day by the zone's clocks, for a length that
// elapses. No jump of the clocks skips it, doubles it or changes its length.
struct WeeklyTime {
  std::string zone;      // its IANA name
  uint8_t days = 0;      // bit 0 is Monday, bit 6 Sunday
  int start_minute = 0;  // of the day, 0 to 1439
  std::chrono::minutes length{};

  friend bool operator==(const WeeklyTime&, const WeeklyTime&) = default;
};

// From one moment until another, which is not in it.
struct FixedTime {
  Time from;
  Time until;

  friend bool operator==(const FixedTime&, const FixedTime&) = default;
};

struct Window {
  WindowId id;
  std::string name;
  WindowKind kind = WindowKind::kAllow;
  WindowScope scope;
  std::variant<WeeklyTime, FixedTime> time;

  friend bool operator==(const Window&, const Window&) = default;
};

}  // namespace tallyman
