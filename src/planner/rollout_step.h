// One step of a rollout: what has become of its nodes, whether a wave has passed its gate, and
// which nodes may be released next. Pure: the same facts give the same step, whoever takes it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/rollout.h"
#include "planner/rollout_node.h"

namespace tallyman::planner {

struct RolloutStep {
  Rollout after;
  std::vector<RolloutNode> decided;  // rows as they are afterwards
  // Of the waiting ones, in order, as many as the budgets allow; whether they fit is not known
  // here.
  std::vector<const RolloutNodeFacts*> release;

  bool changes(const Rollout& before) const { return !decided.empty() || !(after == before); }
};

// Why a rollout has paused by itself: Rollout::why begins with it.
inline constexpr std::string_view kPausedForFailures = "FAILURES";
inline constexpr std::string_view kPausedForNoProgress = "NO_PROGRESS";
inline constexpr std::string_view kPausedAfterWave = "AFTER_WAVE";
inline constexpr std::string_view kPausedByHand = "ASKED";

RolloutStep DecideStep(const RolloutView& view, Time now, Time silent_before);

// What people say to a rollout.
enum class RolloutWord { kPause, kResume, kAbort, kRetry, kRevert };

// kAgain: goes on with what waits again; kGoBack: has ended, and another takes it back.
enum class RolloutEffect { kNothing, kPause, kResume, kAbort, kAgain, kGoBack, kEnded, kAborting };

//            running   paused    aborting      done      aborted
//   pause    pause     -         refused       refused   refused
//   resume   -         resume    refused       refused   refused
//   abort    abort     abort     -             refused   refused
//   retry    -         -         refused       again     refused
//   revert   abort     abort     -             go back   go back
RolloutEffect EffectOf(RolloutWord word, RolloutState state);

}  // namespace tallyman::planner
