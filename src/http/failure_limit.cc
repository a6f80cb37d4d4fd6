#include "http/failure_limit.h"

#include "http/network.h"

namespace tallyman::http {
namespace {

constexpr std::chrono::seconds kWindow{60};

}  // namespace

std::optional<std::chrono::seconds> FailureLimit::MustWait(const std::string& address) {
  std::lock_guard lock(mutex_);
  auto found = windows_.find(NetworkOf(address));
  if (found == windows_.end()) return std::nullopt;
  Time end = found->second.begin + kWindow;
  Time now = clock_.Now();
  if (now >= end) {
    windows_.erase(found);
    return std::nullopt;
  }
  if (found->second.failures < failures_max_) return std::nullopt;
  return std::chrono::ceil<std::chrono::seconds>(end - now);
}

void FailureLimit::Failed(const std::string& address) {
  std::lock_guard lock(mutex_);
  Time now = clock_.Now();
  if (windows_.size() >= addresses_max_) {
    std::erase_if(windows_, [&](const auto& entry) { return now >= entry.second.begin + kWindow; });
    if (windows_.size() >= addresses_max_) windows_.clear();
  }
  Window& window = windows_.try_emplace(NetworkOf(address), Window{.begin = now}).first->second;
  if (now >= window.begin + kWindow) window = {.begin = now};
  ++window.failures;
}

}  // namespace tallyman::http
