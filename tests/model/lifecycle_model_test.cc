// The lifecycle of commands, tried in every state that one node, its host and a bad network between
// them can reach. TALLYMAN_MODEL="running 4 1" explores from a running node with at most four
// commands and one message under way at once; "create 3 2" from a create; "running 3 1 late" where
// upgrades may begin only for a while.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <sstream>

#include "tests/model/explore.h"

namespace tallyman::model {
namespace {

// Whether the later configs ask for more or for less than the first.
void ExpectKept(Bounds bounds) {
  for (bool first_is_largest : {false, true}) {
    bounds.first_is_largest = first_is_largest;
    const Explored explored = Explore(bounds);
    std::ostringstream trace;
    for (const std::string& step : explored.trace) trace << "\n  " << step;
    EXPECT_EQ(explored.broken, "") << trace.str();
    EXPECT_TRUE(explored.complete);
    std::cout << explored.states << " states\n";
  }
}

TEST(LifecycleModel, KeepsItsPromisesFromARunningNode) {
  ExpectKept({.begins_running = true, .commands = 3, .messages = 1});
}

TEST(LifecycleModel, KeepsItsPromisesFromACreate) {
  ExpectKept({.begins_running = false, .commands = 2, .messages = 1});
}

TEST(LifecycleModel, KeepsItsPromisesWithLateAndReorderedReports) {
  ExpectKept({.begins_running = true, .commands = 2, .messages = 2});
}

TEST(LifecycleModel, KeepsItsPromisesWhereUpgradesMayBeginOnlyForAWhile) {
  ExpectKept({.begins_running = true, .commands = 2, .messages = 1, .late = true});
  ExpectKept({.begins_running = false, .commands = 2, .messages = 1, .late = true});
}

TEST(LifecycleModel, KeepsItsPromisesWithinTheBoundsThatAreAskedFor) {
  const char* wanted = std::getenv("TALLYMAN_MODEL");
  if (wanted == nullptr) GTEST_SKIP() << "a long run: set TALLYMAN_MODEL, such as \"running 4 1\"";
  std::istringstream words(wanted);
  std::string beginning;
  Bounds bounds;
  ASSERT_TRUE(words >> beginning >> bounds.commands >> bounds.messages) << wanted;
  ASSERT_TRUE(beginning == "running" || beginning == "create") << wanted;
  ASSERT_LE(bounds.commands, kCommandsMax);
  ASSERT_LE(bounds.messages, kMessagesMax);
  bounds.begins_running = beginning == "running";
  std::string late;
  bounds.late = words >> late && late == "late";
  ExpectKept(bounds);
}

}  // namespace
}  // namespace tallyman::model
