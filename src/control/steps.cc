#include "control/steps.h"

#include <fmt/core.h>

#include <optional>
#include <utility>

#include "base/reasons.h"
#include "control/lots/decide.h"
#include "control/lots/lot.h"
#include "control/lots/replay.h"

namespace tallyman::control {
namespace {

// What a dry run finds is in its answer.
class NoLog final : public Log {
 public:
  void Write(const LogLine&) override {}
};

// Carries out a request of which nothing is known yet.
class StepsRun {
 public:
  StepsRun(Control& control, const Call& call, const PlanOptions& plan, const Steps& steps)
      : control_(control), call_(call), plan_(plan), steps_(steps) {}

  Result<std::string> Run() {
    const Status status =
        control_.store().Together([&](store::Store& within) { return Guarded(within); });
    if (!status) {
      Error error = status.error();
      // There may be no room because this request took it. (Other failures are looked up by whoever
      // called.)
      if (is_refused_ && error.code == Code::kResourceExhausted && call_.replayable) {
        const Time now = control_.clock().Now();
        if (auto before = Recall(control_.store(), call_, error, now)) return *std::move(before);
      }
      if (error.reason == kCommitUnknown) {
        error.message += fmt::format("; its request id is {}", call_.request_id);
        error = std::move(error).With("request_id", call_.request_id);
      }
      return Fail(std::move(error));
    }
    if (is_kept_) control_.change_limit().Charge(call_.actor, rows_ - 1);
    if (is_kept_ || plan_.dry_run) return std::move(answer_);
    // The same request was carried out before.
    ASSIGN_OR_RETURN(auto before, FindAnswer());
    return before ? *std::move(before) : std::move(answer_);
  }

 private:
  // A fault of this program ends one request with an error, and never the server.
  Result<bool> Guarded(store::Store& within) {
    try {
      return Body(within);
    } catch (const std::exception& e) {
      control_.log().Write({LogLevel::kError, "steps_failed", e.what(), {}});
      return Fail(FaultOfServer("STEPS_FAILED", e));
    }
  }

  Result<bool> Body(store::Store& within) {
    is_kept_ = false;
    is_refused_ = false;
    NoLog silent;
    Metrics unseen;
    const auto control = plan_.dry_run
                             ? control_.ForSteps(within, silent, unseen)
                             : control_.ForSteps(within, control_.log(), control_.metrics());
    Result<StepsAnswer> ran = steps_(*control, call_);
    is_refused_ = !ran;
    if (!ran) return Fail(std::move(ran).error());
    RETURN_IF_ERROR(CheckPlanToken(plan_.plan_token, ran->plan_token));
    rows_ = control->step_rows();
    answer_ = std::move(ran->encoded);
    if (!plan_.dry_run) RETURN_IF_ERROR(Record(within));
    return is_kept_;
  }

  // For writing, although nothing is written: what is answered has to be as durable as it was.
  Result<std::optional<std::string>> FindAnswer() {
    std::optional<std::string> answer;
    RETURN_IF_ERROR(control_.store().Write([&](store::WriteTx& tx) -> Status {
      answer.reset();
      ASSIGN_OR_RETURN(const store::Snapshot snapshot, tx.Lock({.requests = {KeyOf(call_)}}));
      const auto found = snapshot.requests.find(KeyOf(call_));
      if (found == snapshot.requests.end()) return {};
      ASSIGN_OR_RETURN(answer, AnswerFrom(found->second, call_, control_.clock().Now()));
      return {};
    }));
    return answer;
  }

  // The row of the audit trail. Where the same request was carried out before, its answer is
  // this one's, and nothing is kept of the steps.
  Status Record(store::Store& within) {
    Mutation trail{.call = call_, .locks = {.requests = {KeyOf(call_)}}};
    trail.decide = [this](const store::Snapshot&, store::ReadTx&) -> Result<Decision> {
      is_kept_ = true;
      Decision decision;
      decision.answer = answer_.value();
      return decision;
    };
    LotRunner runner(within, control_.clock(), control_.log(), control_.metrics(),
                     control_.policies(), {});
    const Mutation* const lot = &trail;
    Result<std::string> recorded = std::move(runner.Run({&lot, 1}).front());
    if (!recorded) return Fail(std::move(recorded).error());
    // Decided, and then answered from before: the last word counts.
    is_kept_ = is_kept_ && *recorded == *answer_;
    answer_ = std::move(recorded);
    return {};
  }

  Control& control_;
  const Call& call_;
  const PlanOptions& plan_;
  const Steps& steps_;
  Result<std::string> answer_ = std::string();
  int64_t rows_ = 0;
  bool is_kept_ = false;
  bool is_refused_ = false;  // by a step
};

}  // namespace

Result<std::string> RunSteps(Control& control, Call call, const PlanOptions& plan,
                             const Steps& steps) {
  RETURN_IF_ERROR(Authorize(control, call));
  RETURN_IF_ERROR(control.Begin(call));
  RETURN_IF_ERROR(control.change_limit().Take(call.actor));
  if (!plan.dry_run) RETURN_IF_ERROR(control.MayWrite());
  return StepsRun(control, call, plan, steps).Run();
}

}  // namespace tallyman::control
