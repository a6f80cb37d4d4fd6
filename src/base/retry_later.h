// Errors that pass with time: the fact "retry_after_ms" says when the same call may succeed; on the
// wire it is the header Retry-After.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "base/checked.h"
#include "base/error.h"

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

}  // namespace tallyman
