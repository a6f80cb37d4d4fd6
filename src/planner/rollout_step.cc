#include "planner/rollout_step.h"

#include <fmt/core.h>

#include <map>
#include <utility>

namespace tallyman::planner {
namespace {

using enum RolloutNodeState;

// After a host that did not begin in time.
constexpr std::chrono::microseconds kWaitAfterLate = std::chrono::minutes(5);

// How many nodes are in a state, as the step goes on.
class Tally {
 public:
  explicit Tally(const std::vector<RolloutCount>& counts) {
    for (const RolloutCount& count : counts) {
      counts_[{count.wave, count.state}] = count.count;
      if (count.state == kFailed) failures_[count.wave] = count.count - count.unwell;
    }
  }
  void Move(const RolloutNode& before, const RolloutNode& after) {
    --counts_[{before.wave, before.state}];
    ++counts_[{after.wave, after.state}];
    if (after.state == kFailed && !after.was_unwell) ++failures_[after.wave];
  }
  // Those that say something of what the rollout brings.
  int64_t failures(int64_t wave) const {
    const auto found = failures_.find(wave);
    return found == failures_.end() ? 0 : found->second;
  }
  int64_t in(int64_t wave, RolloutNodeState state) const {
    const auto found = counts_.find({wave, state});
    return found == counts_.end() ? 0 : found->second;
  }
  // Of the waves up to this one.
  int64_t until(int64_t wave, RolloutNodeState state) const {
    int64_t sum = 0;
    for (int64_t i = 0; i <= wave; ++i) sum += in(i, state);
    return sum;
  }

 private:
  std::map<std::pair<int64_t, RolloutNodeState>, int64_t> counts_;
  std::map<int64_t, int64_t> failures_;
};

class Stepping {
 public:
  Stepping(const RolloutView& view, Time now, Time silent_before)
      : view_(view), now_(now), silent_before_(silent_before), tally_(view.counts) {
    step_.after = view.rollout;
  }

  RolloutStep Run() {
    Judge();
    const RolloutState state = view_.rollout.state;
    if (state == RolloutState::kAborting) Withdraw();
    if (state == RolloutState::kRunning) {
      for (const RolloutNodeFacts& facts : view_.regressed) Decide(facts, {kFailed, "REGRESSED"});
      if (!PauseForFailures()) PassOrRelease();
    }
    if (!step_.decided.empty()) step_.after.progress_at = now_;
    return std::move(step_);
  }

 private:
  Rollout& rollout() { return step_.after; }

  void Decide(const RolloutNodeFacts& facts, const NodeVerdict& verdict) {
    RolloutNode after = facts.row;
    after.state = verdict.state;
    after.why = verdict.why;
    if (verdict.state == kWaiting) {
      after.command_id.reset();
      after.released_at.reset();
      after.not_before = now_ + kWaitAfterLate;
    } else {
      after.decided_at = now_;
    }
    tally_.Move(facts.row, after);
    step_.decided.push_back(std::move(after));
  }

  void Judge() {
    for (const RolloutNodeFacts& facts : view_.released) {
      if (facts.row.state == kReleased) {
        if (const auto verdict = JudgeReleased(facts, rollout().spec, now_))
          Decide(facts, *verdict);
      }
      if (!IsInFlight(facts)) continue;
      ++in_flight_;
      ++on_host_[facts.row.host_id];
    }
  }

  void Withdraw() {
    for (const RolloutNodeFacts& facts : view_.waiting) Decide(facts, {kWithdrawn, ""});
    const int64_t last = std::ssize(rollout().waves) - 1;
    if (tally_.until(last, kWaiting) + tally_.until(last, kReleased) + in_flight_ > 0) return;
    rollout().state = RolloutState::kAborted;
    rollout().ended_at = now_;
  }

  void Pause(std::string_view why, const std::string& details) {
    rollout().state = RolloutState::kPaused;
    rollout().why = fmt::format("{}: {}", why, details);
  }

  bool PauseForFailures() {
    for (int64_t i = 0; i <= rollout().wave; ++i) {
      const RolloutWave& wave = rollout().waves[static_cast<size_t>(i)];
      const int64_t failed = tally_.failures(i) - wave.accepted_failures;
      if (failed <= wave.max_failures) continue;
      Pause(kPausedForFailures,
            fmt::format("{} failed in wave {}, and {} may", failed, i + 1, wave.max_failures));
      return true;
    }
    return false;
  }

  void PassOrRelease() {
    for (const RolloutNodeFacts& facts : view_.waiting)
      if (const auto verdict = JudgeWaiting(facts)) Decide(facts, *verdict);
    const int64_t at = rollout().wave;
    // Nodes of silent and drained hosts go on in later waves, if the wave has shown anything at
    // all.
    const int64_t waiting = tally_.until(at, kWaiting);
    const bool has_shown = tally_.in(at, kHealthy) > 0 || tally_.in(at, kWaiting) == 0;
    const bool is_last = at + 1 == std::ssize(rollout().waves);
    const int64_t held_up = is_last ? waiting : waiting - view_.waiting_for_hosts;
    const bool is_through = tally_.until(at, kReleased) == 0 && held_up <= 0 && has_shown;
    // By then the healthy ones have been looked at again.
    if (is_through && step_.decided.empty()) return Pass(is_last);
    // What was judged just now is progress.
    const bool is_late = now_ - rollout().progress_at > rollout().spec.no_progress;
    if (!is_late || !step_.decided.empty()) return Release();
    Pause(kPausedForNoProgress,
          fmt::format(
              "no node was released or judged for {} min; {} of the waves so far wait, {} "
              "of them for hosts that are silent or drained",
              std::chrono::duration_cast<std::chrono::minutes>(rollout().spec.no_progress).count(),
              waiting, view_.waiting_for_hosts));
  }

  void Pass(bool is_last) {
    RolloutWave& passed = rollout().waves[static_cast<size_t>(rollout().wave)];
    passed.passed_at = now_;
    rollout().progress_at = now_;
    if (is_last) {
      rollout().state = RolloutState::kDone;
      rollout().ended_at = now_;
      return;
    }
    if (passed.pause_after)
      Pause(kPausedAfterWave, fmt::format("wave {} has passed", rollout().wave + 1));
    rollout().wave += 1;
    rollout().waves[static_cast<size_t>(rollout().wave)].started_at = now_;
  }

  void Release() {
    for (const RolloutNodeFacts& facts : view_.waiting) {
      if (in_flight_ >= rollout().spec.max_in_flight) return;
      if (JudgeWaiting(facts) || !WhyNotReleased(facts, now_, silent_before_).empty()) continue;
      int64_t& on_host = on_host_[facts.row.host_id];
      if (on_host >= rollout().spec.per_host) continue;
      ++on_host;
      ++in_flight_;
      step_.release.push_back(&facts);
    }
  }

  const RolloutView& view_;
  const Time now_;
  const Time silent_before_;
  Tally tally_;
  RolloutStep step_;
  int64_t in_flight_ = 0;
  std::map<HostId, int64_t> on_host_;
};

// clang-format off: one row a word
constexpr RolloutEffect kRolloutEffects[5][EnumText<RolloutState>::kWords.size()] = {
    //           running                  paused                   aborting                  done                    aborted
    /* pause  */ {RolloutEffect::kPause,   RolloutEffect::kNothing, RolloutEffect::kAborting, RolloutEffect::kEnded,  RolloutEffect::kEnded},
    /* resume */ {RolloutEffect::kNothing, RolloutEffect::kResume,  RolloutEffect::kAborting, RolloutEffect::kEnded,  RolloutEffect::kEnded},
    /* abort  */ {RolloutEffect::kAbort,   RolloutEffect::kAbort,   RolloutEffect::kNothing,  RolloutEffect::kEnded,  RolloutEffect::kEnded},
    /* retry  */ {RolloutEffect::kNothing, RolloutEffect::kNothing, RolloutEffect::kAborting, RolloutEffect::kAgain,  RolloutEffect::kEnded},
    /* revert */ {RolloutEffect::kAbort,   RolloutEffect::kAbort,   RolloutEffect::kNothing,  RolloutEffect::kGoBack, RolloutEffect::kGoBack},
};
// clang-format on

}  // namespace

RolloutStep DecideStep(const RolloutView& view, Time now, Time silent_before) {
  return Stepping(view, now, silent_before).Run();
}

RolloutEffect EffectOf(RolloutWord word, RolloutState state) {
  return kRolloutEffects[static_cast<size_t>(word)][static_cast<size_t>(state)];
}

}  // namespace tallyman::planner
