// Which situations the runs have reached. A rule about something that never happens says nothing.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "base/enum_text.h"

namespace tallyman {

enum class Situation {
  // The world.
  kAgentKilledInStep,
  kAgentKilledInJournal,
  kAgentKilledInCall,
  kJournalFull,
  kRequestLost,
  kAnswerLost,
  kReportIgnored,
  kLateReportTaken,
  kWriteCameToNothing,
  kPowerCutInStep,
  kPowerCutWithImageLost,
  kPowerCutWithDataLost,
  kClockSetInWait,
  kOutageThatLasts,
  kDiskFullThatLasts,
  // Commands, on their host.
  kSettled,
  kRolledBack,
  kFailed,
  kBusy,
  kLaterAttempt,
  kUndoneInPart,
  kNotHealthyInTime,
  kTriedInVain,
  kGivenUpForDelete,
  kGivenUpForConfig,
  kUpgradedWhileStopped,
  kStopped,
  kStarted,
  kDeleted,
  kOutcomeToldTwice,
  // Commands, in the books.
  kUnknown,
  kSuperseded,
  kCancelled,
  kCommandForgotten,
  // Nodes between commands.
  kUnreadableMadeAgain,
  kContainerMadeAgain,
  kMended,
  kCrashTold,
  kHealthTold,
  kIncidentToldTwice,
  // Rollouts and drains.
  kHostCutOff,
  kServersMeet,
  kAgentComesBetween,
  kRolloutDone,
  kRolloutAborted,
  kPausedForFailures,
  kPausedForNoProgress,
  kPausedAfterWave,
  kPausedByHand,
  kNodeHealthy,
  kNodeFailed,
  kNodeSkipped,
  kRestartedInSoak,
  kWithdrawnByPause,
  kPassedBy,
  kReleasedAgain,
  kHostDrained,
  kHostResumed,
  kStopWithdrawn,
};

template <>
struct EnumText<Situation> {
  static constexpr std::array<std::string_view, 59> kWords = {
      "agent killed in a step",
      "agent killed while it writes its journal",
      "agent killed in a call",
      "journal full",
      "request lost",
      "answer lost",
      "report ignored",
      "late report taken",
      "write of the server came to nothing",
      "power cut in a step",
      "power cut with an image lost",
      "power cut with data lost",
      "clock set in a wait",
      "registry away for good",
      "disk full for good",
      "command settled",
      "command rolled back",
      "command failed",
      "node busy",
      "later attempt ended",
      "undone in part",
      "not healthy in time",
      "tried again in vain",
      "given up for a delete",
      "given up for another config",
      "upgraded while stopped",
      "node stopped",
      "node started",
      "node deleted",
      "outcome told twice",
      "command unknown",
      "command superseded",
      "command cancelled",
      "command forgotten",
      "unreadable node made again",
      "lost container made again",
      "failed node mended",
      "crash told",
      "change of health told",
      "incident told twice",
      "host cut off",
      "another server acts in the middle of a step",
      "agent acts in the middle of a step",
      "rollout done",
      "rollout aborted",
      "rollout paused for failures",
      "rollout paused without progress",
      "rollout paused after a wave",
      "rollout paused by somebody",
      "node of a rollout healthy",
      "node of a rollout failed",
      "node of a rollout skipped",
      "restarted in its soak",
      "upgrade withdrawn by a pause",
      "upgrade passed by",
      "released again",
      "host drained",
      "drained host resumed",
      "stop of a drain withdrawn"};
};

class Coverage {
 public:
  void Saw(Situation situation, int64_t times = 1) {
    counts_[static_cast<size_t>(situation)] += times;
  }
  int64_t CountOf(Situation situation) const { return counts_[static_cast<size_t>(situation)]; }
  bool IsComplete() const { return std::ranges::find(counts_, 0) == counts_.end(); }
  void Add(const Coverage& other) {
    for (size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  }

 private:
  std::array<int64_t, EnumText<Situation>::kWords.size()> counts_{};
};

}  // namespace tallyman
