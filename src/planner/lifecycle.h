// The state machine of a node's commands: what a host's reports, and its silence, do to them and to
// the node. docs/lifecycle.md says why. Pure: no SQL, no clock.
//
// What is said      open      taken     settled..failed  unknown   superseded, cancelled
//   ack             take      -         refused          -         refused
//   ok              not taken settle    refused          settle    refused
//   rollback        not taken revert    refused          revert    refused
//   failure         not taken fail      refused          fail      refused
//   busy            not taken reopen    refused          reopen    refused
//   never started   not taken revert    refused          revert    refused
//   gone            not taken absent    refused          absent    refused
//   lost sight      not taken lose      refused          lose      refused
//   deadline        -         lose      -                -         -
//   late            pass by   -         -                -         -
//   at rest         -         -         -                resolve   -
//   withdraw        cancel    too late  refused          too late  refused
//
// "absent" settles a delete and reverts all else; "resolve" settles if the node is as the command
// demanded, fails a delete that has left a part of the node, and else reverts. "pass by" cancels;
// where the node has nothing to go back to, it fails.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "model/change_set.h"
#include "model/snapshot.h"

namespace tallyman::planner {

// What is said about a command.
enum class CommandWord {
  kAck,
  kOk,
  kRollback,
  kFailure,
  kBusy,          // BLOCKING_JOB_RUNNING, SERVICE_NOT_READY
  kNeverStarted,  // NOT_SUPPORTED
  kGone,          // NODE_NOT_FOUND
  kLostSight,     // INTERNAL_ERROR, SERVICE_BROKEN
  kDeadline,      // nothing, for too long
  kLate,          // the time in which it might begin is over
  kAtRest,        // a status: nothing of the node is pending at its host
  kWithdraw,      // somebody does not want it any more
};

enum class CommandEffect {
  kNothing,
  kRefused,   // it has ended
  kNotTaken,  // no acknowledgement of it was accepted
  kTake,
  kSettle,
  kRevert,
  kFail,
  kReopen,
  kAbsent,
  kLose,
  kResolve,
  kCancel,
  kTooLate,  // its host may have begun
  kPassBy,
};

CommandEffect EffectOf(CommandWord word, CommandState state);
CommandWord WordOf(OutcomeResult result);

// Why a host's report was not accepted; empty: it was.
inline constexpr std::string_view kCommandUnknown = "COMMAND_UNKNOWN";
inline constexpr std::string_view kCommandEnded = "COMMAND_ENDED";
inline constexpr std::string_view kCommandNotTaken = "COMMAND_NOT_TAKEN";
inline constexpr std::string_view kCommandLate = "COMMAND_LATE";
inline constexpr std::string_view kAttemptOutdated = "ATTEMPT_OUTDATED";
inline constexpr std::string_view kUnknownConfig = "UNKNOWN_CONFIG";

// Why a command was not withdrawn; empty: it was.
inline constexpr std::string_view kCommandTaken = "COMMAND_TAKEN";
inline constexpr std::string_view kNotCancellable = "COMMAND_NOT_CANCELLABLE";
inline constexpr std::string_view kNothingToGoBackTo = "NOTHING_TO_GO_BACK_TO";

// An event to write about the node.
struct LifecycleEvent {
  EventKind kind = EventKind::kUpgradeSucceeded;
  CommandId command_id;  // nil: of none
  std::string result;    // in the host's word, or why it was withdrawn; empty: none
  std::string message;
  CommandKind command = CommandKind::kUpgrade;  // the kind of that command
};

// One node while a report, or time, is applied to it: a working copy. Belongs to one decision.
//
// REQUIRES: the snapshot was read with its history and outlives this.
class NodeLifecycle {
 public:
  NodeLifecycle(const NodeSnapshot& before, Time now);

  // The host asks to begin. It may if the answer is empty.
  std::string_view Ack(const CommandId& id, int64_t attempt);
  // A command ended on the host.
  std::string_view Outcome(const CommandId& id, int64_t attempt, const HostOutcome& outcome);
  // What is on the machine, and whether a command is pending there.
  std::string_view Status(const NodeReport& report);
  // The command was taken, and its deadline has passed without an outcome.
  void Expire(const CommandId& id);
  // No host took the command while it might begin (Transition::not_after): it is withdrawn. Where
  // the node has nothing to go back to, it has failed. Nothing happens while it may still begin.
  void PassBy(const CommandId& id);
  // Withdraws it whether or not it may still begin, and otherwise as PassBy(). False: it stays as
  // it is, as of Withdraw().
  bool TakeBack(const CommandId& id, std::string_view why);

  // What its host has begun goes on; where that comes to nothing because the node is busy, it does
  // not begin again (Transition::not_after).
  void BeginsNoMore(const CommandId& id);

  // Nobody wants the command any more. It is cancelled if no host has taken it, and the node goes
  // to what is on its way to it otherwise, else to what runs. A create and a delete stay, and so
  // does a command without which there would be neither. A config that is on its way has to be in
  // the snapshot; kUnknownConfig: it is not. `why` is told by its event; "": somebody asked for it.
  std::string_view Withdraw(const CommandId& id, std::string_view why = {});

  // Anything but the hold, which follows from the rest.
  bool changed() const;
  // The node afterwards, except for its hold; the writer sets version and time of the update.
  const Node& node() const { return node_; }
  Resources charged() const { return charged_; }  // zero once released
  Resources held() const;
  bool moved() const { return node_.config_id != before_.node.config_id; }
  bool released() const { return released_; }
  // The state of a command of this node; empty: it is not among those that count.
  std::optional<CommandState> StateOf(const CommandId& id) const;
  // The commands that changed, each once.
  std::vector<CommandUpdate> updates() const;
  const std::vector<LifecycleEvent>& events() const { return events_; }

 private:
  struct Entry {
    Transition command;
    bool touched = false;
    std::optional<Time> not_before = {};
    std::optional<std::string> outcome = {};
  };
  struct Said {
    CommandWord word = CommandWord::kOk;
    std::optional<ConfigId> config_id = {};
    ReportedRun run_state = ReportedRun::kNone;
    bool remains = false;  // a part of the node is still there, though nothing is in place
    std::string result = {};
    std::string message = {};
    std::chrono::microseconds retry_after{0};
  };

  Entry* Find(const CommandId& id);
  bool IsLate(const Transition& command) const;
  // The config, if it is one of this node's; else nullopt.
  std::optional<KnownConfig> Known(const ConfigId& id) const;
  void Run(const std::optional<ConfigId>& config);

  void Take(Entry& entry);
  void Settle(Entry& entry, const Said& said);
  void Revert(Entry& entry, const Said& said);
  void StartFromWhatRuns(Entry& entry);
  void Fail(Entry& entry, const Said& said);
  void Reopen(Entry& entry, const Said& said);
  void Lose(Entry& entry, const Said& said);
  void Resolve(Entry& entry, const Said& said);
  void EndOlder(const Entry& entry, const Said& said);
  void End(Entry& entry, CommandState state, const Said& said);
  void EndDelete(Entry& entry, CommandState state, const Said& said);
  void EndUnmade();
  void ShowFailed();
  void Release(bool deleted);
  void ReleaseWhereNothingIs(const NodeReport& report);
  void MoveToWhatRuns();
  void MoveTo(const ConfigId& id, const KnownConfig& config);
  // What the node was to run, or runs, if it were not for this command.
  std::optional<ConfigId> TargetWithout(const Entry& entry) const;
  bool LastCommandDecides();
  void Follow(const Said& said);

  bool IsNewest(const Entry& entry) const;
  bool LaterHasEnded(const Entry& entry) const;
  // The newest command that gave the node another config and was not withdrawn; null if it
  // succeeded, or if there is none.
  const Entry* NewestThatCounts() const;
  bool IsDeleting() const;
  std::vector<Transition> Counting() const;

  const NodeSnapshot& before_;
  const Time now_;
  Node node_;
  Resources charged_;
  std::optional<Resources> running_;
  bool released_ = false;
  std::vector<Entry> entries_;  // by seq
  std::vector<LifecycleEvent> events_;
};

}  // namespace tallyman::planner

namespace tallyman {

template <>
struct EnumText<planner::CommandWord> {
  static constexpr std::array<std::string_view, 12> kWords = {
      "ack",  "ok",         "rollback", "failure", "busy",    "never_started",
      "gone", "lost_sight", "deadline", "late",    "at_rest", "withdraw"};
};

}  // namespace tallyman
