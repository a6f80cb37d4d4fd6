#include "client/retry.h"

#include <algorithm>

namespace tallyman::client {

std::optional<std::chrono::milliseconds> Retry::NextWait(std::chrono::milliseconds left,
                                                         std::chrono::milliseconds asked_for) {
  if (attempts_ >= options_.attempts_max) return std::nullopt;
  auto longest = options_.wait_first;
  for (int i = 1; i < attempts_ && longest < options_.wait_max; ++i) longest *= 2;
  longest = std::min(longest, options_.wait_max);
  const auto half = static_cast<uint64_t>(longest.count() / 2);
  auto wait = std::chrono::milliseconds(half + random_.Next() % (half + 1));
  wait = std::max(wait, asked_for);
  if (wait >= left) return std::nullopt;
  ++attempts_;
  return wait;
}

}  // namespace tallyman::client
