#include "http/failure_limit.h"

#include <arpa/inet.h>

#include "base/bytes.h"

namespace tallyman {
namespace {

constexpr std::chrono::seconds kWindow{60};

}  // namespace

// The holder of one IPv6 address controls its whole /64.
std::string FailureLimit::KeyOf(const std::string& address) {
  constexpr size_t kNetworkBytes = 8;
  in6_addr parsed{};
  if (::inet_pton(AF_INET6, address.c_str(), &parsed) != 1) return address;
  return ToHex({reinterpret_cast<const char*>(&parsed), kNetworkBytes});
}

std::optional<std::chrono::seconds> FailureLimit::MustWait(const std::string& address) {
  std::lock_guard lock(mutex_);
  auto found = windows_.find(KeyOf(address));
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
  Window& window = windows_.try_emplace(KeyOf(address), Window{.begin = now}).first->second;
  if (now >= window.begin + kWindow) window = {.begin = now};
  ++window.failures;
}

}  // namespace tallyman
