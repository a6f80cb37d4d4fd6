// Numbers and amounts as people type them: on the command line, in CSV files and in fleet files.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tallyman::cli {

// A whole number without a sign. INVALID_ARGUMENT, reason INVALID_NUMBER, names `field` and the
// value and says what is wrong with it: empty, negative, a fraction, no number, beyond 2^63-1.
Result<int64_t> ParseCount(std::string_view field, std::string_view text);

// The same, 1 to `max`.
Result<int64_t> ParsePositive(std::string_view field, std::string_view text,
                              int64_t max = INT64_MAX);

// A count followed by a unit: "32GB", "256 GiB", "1500000"; units B, kB, MB, GB, TB, PB (powers of
// 1000) and KiB, MiB, GiB, TiB, PiB (powers of 1024), upper or lower case alike; none means bytes,
// which are then 0 or at least a million: "16" is a forgotten unit. INVALID_ARGUMENT, reason
// INVALID_AMOUNT, as above.
Result<int64_t> ParseAmount(std::string_view field, std::string_view text);

// count * unit_bytes; INVALID_ARGUMENT, reason INVALID_AMOUNT, when that is beyond 2^63-1.
Result<int64_t> ScaleAmount(std::string_view field, int64_t count, int64_t unit_bytes);

// "key=value"; the value may be empty and may contain '='. INVALID_ARGUMENT, reason
// INVALID_KEY_VALUE.
Result<std::pair<std::string, std::string>> ParseKeyValue(std::string_view field,
                                                          std::string_view text);

// "45s", "90m", "12h" or "30d" in seconds. INVALID_ARGUMENT, reason INVALID_LIFETIME.
Result<int64_t> ParseLifetime(std::string_view field, std::string_view text);

}  // namespace tallyman::cli
