// Operations that change something, as values, and the one way to run them.
//
// An operation is a function of an authorized call and a request. It checks the request, resolves
// the names in it, and returns a Proposal: what to lock, and a decision. It writes nothing itself.
//
//   Result<Proposal<Answer>> UpgradeNodes(const Authorized& by, const UpgradeNodesRequest&
//   request);
//
// Run() does for all of them what comes before and after, in this order: authorize, begin (request
// id), take it within the rate of its caller (change_limit.h), ask the operation, then show the
// plan (dry run) or queue the mutation; and for the decision: compare the plan token, mark the
// answer as applied, encode it.
//
// What an answer has says how it is treated:
//   bool applied, void ForgetNewIds()               it can be shown by a dry run. Ids that are made
//                                                   only when a plan is applied are no part of it
//   std::string plan_token, PlanToken() const       and be applied by a token: a digest of all that
//                                                   the plan shows
//   void HideSecret()                               it is stored, and replayed, without its secret
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "control/control.h"
#include "control/shown_once.h"

namespace tallyman::control {

// Whether a change is only shown, or applied only if it is still what was shown.
struct PlanOptions {
  bool dry_run = false;
  std::string plan_token;

  bool IsShown() const { return dry_run || !plan_token.empty(); }
};

class Authorized;

template <class Answer>
struct Proposal {
  using AnswerType = Answer;

  store::LockSet locks = {};
  bool solo = false;  // as of Mutation
  int64_t rows = 1;
  PlanOptions plan = {};
  // The decision audits its hosts by itself: a plan needs no sums from the locks.
  bool audits_hosts = false;
  struct Author {
    std::string actor_id;
    TokenId token_id;
  };
  // Who it is recorded under; empty: the caller.
  std::optional<Author> author = {};
  // Nothing is to be written: this is the answer, and there is nothing to decide.
  std::optional<Answer> answer = {};
  // As of Mutation. A plan token and `applied` are none of its business.
  std::function<Result<Decided<Answer>>(const Authorized&, const store::Snapshot&, store::ReadTx&)>
      decide = {};
};

template <class Answer>
Mutation MutationOf(const Authorized& by, Call call, Proposal<Answer> proposal,
                    Encode<Answer> encode);

// A call that its actor may make. Only Authorize() gives one, so what takes one cannot be reached
// by a call that was not looked at. A view: the control and the call outlive it.
class Authorized {
 public:
  Control& control() const { return control_; }
  const Call& call() const { return call_; }
  const Actor& actor() const { return call_.actor; }
  // Stamped on every row that is written.
  planner::Cause cause() const { return control_.CauseOf(call_); }

 private:
  friend Result<Authorized> Authorize(Control& control, const Call& call);
  template <class Answer>
  friend Mutation MutationOf(const Authorized& by, Call call, Proposal<Answer> proposal,
                             Encode<Answer> encode);
  Authorized(Control& control, const Call& call) : control_(control), call_(call) {}

  Control& control_;
  const Call& call_;
};

// Errors as of MayCall().
Result<Authorized> Authorize(Control& control, const Call& call);

// ABORTED PLAN_STALE unless `token` is empty or that of the plan.
Status CheckPlanToken(const std::string& token, const std::string& now);

// What a plan shows, and what the answer says of it once it was applied.
template <class Answer>
Status Conclude(const PlanOptions& plan, Answer& answer) {
  if constexpr (requires { answer.plan_token; }) {
    if (plan.IsShown()) answer.plan_token = answer.PlanToken();
    RETURN_IF_ERROR(CheckPlanToken(plan.plan_token, answer.plan_token));
  }
  if constexpr (requires { answer.applied; }) {
    answer.applied = !plan.dry_run;
    if (plan.dry_run) answer.ForgetNewIds();
  }
  return {};
}

// The proposal without its types. `call` is that of `by`; it lives on in the mutation.
template <class Answer>
Mutation MutationOf(const Authorized& by, Call call, Proposal<Answer> proposal,
                    Encode<Answer> encode) {
  if (proposal.author) {
    call.actor.id = std::move(proposal.author->actor_id);
    call.actor.token_id = proposal.author->token_id;
  }
  // A plan shows drift that would be healed, and a plan token was made of such a plan.
  if (proposal.plan.IsShown() && !proposal.audits_hosts) proposal.locks.with_sums = true;
  return {
      .call = call,
      .locks = std::move(proposal.locks),
      .solo = proposal.solo,
      .rows = proposal.rows,
      .decide = [&control = by.control(), call = std::move(call), plan = std::move(proposal.plan),
                 decide = std::move(proposal.decide), encode = std::move(encode)](
                    const store::Snapshot& snapshot, store::ReadTx& tx) -> Result<Decision> {
        ASSIGN_OR_RETURN(Decided<Answer> decided, decide(Authorized(control, call), snapshot, tx));
        RETURN_IF_ERROR(Conclude(plan, decided.answer));
        return Decision{static_cast<Writes&&>(decided), encode(decided.answer)};
      }};
}

// Runs an operation. `done` hears its encoded answer.
template <class Operation, class Request,
          class Answer = std::invoke_result_t<const Operation&, const Authorized&,
                                              Request>::value_type::AnswerType>
void Run(Control& control, Call call, const Operation& operation, Request&& request,
         std::type_identity_t<Encode<Answer>> encode, Done done) {
  auto by = Authorize(control, call);
  if (!by) return done(Fail(by.error()));
  if (Status begun = control.Begin(call); !begun) return done(Fail(begun.error()));
  if (Status taken = control.change_limit().Take(call.actor); !taken)
    return done(Fail(taken.error()));
  Result<Proposal<Answer>> proposal = operation(*by, std::forward<Request>(request));
  if (!proposal) return done(Fail(proposal.error()));
  if (proposal->answer) return done(encode(*proposal->answer));
  if constexpr (requires(Answer answer) { answer.HideSecret(); }) {
    const ShownOnce<Answer> once(std::move(encode), std::move(done));
    encode = once.encode();
    done = once.done();
  }
  const bool dry_run = proposal->plan.dry_run;
  Mutation mutation = MutationOf(*by, std::move(call), *std::move(proposal), std::move(encode));
  if (dry_run) return done(control.Plan(mutation));
  control.change_limit().Charge(mutation.call.actor, mutation.rows - 1);
  control.Submit(std::move(mutation), std::move(done));
}

}  // namespace tallyman::control
