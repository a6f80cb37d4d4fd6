#include "planner/hold.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace tallyman::planner {
namespace {

Transition Of(CommandKind kind, CommandState state, const Resources& from, const Resources& to) {
  Transition transition;
  transition.kind = kind;
  transition.state = state;
  transition.from = from;
  transition.to = to;
  return transition;
}

Resources Cores(int64_t cores) { return {cores, 10 * cores, 100 * cores}; }

// Contract, "Hold", as a table: charged 4; what runs; one transition 2 -> 8.
TEST(HoldFor, KeepsWhatTheStateOfATransitionAsksFor) {
  struct Row {
    CommandState state;
    int64_t hold;
  };
  for (const Row& row : {Row{CommandState::kOpen, 4}, Row{CommandState::kTaken, 4},
                         Row{CommandState::kUnknown, 4}, Row{CommandState::kFailed, 4},
                         Row{CommandState::kSettled, 0}, Row{CommandState::kReverted, 0},
                         Row{CommandState::kSuperseded, 0}, Row{CommandState::kCancelled, 0}}) {
    Transition transition = Of(CommandKind::kUpgrade, row.state, Cores(2), Cores(8));
    EXPECT_EQ(HoldFor(Cores(4), Cores(4), {&transition, 1}), Cores(row.hold)) << ToText(row.state);
  }
}

TEST(HoldFor, KeepsTheOriginOnlyOfAFailedTransition) {
  for (auto [state, hold] : {std::pair{CommandState::kFailed, 4},
                             {CommandState::kOpen, 0},
                             {CommandState::kTaken, 0},
                             {CommandState::kUnknown, 0}}) {
    Transition transition = Of(CommandKind::kUpdate, state, Cores(8), Cores(2));
    EXPECT_EQ(HoldFor(Cores(4), Cores(4), {&transition, 1}), Cores(hold)) << ToText(state);
  }
}

TEST(HoldFor, KeepsWhatRunsBeyondTheCharge) {
  EXPECT_EQ(HoldFor(Cores(4), Cores(9), {}), Cores(5));
  EXPECT_EQ(HoldFor(Cores(4), std::nullopt, {}), Resources{});
}

TEST(HoldFor, CountsCreateAndDeleteButNothingThatMovesNoConfig) {
  for (auto [kind, hold] : {std::pair{CommandKind::kCreate, 4},
                            {CommandKind::kDelete, 4},
                            {CommandKind::kUpdate, 4},
                            {CommandKind::kStart, 0},
                            {CommandKind::kStop, 0},
                            {CommandKind::kRestart, 0}}) {
    Transition transition = Of(kind, CommandState::kTaken, {}, Cores(8));
    EXPECT_EQ(HoldFor(Cores(4), std::nullopt, {&transition, 1}), Cores(hold)) << ToText(kind);
  }
}

TEST(HoldFor, TakesTheLargestPerDimensionNotTheSum) {
  Transition transitions[] = {
      Of(CommandKind::kUpgrade, CommandState::kTaken, {}, {8, 10, 10}),
      Of(CommandKind::kUpgrade, CommandState::kOpen, {}, {2, 30, 10}),
  };
  EXPECT_EQ(HoldFor({4, 10, 10}, Resources{6, 20, 50}, transitions), (Resources{4, 20, 40}));
}

// Law: a hold is never negative, and charge and hold together cover everything that may run.
RC_GTEST_PROP(HoldLaws, IsNeverNegativeAndCoversWhatMayRun, ()) {
  auto amount = rc::gen::inRange<int64_t>(0, INT64_MAX);
  auto any = [&] { return Resources{*amount, *amount, *amount}; };
  Resources charged = any();
  std::optional<Resources> running;
  if (*rc::gen::arbitrary<bool>()) running = any();
  std::vector<Transition> transitions;
  Resources largest = running.value_or(Resources{});
  for (int i = *rc::gen::inRange(0, 5); i > 0; --i) {
    auto state = static_cast<CommandState>(*rc::gen::inRange(0, 8));
    Transition transition = Of(CommandKind::kUpgrade, state, any(), any());
    if (state == CommandState::kOpen || state == CommandState::kTaken ||
        state == CommandState::kUnknown) {
      largest = Max(largest, transition.to);
    } else if (state == CommandState::kFailed) {
      largest = Max(largest, Max(transition.from, transition.to));
    }
    transitions.push_back(transition);
  }
  Resources hold = HoldFor(charged, running, transitions);
  RC_ASSERT(!hold.AnyNegative());
  RC_ASSERT(Add(charged, hold).value() == Max(charged, largest));
}

}  // namespace
}  // namespace tallyman::planner
