// The machine's clock and randomness. Only main and tests create these.
#pragma once

#include "base/clock.h"
#include "base/random.h"

namespace tallyman {

class SystemClock : public Clock {
 public:
  Time Now() override;
  SteadyTime SteadyNow() override;
};

// The operating system's generator, through OpenSSL. Ends the program if there is no randomness: to
// continue without it would be unsafe.
class SystemSecrets : public SecretSource {
 public:
  std::string NewHex(size_t count) override;
};

// A SeededRandom whose seed comes from the operating system.
uint64_t SystemSeed();

}  // namespace tallyman
