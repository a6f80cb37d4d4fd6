#include "client/retry.h"

#include <algorithm>

#include "base/reasons.h"
#include "client/http_session.h"
#include "rpc/wire_error.h"

namespace tallyman::client {

bool OutcomeIsOpen(const Error& error) {
  // A proxy answers so when its server did not.
  const bool is_of_proxy = error.reason == rpc::kHttpStatus && error.code == Code::kUnavailable;
  return error.code == Code::kUnknown || is_of_proxy || error.reason == kAnswerLost ||
         error.reason == kTimedOut || error.reason == kCommitUnknown || error.reason == kDatabaseIo;
}

std::optional<std::chrono::milliseconds> Retry::NextWait(std::chrono::milliseconds left,
                                                         std::chrono::milliseconds asked_for) {
  if (attempts_ >= options_.attempts_max) return std::nullopt;
  auto longest = options_.wait_first;
  for (int i = 1; i < attempts_ && longest < options_.wait_max; ++i) longest *= 2;
  longest = std::min(longest, options_.wait_max);
  const auto half = static_cast<uint64_t>(longest.count() / 2);
  auto wait = std::chrono::milliseconds(half + random_.Next() % (half + 1));
  wait = std::max(std::min(wait, left / 2), asked_for);
  if (wait >= left || left < options_.wait_first) return std::nullopt;
  ++attempts_;
  return wait;
}

}  // namespace tallyman::client
