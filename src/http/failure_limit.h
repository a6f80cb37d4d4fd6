// A rate limit for wrong tokens: counts those of each address within a minute, so that a client
// that tries many is told to wait instead of what is wrong with each. A valid token is always
// accepted: many callers may share an address, and a secret of 256 bits needs no lockout against
// guessing.
//
// Thread-safe. Bounded: when too many addresses are known, those whose minute is over are
// forgotten, and if there are none, all are.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/clock.h"

namespace tallyman::http {

class FailureLimit {
 public:
  explicit FailureLimit(Clock& clock, int failures_max = 20, size_t addresses_max = 10'000)
      : clock_(clock), failures_max_(failures_max), addresses_max_(addresses_max) {}

  // How long the address has to wait; nullopt: not at all.
  std::optional<std::chrono::seconds> MustWait(const std::string& address);
  void Failed(const std::string& address);

 private:
  struct Window {
    Time begin;
    int failures = 0;
  };

  Clock& clock_;
  const int failures_max_;
  const size_t addresses_max_;
  std::mutex mutex_;
  std::unordered_map<std::string, Window> windows_;
};

}  // namespace tallyman::http
