// Time, handed in. Below main nobody asks the machine for the time, so that the whole system can
// run on a simulated clock.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace tallyman {

// Microseconds since 1970-01-01 UTC.
using Time = std::chrono::sys_time<std::chrono::microseconds>;

// Time that only ever goes forward, at its own pace, whatever anybody sets the machine's clock to.
// It begins anywhere, with each boot anew: for waits, pauses and deadlines; never shown or kept.
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::microseconds>;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time Now() = 0;
  virtual SteadyTime SteadyNow() = 0;
};

// A clock that stands still until it is told to move. Thread-safe.
class ManualClock : public Clock {
 public:
  explicit ManualClock(Time start) : now_(start.time_since_epoch().count()) {}
  Time Now() override { return Time(std::chrono::microseconds(now_.load())); }
  SteadyTime SteadyNow() override { return SteadyTime(std::chrono::microseconds(steady_.load())); }
  void Advance(std::chrono::microseconds by) {
    now_ += by.count();
    steady_ += by.count();
  }
  // Somebody sets the clock, forward or back.
  void Jump(std::chrono::microseconds by) { now_ += by.count(); }

 private:
  std::atomic<int64_t> now_;
  std::atomic<int64_t> steady_ = 1'000'000;
};

}  // namespace tallyman
