// Random operations through the public door, on every backend and on a model that shares no code
// with them: after each step the same answers and the same books.
//
//   TALLYMAN_STEPS=1000000  how long (a new fleet every 20,000 steps, so memory stays bounded)
//   TALLYMAN_SEED=N         which steps; a difference prints the seed and the step to come back to
//   TALLYMAN_CHECK_EVERY=N  after how many steps everything is compared, and not only what changed
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <random>

#include "tests/contract/backends.h"
#include "tests/differential/trial.h"

namespace tallyman {
namespace {

constexpr int64_t kFleetSteps = 20'000;

std::optional<uint64_t> NumberFrom(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

// All run side by side. A backend is added here and in the contract suite's list.
std::vector<BackendParameter> Backends() { return {SqliteBackend(), PostgresBackend()}; }

std::vector<std::unique_ptr<Side>> Sides(bool twice) {
  std::vector<std::unique_ptr<Side>> sides;
  for (const BackendParameter& backend : Backends()) {
    sides.push_back(std::make_unique<Side>(backend, true));
    if (twice) sides.push_back(std::make_unique<Side>(backend, false));
  }
  return sides;
}

TrialCounts RunFleets(uint64_t seed, int64_t steps, bool twice) {
  TrialCounts counts;
  auto start = std::chrono::steady_clock::now();
  for (int64_t done = 0; done < steps; done += kFleetSteps, ++seed) {
    Trial trial(seed, Sides(twice));
    auto every = static_cast<int64_t>(NumberFrom("TALLYMAN_CHECK_EVERY").value_or(1000));
    std::string difference = trial.Run(std::min(kFleetSteps, steps - done), every);
    counts.Add(trial.counts());
    auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::cout << "seed " << seed << ": " << counts.steps << " steps, "
              << static_cast<int64_t>(static_cast<double>(counts.steps) / seconds) << "/s"
              << std::endl;
    if (!difference.empty()) {
      ADD_FAILURE() << difference;
      break;
    }
  }
  std::cout << counts.ToText() << std::endl;
  return counts;
}

TEST(Differential, StoresAndModelAgreeOnFixedSeeds) {
  TrialCounts counts;
  for (uint64_t seed : {1, 2, 5}) counts.Add(RunFleets(seed, 600, false));
  // What these seeds are known to reach; a generator that only produced refusals would prove
  // nothing.
  for (const char* method :
       {"CreateHosts", "CreateImages", "CreateNodes", "DeleteNodes", "MoveNodes", "RepairDrift",
        "RestartNodes", "RetryUpgrade", "StartNodes", "StopNodes", "UpdateHost", "UpdateNode",
        "UpgradeNodes", "UpgradeNodes (plan)", "CreateNodes (plan)", "CordonHost", "UncordonHost",
        "(host reports)", "(replay)"}) {
    EXPECT_GT(counts.accepted[method], 0) << method;
  }
  for (const char* reason :
       {"CLAIM_OF_ANOTHER", "HOST_BOOKS_DRIFTED", "HOST_CAPACITY_EXCEEDED", "HOST_CORDONED",
        "HOST_FULL", "INVALID_IMAGE_CONFIG", "NODE_BEING_DELETED", "NODE_NOT_FOUND", "NO_HOST_FITS",
        "PLAN_STALE", "REQUEST_ID_REUSED", "TRANSITION_OPEN", "UPGRADE_SAME_IMAGE"}) {
    EXPECT_GT(counts.refused[reason], 0) << reason;
  }
}

TEST(Differential, StoresAndModelAgreeOnARandomSeed) {
  uint64_t seed = NumberFrom("TALLYMAN_SEED").value_or(std::random_device()());
  int64_t steps = static_cast<int64_t>(NumberFrom("TALLYMAN_STEPS").value_or(600));
  RunFleets(seed, steps, false);
}

TEST(Differential, StoresAgreeWithAndWithoutCombining) { RunFleets(100, 300, true); }

}  // namespace
}  // namespace tallyman
