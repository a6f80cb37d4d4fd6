// Time, handed in. Below main nobody asks the machine for the time, so that the whole system can
// run on a simulated clock.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace tallyman {

// Microseconds since 1970-01-01 UTC.
using Time = std::chrono::sys_time<std::chrono::microseconds>;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time Now() = 0;
};

// A clock that stands still until it is told to move. Thread-safe.
class ManualClock : public Clock {
 public:
  explicit ManualClock(Time start) : now_(start.time_since_epoch().count()) {}
  Time Now() override { return Time(std::chrono::microseconds(now_.load())); }
  void Advance(std::chrono::microseconds by) { now_ += by.count(); }

 private:
  std::atomic<int64_t> now_;
};

}  // namespace tallyman
