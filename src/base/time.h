// Times as text: RFC 3339 in UTC with microseconds, 2026-03-01T12:00:00.000000Z.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace tallyman {

std::string FormatTime(Time time);
// nullopt unless the text has exactly the form that FormatTime writes (the fraction may be absent).
std::optional<Time> ParseTime(std::string_view text);
// The same, and what people type or paste: a date, which is its beginning in UTC, "2026-03-01
// 12:00:00Z" and "2026-03-01 14:00:00+02:00" as tables show it, without a zone in UTC, and other
// numbers of digits after the point, as in JSON.
std::optional<Time> ParseTypedTime(std::string_view text);

inline int64_t ToMicros(Time time) { return time.time_since_epoch().count(); }
inline Time FromMicros(int64_t micros) { return Time(std::chrono::microseconds(micros)); }

}  // namespace tallyman
