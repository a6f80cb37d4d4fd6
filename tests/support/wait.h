// Waits for an effect of another thread, process or machine.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

namespace tallyman {

// Asks again and again until the condition holds. False: it did not within the time, which a test
// takes for "never" (it is far more than a busy machine needs).
inline bool WaitUntil(const std::function<bool()>& condition,
                      std::chrono::seconds at_most = std::chrono::seconds(30)) {
  const auto deadline = std::chrono::steady_clock::now() + at_most;
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace tallyman
