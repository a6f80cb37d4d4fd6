#include "planner/lifecycle.h"

#include <gtest/gtest.h>

#include "planner/test_fleet.h"

namespace tallyman::planner {
namespace {

using enum CommandState;
using enum CommandEffect;

constexpr size_t kWords = EnumText<CommandWord>::kWords.size();
constexpr CommandState kAllStates[] = {kOpen,   kTaken,   kSettled,    kReverted,
                                       kFailed, kUnknown, kSuperseded, kCancelled};

bool HasEnded(CommandState state) { return !IsPending(state); }

// What the header's table says, said once more by rules instead of cells.
CommandEffect Expected(CommandWord word, CommandState state) {
  if (word == CommandWord::kDeadline) return state == kTaken ? kLose : kNothing;
  if (word == CommandWord::kLate) return state == kOpen ? kPassBy : kNothing;
  if (word == CommandWord::kAtRest) return state == kUnknown ? kResolve : kNothing;
  if (HasEnded(state)) return kRefused;
  if (word == CommandWord::kWithdraw) return state == kOpen ? kCancel : kTooLate;
  if (word == CommandWord::kAck) return state == kOpen ? kTake : kNothing;
  if (state == kOpen) return kNotTaken;
  switch (word) {
    case CommandWord::kOk:
      return kSettle;
    case CommandWord::kRollback:
    case CommandWord::kNeverStarted:
      return kRevert;
    case CommandWord::kFailure:
      return kFail;
    case CommandWord::kBusy:
      return kReopen;
    case CommandWord::kGone:
      return kAbsent;
    default:
      return kLose;
  }
}

TEST(EffectOf, IsWhatTheTableSaysInEveryCell) {
  for (size_t w = 0; w < kWords; ++w) {
    const auto word = static_cast<CommandWord>(w);
    for (CommandState state : kAllStates)
      EXPECT_EQ(EffectOf(word, state), Expected(word, state)) << ToText(word) << ToText(state);
  }
}

TEST(WordOf, HasOneForEveryResult) {
  EXPECT_EQ(WordOf(OutcomeResult::kOk), CommandWord::kOk);
  EXPECT_EQ(WordOf(OutcomeResult::kRollback), CommandWord::kRollback);
  EXPECT_EQ(WordOf(OutcomeResult::kFailure), CommandWord::kFailure);
  EXPECT_EQ(WordOf(OutcomeResult::kBlockingJobRunning), CommandWord::kBusy);
  EXPECT_EQ(WordOf(OutcomeResult::kServiceNotReady), CommandWord::kBusy);
  EXPECT_EQ(WordOf(OutcomeResult::kNotSupported), CommandWord::kNeverStarted);
  EXPECT_EQ(WordOf(OutcomeResult::kNodeNotFound), CommandWord::kGone);
  EXPECT_EQ(WordOf(OutcomeResult::kInternalError), CommandWord::kLostSight);
  EXPECT_EQ(WordOf(OutcomeResult::kServiceBroken), CommandWord::kLostSight);
}

// A node that runs config 1 (2 cores) and has one command from it to config 2 (5 cores), which is
// charged.
struct OneCommand {
  OneCommand(CommandKind kind, CommandState state) {
    HostSnapshot& host = fleet.AddHost();
    NodeSnapshot& made = fleet.AddNode(host, MakeImage(2, {5, 50, 500}));
    before = &made;
    made.node.running_config_id = IdOf<ConfigId>(71);
    made.running = Resources{2, 20, 200};
    made.configs[IdOf<ConfigId>(71)] = {{2, 20, 200},
                                        std::make_shared<Image>(MakeImage(1, {2, 20, 200}))};
    Transition command{.id = IdOf<CommandId>(9),
                       .kind = kind,
                       .state = state,
                       .seq = 5,
                       .from_config_id = IdOf<ConfigId>(71),
                       .to_config_id = made.node.config_id,
                       .from = {2, 20, 200},
                       .to = {5, 50, 500},
                       .attempt = 3};
    if (kind == CommandKind::kCreate) {
      command.from_config_id.reset();
      command.from = {};
      made.node.running_config_id.reset();
      made.running.reset();
    } else if (kind == CommandKind::kDelete) {
      command.from_config_id.reset();
      command.to_config_id.reset();
      command.from = {};
      command.to = {};
      made.node.next_state = NextState::kDeleting;
    }
    made.transitions = {command};
  }

  TestFleet fleet;
  NodeSnapshot* before = nullptr;
};

HostOutcome Saying(OutcomeResult result, std::optional<ConfigId> config) {
  HostOutcome outcome;
  outcome.result = result;
  outcome.config_id = config;
  return outcome;
}

// Every kind, state, word and answer to "what runs": nothing negative, a hold that covers what may
// run, and no end that is not one of the table's.
TEST(NodeLifecycle, EveryCellKeepsChargeAndHoldAboveWhatMayRun) {
  for (CommandKind kind : {CommandKind::kCreate, CommandKind::kUpgrade, CommandKind::kUpdate,
                           CommandKind::kDelete, CommandKind::kStop}) {
    for (CommandState state : {kOpen, kTaken, kUnknown, kFailed}) {
      for (int result = 0; result < 9; ++result) {
        for (int runs = 0; runs < 3; ++runs) {
          OneCommand one(kind, state);
          std::optional<ConfigId> config;
          if (runs == 1) config = IdOf<ConfigId>(71);
          if (runs == 2) config = one.before->node.config_id;
          NodeLifecycle life(*one.before, Time());
          const auto said = static_cast<OutcomeResult>(result);
          const std::string_view reason = life.Outcome(IdOf<CommandId>(9), 3, Saying(said, config));
          const std::string what = std::string(ToText(kind)) + " " + std::string(ToText(state)) +
                                   " " + std::string(ToText(said)) + " " + std::to_string(runs);
          EXPECT_EQ(reason.empty(), state == kTaken || state == kUnknown) << what;
          EXPECT_EQ(life.changed(), reason.empty()) << what;
          Resources runs_now;
          if (runs == 1) runs_now = {2, 20, 200};
          if (runs == 2) runs_now = {5, 50, 500};
          const bool is_sure = WordOf(said) != CommandWord::kLostSight && reason.empty();
          if (is_sure && !life.released()) {
            EXPECT_EQ(Max(Add(life.charged(), life.held()).value(), runs_now),
                      Add(life.charged(), life.held()).value())
                << what;
          }
          EXPECT_FALSE(life.held().AnyNegative()) << what;
          if (life.released()) {
            EXPECT_EQ(life.charged(), Resources{}) << what;
            EXPECT_EQ(life.held(), Resources{}) << what;
            EXPECT_TRUE(kind == CommandKind::kDelete || !config) << what;
          }
        }
      }
    }
  }
}

// A node that runs more than it is charged for, with an older command than the one it is charged
// for, and another newer one.
struct TwoCommands : OneCommand {
  TwoCommands(CommandKind newer, CommandState state) : OneCommand(CommandKind::kUpgrade, state) {
    before->running = kRuns;
    before->configs[IdOf<ConfigId>(71)].resources = kRuns;
    Transition& older = before->transitions.front();
    older.from_config_id = IdOf<ConfigId>(72);
    older.from = {1, 10, 100};
    older.to_config_id = IdOf<ConfigId>(73);
    older.to = {3, 30, 300};
    before->transitions.push_back({.id = IdOf<CommandId>(10),
                                   .kind = newer,
                                   .state = kTaken,
                                   .seq = 6,
                                   .from_config_id = {},
                                   .to_config_id = {},
                                   .from = {},
                                   .to = {},
                                   .attempt = 3,
                                   .taken_at = Time() + std::chrono::seconds(1)});
    if (newer != CommandKind::kUpgrade) return;
    before->transitions.back().to_config_id = before->node.config_id;
    before->transitions.back().to = {5, 50, 500};
  }
  static constexpr Resources kRuns{9, 90, 900};
};

Resources KeptFor(const NodeLifecycle& life) { return Add(life.charged(), life.held()).value(); }

TEST(NodeLifecycle, WhatRanBeforeStaysHeldWhereAStatusSaysThatNothingIsInPlace) {
  TwoCommands two(CommandKind::kUpgrade, kUnknown);
  two.before->node.running_config_id.reset();
  two.before->running.reset();
  std::vector<Transition>& transitions = two.before->transitions;
  transitions.back().state = kUnknown;
  Transition failed = transitions.front();
  failed.id = IdOf<CommandId>(8);
  failed.state = kFailed;
  failed.seq = 4;
  failed.from = TwoCommands::kRuns;
  transitions.insert(transitions.begin(), failed);
  NodeLifecycle life(*two.before, Time());
  NodeReport report;
  report.remains = true;
  EXPECT_EQ(life.Status(report), "");
  EXPECT_EQ(life.StateOf(IdOf<CommandId>(9)), kFailed);
  EXPECT_EQ(life.StateOf(IdOf<CommandId>(10)), kFailed);
  EXPECT_EQ(KeptFor(life), TwoCommands::kRuns);
}

TEST(NodeLifecycle, WhatRanBeforeStaysHeldWhereALaterOutcomeSaysThatNothingIsInPlace) {
  TwoCommands two(CommandKind::kStop, kUnknown);
  NodeLifecycle life(*two.before, Time());
  EXPECT_EQ(life.Outcome(IdOf<CommandId>(10), 3, Saying(OutcomeResult::kOk, {})), "");
  EXPECT_EQ(life.StateOf(IdOf<CommandId>(9)), kFailed);
  EXPECT_EQ(life.StateOf(IdOf<CommandId>(10)), kSettled);
  EXPECT_EQ(life.node().node_state, NodeState::kFailed);
  EXPECT_EQ(KeptFor(life), TwoCommands::kRuns);
}

TEST(NodeLifecycle, AFailedCreateIsChargedUntilNothingOfItIsThere) {
  OneCommand one(CommandKind::kCreate, kTaken);
  NodeLifecycle life(*one.before, Time());
  HostOutcome outcome = Saying(OutcomeResult::kFailure, {});
  outcome.run_state = ReportedRun::kFailed;
  EXPECT_EQ(life.Outcome(IdOf<CommandId>(9), 3, outcome), "");
  EXPECT_FALSE(life.released());
  EXPECT_EQ(life.charged(), (Resources{5, 50, 500}));
  EXPECT_EQ(life.node().node_state, NodeState::kFailed);
  NodeReport report;
  report.remains = true;
  EXPECT_EQ(life.Status(report), "");
  EXPECT_FALSE(life.released());
  report.remains = false;
  EXPECT_EQ(life.Status(report), "");
  EXPECT_TRUE(life.released());
}

TEST(NodeLifecycle, ADeleteInDoubtHasFailedWhereAPartOfTheNodeIsStillThere) {
  for (ReportedRun run : {ReportedRun::kNone, ReportedRun::kStopped, ReportedRun::kFailed}) {
    OneCommand one(CommandKind::kDelete, kUnknown);
    NodeLifecycle life(*one.before, Time());
    NodeReport report;
    report.remains = true;
    report.run_state = run;
    for (int again = 0; again < 2; ++again) {
      EXPECT_EQ(life.Status(report), "");
      EXPECT_EQ(life.StateOf(IdOf<CommandId>(9)), kFailed);
      EXPECT_EQ(life.node().node_state, NodeState::kFailed);
      EXPECT_FALSE(life.node().next_state);
      EXPECT_FALSE(life.released());
      EXPECT_EQ(life.charged(), (Resources{5, 50, 500}));
    }
  }
}

// It may come back later, though another command has stopped it.
TEST(NodeLifecycle, WhatIsInPlaceIsKnownAlsoWhereTheHostCannotSayHowACommandEnded) {
  OneCommand one(CommandKind::kCreate, kTaken);
  NodeLifecycle life(*one.before, Time());
  const ConfigId config = one.before->node.config_id;
  EXPECT_EQ(life.Outcome(IdOf<CommandId>(9), 3, Saying(OutcomeResult::kInternalError, config)), "");
  EXPECT_EQ(life.StateOf(IdOf<CommandId>(9)), kUnknown);
  EXPECT_EQ(life.node().running_config_id, config);
}

// A start brings it back, and an upgrade may be asked for before that has happened.
TEST(NodeLifecycle, WhatADeleteHasStoppedStaysHeldWhereItFails) {
  OneCommand one(CommandKind::kDelete, kTaken);
  NodeLifecycle life(*one.before, Time());
  HostOutcome outcome = Saying(OutcomeResult::kFailure, {});
  outcome.run_state = ReportedRun::kFailed;
  EXPECT_EQ(life.Outcome(IdOf<CommandId>(9), 3, outcome), "");
  ASSERT_EQ(life.updates().size(), 1);
  EXPECT_EQ(life.updates().front().from_config_id, one.before->node.running_config_id);
}

TEST(NodeLifecycle, AnAttemptThatIsNotTheCurrentOneIsRefused) {
  OneCommand one(CommandKind::kUpgrade, kTaken);
  NodeLifecycle life(*one.before, Time());
  for (int64_t attempt : {0, 2, 4}) {
    EXPECT_EQ(life.Ack(IdOf<CommandId>(9), attempt), kAttemptOutdated);
    EXPECT_EQ(life.Outcome(IdOf<CommandId>(9), attempt, Saying(OutcomeResult::kOk, {})),
              kAttemptOutdated);
  }
  EXPECT_FALSE(life.changed());
}

TEST(NodeLifecycle, ACommandThatIsNotAmongThoseThatCountHasEnded) {
  OneCommand one(CommandKind::kUpgrade, kTaken);
  NodeLifecycle life(*one.before, Time());
  EXPECT_EQ(life.Ack(IdOf<CommandId>(1), 1), kCommandEnded);
  EXPECT_EQ(life.Outcome(IdOf<CommandId>(1), 1, Saying(OutcomeResult::kOk, {})), kCommandEnded);
  EXPECT_FALSE(life.changed());
}

TEST(NodeLifecycle, AnOutcomeOfWhatACommandOfLongAgoOvertookMovesNothing) {
  OneCommand one(CommandKind::kUpgrade, kTaken);
  one.before->ended_seq = 7;
  NodeLifecycle life(*one.before, Time());
  EXPECT_EQ(life.Outcome(IdOf<CommandId>(9), 3,
                         Saying(OutcomeResult::kRollback, one.before->node.config_id)),
            "");
  EXPECT_EQ(life.node().running_config_id, IdOf<ConfigId>(71));
}

TEST(NodeLifecycle, AStatusOfWhatIsPendingChangesNothing) {
  for (CommandState state : {kOpen, kTaken, kUnknown, kFailed}) {
    OneCommand one(CommandKind::kUpgrade, state);
    NodeLifecycle life(*one.before, Time());
    NodeReport report;
    report.pending = true;
    EXPECT_EQ(life.Status(report), "");
    report.config_id = one.before->node.config_id;
    EXPECT_EQ(life.Status(report), "");
    EXPECT_FALSE(life.changed());
  }
}

TEST(NodeLifecycle, AStatusWithAForeignConfigIsOnlyRemarked) {
  OneCommand one(CommandKind::kUpgrade, kUnknown);
  NodeLifecycle life(*one.before, Time());
  NodeReport report;
  report.config_id = IdOf<ConfigId>(99);
  EXPECT_EQ(life.Status(report), kUnknownConfig);
  EXPECT_FALSE(life.changed());
}

TEST(NodeLifecycle, OnlyATakenCommandExpires) {
  for (CommandState state : {kOpen, kTaken, kUnknown, kFailed}) {
    OneCommand one(CommandKind::kUpgrade, state);
    NodeLifecycle life(*one.before, Time());
    life.Expire(IdOf<CommandId>(9));
    EXPECT_EQ(life.changed(), state == kTaken);
    EXPECT_EQ(life.StateOf(IdOf<CommandId>(9)), state == kTaken ? kUnknown : state);
  }
}

TEST(NodeLifecycle, AReopenedCommandWaitsAndHasANewAttempt) {
  OneCommand one(CommandKind::kUpgrade, kTaken);
  NodeLifecycle life(*one.before, Time());
  HostOutcome busy = Saying(OutcomeResult::kServiceNotReady, IdOf<ConfigId>(71));
  busy.retry_after = std::chrono::seconds(7);
  EXPECT_EQ(life.Outcome(IdOf<CommandId>(9), 3, busy), "");
  ASSERT_EQ(life.updates().size(), 1u);
  EXPECT_EQ(life.updates()[0].state, kOpen);
  EXPECT_EQ(life.updates()[0].attempt, 4);
  EXPECT_EQ(life.updates()[0].not_before, Time() + std::chrono::seconds(7));
  EXPECT_FALSE(life.updates()[0].ended_at);
}

}  // namespace
}  // namespace tallyman::planner
