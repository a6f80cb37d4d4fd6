// The machine's own clock and randomness. Only main and tests make these.
#pragma once

#include "base/clock.h"
#include "base/random.h"

namespace tallyman {

class SystemClock : public Clock {
 public:
  Time Now() override;
  SteadyTime SteadyNow() override;
};

// The operating system's own generator, as OpenSSL draws from it. Ends the program should there be
// no randomness: nothing that goes on from there would be safe.
class SystemSecrets : public SecretSource {
 public:
  std::string NewHex(size_t count) override;
};

// A SeededRandom whose seed comes from the operating system.
uint64_t SystemSeed();

}  // namespace tallyman
