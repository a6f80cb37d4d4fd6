#include "main/refusal_log.h"

#include <fmt/core.h>

#include <chrono>
#include <string>
#include <utility>

namespace tallyman::app {
namespace {

constexpr std::chrono::seconds kPeriod{1};

}  // namespace

void RefusalLog::PeerRefused(http::PeerFault fault, std::string_view address) {
  int64_t count = 0;
  {
    std::lock_guard lock(mutex_);
    Row& row = rows_[static_cast<size_t>(fault)];
    ++row.count;
    const Time now = clock_.Now();
    // A clock that was set back must not silence it.
    if (row.written_at && now >= *row.written_at && now < *row.written_at + kPeriod) return;
    row.written_at = now;
    count = std::exchange(row.count, 0);
  }
  log_.Write({LogLevel::kWarning,
              "peer_refused",
              fmt::format("{}: {} since the last such line, now {}", ToText(fault), count, address),
              {{"reason", std::string(ToText(fault))},
               {"count", std::to_string(count)},
               {"address", std::string(address)}}});
}

}  // namespace tallyman::app
