// Seeds of the simulation. TALLYMAN_SEEDS=10000 runs so many, TALLYMAN_SEED=N that one.
#include "tests/simulation/simulation.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace tallyman {
namespace {

constexpr int kSteps = 250;

uint64_t Setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(Simulation, KeepsItsPromisesUnderEverySeed) {
  const uint64_t first = Setting("TALLYMAN_SEED", 1);
  const uint64_t count = std::getenv("TALLYMAN_SEED") != nullptr ? 1 : Setting("TALLYMAN_SEEDS", 8);
  for (uint64_t seed = first; seed < first + count; ++seed) {
    Simulation simulation(seed);
    const std::string wrong = simulation.Run(kSteps);
    ASSERT_EQ(wrong, "") << "replay with TALLYMAN_SEED=" << seed;
  }
}

TEST(Simulation, IsTheSameForTheSameSeed) {
  Simulation one(77), other(77);
  EXPECT_EQ(one.Run(120), other.Run(120));
  EXPECT_EQ(one.trace(), other.trace());
  Simulation third(78);
  third.Run(120);
  EXPECT_NE(third.trace(), one.trace());
}

}  // namespace
}  // namespace tallyman
