// Randomness, as a dependency, so that a run can be replayed from its seed.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

namespace tallyman {

// Thread-safe. Not for secrets: see SecretSource.
class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next() = 0;
};

// The source of secrets: unlike Random's numbers, these cannot be predicted from earlier ones.
// Thread-safe.
class SecretSource {
 public:
  virtual ~SecretSource() = default;
  // `count` random bytes, in hexadecimal.
  virtual std::string NewHex(size_t count) = 0;
};

// SplitMix64 (Steele, Lea, Flood 2014): the same seed gives the same numbers everywhere.
class SeededRandom : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}
  uint64_t Next() override {
    std::lock_guard lock(mutex_);
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

 private:
  std::mutex mutex_;
  uint64_t state_;
};

}  // namespace tallyman
