#include "model/rollout.h"

#include <gtest/gtest.h>

#include "base/time.h"

namespace tallyman {
namespace {

Rollout Example() {
  Rollout rollout;
  rollout.name = "reth-2";
  rollout.wave = 1;
  rollout.spec = {.max_in_flight = 7,
                  .per_host = 2,
                  .soak = std::chrono::seconds(90),
                  .begin_within = std::chrono::seconds(60),
                  .healthy_within = std::chrono::seconds(600),
                  .no_progress = std::chrono::seconds(1200)};
  rollout.waves = {{.size = 1,
                    .max_failures = 0,
                    .accepted_failures = 1,
                    .pause_after = true,
                    .started_at = FromMicros(5),
                    .passed_at = FromMicros(9)},
                   {.size = 10, .max_failures = 2}};
  return rollout;
}

TEST(RolloutPlan, ComesBackFromItsStoredFormAsItWas) {
  const Rollout before = Example();
  Rollout after;
  after.name = before.name;
  after.wave = before.wave;
  ASSERT_TRUE(PlanFromJson(PlanToJson(before), after));
  EXPECT_EQ(after, before);
}

TEST(RolloutPlan, ADamagedOneIsNamed) {
  Rollout rollout = Example();
  const std::string good = PlanToJson(rollout);
  for (const std::string& text : {std::string(), std::string("{}"), std::string("[1]"),
                                  good.substr(0, good.size() - 1), std::string("{\"waves\":[]}")}) {
    const Status status = PlanFromJson(text, rollout);
    ASSERT_FALSE(status) << text;
    EXPECT_EQ(status.error().reason, "ROLLOUT_UNREADABLE");
    EXPECT_NE(status.error().message.find("reth-2"), std::string::npos);
  }
  rollout.wave = 2;
  EXPECT_FALSE(PlanFromJson(good, rollout)) << "a wave that the plan does not have";
}

}  // namespace
}  // namespace tallyman
