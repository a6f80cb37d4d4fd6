// Errors that pass with time: the fact "retry_after_ms" says when the same call may succeed; on the
// wire it is the header Retry-After.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/checked.h"
#include "base/error.h"
#include "base/reasons.h"

namespace tallyman {

inline constexpr char kRetryAfterFact[] = "retry_after_ms";

inline Error RetryLater(Error error, std::chrono::milliseconds after) {
  return std::move(error).With(kRetryAfterFact, std::to_string(after.count()));
}

// nullopt: the error does not say.
inline std::optional<std::chrono::milliseconds> RetryAfterOf(const Error& error) {
  const auto after = ParseInt64(error.Fact(kRetryAfterFact));
  if (!after || *after < 0) return std::nullopt;
  return std::chrono::milliseconds(*after);
}

// Whether the same call may succeed within seconds, with nobody doing anything about it.
inline bool PassesByItself(const Error& error) {
  if (error.code != Code::kUnavailable) return RetryAfterOf(error).has_value();
  constexpr std::string_view kStay[] = {"CLOCK_SKEW", "DATABASE_CANNOT_OPEN", "DATABASE_FULL",
                                        kDatabaseIo,  "DATABASE_MOVED",       kDatabaseReadOnly,
                                        "TLS_FAILED"};
  return std::ranges::find(kStay, error.reason) == std::end(kStay);
}

}  // namespace tallyman
