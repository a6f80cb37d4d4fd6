// Seeds of the simulation. TALLYMAN_SEEDS=10000 runs so many, TALLYMAN_SEED=N that one.
#include "tests/simulation/simulation.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace tallyman {
namespace {

constexpr int kSteps = 250;
constexpr uint64_t kSeeds = 20;

uint64_t Setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(Simulation, KeepsItsPromisesUnderEverySeedAndReachesWhatTheyAreAbout) {
  const bool one_only = std::getenv("TALLYMAN_SEED") != nullptr;
  const uint64_t first = Setting("TALLYMAN_SEED", 1);
  const uint64_t count = one_only ? 1 : Setting("TALLYMAN_SEEDS", kSeeds);
  Coverage coverage;
  // A change of the program changes the course of every seed: where these do not reach everything,
  // as many again may.
  auto goes_on = [&](uint64_t done) {
    return done < count || (!one_only && done < 2 * count && !coverage.IsComplete());
  };
  for (uint64_t seed = first; goes_on(seed - first); ++seed) {
    Simulation simulation(seed);
    const std::string wrong = simulation.Run(kSteps);
    ASSERT_EQ(wrong, "") << "replay with TALLYMAN_SEED=" << seed;
    coverage.Add(simulation.coverage());
  }
  for (size_t i = 0; i < EnumText<Situation>::kWords.size(); ++i) {
    const auto situation = static_cast<Situation>(i);
    RecordProperty(std::string(ToText(situation)), std::to_string(coverage.CountOf(situation)));
    EXPECT_TRUE(one_only || coverage.CountOf(situation) > 0) << ToText(situation);
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
