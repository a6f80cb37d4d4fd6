// Time, as a dependency. Only main asks the machine for the time, so that the whole system can run
// on a simulated clock.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace tallyman {

// Microseconds since 1970-01-01 UTC.
using Time = std::chrono::sys_time<std::chrono::microseconds>;

// Monotonic time: it only moves forward and ignores changes of the machine's clock. It starts at an
// arbitrary value at each boot: use it for waits, pauses and deadlines; never show or store it.
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::microseconds>;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time Now() = 0;
  virtual SteadyTime SteadyNow() = 0;
};

// A clock that moves only when a test advances it. Thread-safe.
class ManualClock : public Clock {
 public:
  explicit ManualClock(Time start) : now_(start.time_since_epoch().count()) {}
  Time Now() override { return Time(std::chrono::microseconds(now_.load())); }
  SteadyTime SteadyNow() override { return SteadyTime(std::chrono::microseconds(steady_.load())); }
  void Advance(std::chrono::microseconds by) {
    now_ += by.count();
    steady_ += by.count();
  }
  // Sets the wall clock, forward or back, as an administrator would.
  void Jump(std::chrono::microseconds by) { now_ += by.count(); }

 private:
  std::atomic<int64_t> now_;
  std::atomic<int64_t> steady_ = 1'000'000;
};

}  // namespace tallyman
