#include "control/control.h"

#include <cassert>

#include "base/random.h"
#include "base/text.h"
#include "control/lots/combiner.h"
#include "control/lots/decide.h"
#include "control/read_once.h"

namespace tallyman::control {

Control::Control(store::Store& store, Clock& clock, Random& random, Log& log, Metrics& metrics,
                 ControlOptions options)
    : store_(store),
      clock_(clock),
      random_(random),
      ids_(clock, random, options.runs_steps ? &made_ : nullptr),
      log_(log),
      metrics_(metrics),
      options_(std::move(options)),
      change_limit_(clock, log, metrics, options_.changes_per_second) {
  if (options_.runs_steps) return;
  CombinerOptions combining{
      .lot_rows_max = options_.lot_rows_max,
      .lot_requests_max = options_.combine ? CombinerOptions().lot_requests_max : 1,
      .writers = options_.writers};
  combiner_ = std::make_unique<Combiner>(
      LotRunner(store, clock, log, metrics, options_.policies, options_.patience), clock,
      combining);
}

Control::~Control() = default;

Status Control::Begin(Call& call) {
  if (options_.runs_steps) return {};
  assert(!call.replayable);
  if (call.request_id.empty()) {
    call.request_id = ids_.New<CommandId>().ToString();
    return {};
  }
  call.replayable = true;
  return CheckName("request_id", call.request_id);
}

void Control::KeepToDeadline(const std::optional<Time>& deadline, store::ReadTx& tx) {
  if (!deadline) return;
  tx.LimitTime(std::chrono::ceil<std::chrono::milliseconds>(*deadline - clock_.Now()));
}

void Control::RefuseWrites(std::optional<Error> reason) {
  refusal_ = reason ? std::make_shared<const Error>(*std::move(reason)) : nullptr;
}

Status Control::MayWrite() const {
  const std::shared_ptr<const Error> refusal = refusal_;
  if (refusal) return Fail(*refusal);
  return {};
}

Result<std::string> Control::Plan(const Mutation& mutation) {
  return ReadOnce(*this, [&](store::ReadTx& tx) -> Result<std::string> {
    ASSIGN_OR_RETURN(store::Snapshot snapshot, tx.Load(mutation.locks));
    ASSIGN_OR_RETURN(Decision decision, Decide(mutation, snapshot, tx, log_));
    return std::move(decision.answer);
  });
}

void Control::Submit(Mutation mutation, Done done) {
  assert(!mutation.call.request_id.empty());
  if (options_.runs_steps) return done(RunStep(std::move(mutation)));
  if (Status status = MayWrite(); !status) return done(Fail(std::move(status).error()));
  if (mutation.call.replayable) mutation.locks.requests = {KeyOf(mutation.call)};
  combiner_->Submit(std::move(mutation), std::move(done));
}

std::unique_ptr<Control> Control::ForSteps(store::Store& within, Log& log, Metrics& metrics) {
  ControlOptions options = options_;
  options.changes_per_second = 0;  // the whole request was taken
  options.runs_steps = true;
  return std::make_unique<Control>(within, clock_, random_, log, metrics, std::move(options));
}

Result<std::string> Control::RunStep(Mutation mutation) {
  step_rows_ += mutation.rows;
  mutation.decide = [decide = std::move(mutation.decide)](const store::Snapshot& snapshot,
                                                          store::ReadTx& tx) -> Result<Decision> {
    ASSIGN_OR_RETURN(Decision decision, decide(snapshot, tx));
    decision.leaves_trail = false;
    return decision;
  };
  LotRunner runner(store_, clock_, log_, metrics_, options_.policies, options_.patience);
  const Mutation* const lot = &mutation;
  return std::move(runner.Run({&lot, 1}).front());
}

}  // namespace tallyman::control
