// The control room: everything an operation needs, handed in once by main.
//
// Owns the combiner; owns none of the others, which must outlive it. Thread-safe.
#pragma once

#include <chrono>
#include <memory>
#include <unordered_set>

#include "base/clock.h"
#include "base/id_source.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/sealer.h"
#include "control/change_limit.h"
#include "control/lots/mutation.h"
#include "control/said_once.h"
#include "planner/books_plan.h"
#include "planner/policy.h"
#include "store/store.h"

namespace tallyman::control {

class Combiner;

struct ControlOptions {
  planner::Policies policies;
  // Off: every request is a transaction of its own.
  bool combine = true;
  int64_t lot_rows_max = 1024;
  // That one request changes: its transaction keeps other writers waiting (ADR 39).
  int64_t nodes_max = 3'000;
  // Transactions at once: 1 where the database has one writer.
  int writers = 1;
  // How long a commit whose reply was lost is asked after before its callers are told so.
  std::chrono::milliseconds patience = std::chrono::seconds(30);
  // Of one token, in the long run; 0: there is no limit.
  int64_t changes_per_second = 0;
  // Null: tokens cannot be made. Must outlive the control.
  SecretSource* secrets = nullptr;
  // Without a key: secrets of nodes cannot be set.
  Sealer sealer = {};
  // It runs the steps of one request (steps.h): each at once, on the caller's thread, under that
  // request's id, and without a row of its own in the audit trail.
  bool runs_steps = false;
};

class Control {
 public:
  Control(store::Store& store, Clock& clock, Random& random, Log& log, Metrics& metrics,
          ControlOptions options = {});
  ~Control();

  store::Store& store() { return store_; }
  Clock& clock() { return clock_; }
  IdSource& ids() { return ids_; }
  Log& log() const { return log_; }
  Metrics& metrics() { return metrics_; }
  // Commands whose secrets cannot be opened.
  SaidOnce& unopened_secrets() { return unopened_secrets_; }
  SecretSource* secrets() const { return options_.secrets; }
  const Sealer& sealer() const { return options_.sealer; }
  ChangeLimit& change_limit() { return change_limit_; }
  const planner::Policies& policies() const { return options_.policies; }
  int64_t nodes_max() const { return options_.nodes_max; }

  // Gives the call of a mutation a request id when its caller sent none, and checks one that was
  // sent. REQUIRES: called once, before the call is used for anything else.
  Status Begin(Call& call);

  // What is read from here on ends with the time that the caller gave, if there is one.
  void KeepToDeadline(const std::optional<Time>& deadline, store::ReadTx& tx);

  // Until it is called without an error, Submit() refuses with it. Thread-safe.
  void RefuseWrites(std::optional<Error> reason);
  // The error of RefuseWrites().
  Status MayWrite() const;

  // What the mutation would answer, from an unlocked read: nothing is written. Blocks for the
  // database.
  Result<std::string> Plan(const Mutation& mutation);

  // Queues a mutation; `done` hears the encoded answer.
  // REQUIRES: its call went through Begin().
  void Submit(Mutation mutation, Done done);

  // One for the steps of a request, on a store within which it runs. All that is handed in outlives
  // it.
  std::unique_ptr<Control> ForSteps(store::Store& within, Log& log, Metrics& metrics);
  // Of a control of steps: how many rows were submitted to it, and whether it made an id.
  int64_t step_rows() const { return step_rows_; }
  bool HasMade(const Uuid& id) const { return made_.contains(id); }

  planner::Cause CauseOf(const Call& call) {
    return {call.request_id, call.actor.id, clock_.Now()};
  }

 private:
  Result<std::string> RunStep(Mutation mutation);

  store::Store& store_;
  Clock& clock_;
  Random& random_;
  std::unordered_set<Uuid> made_;
  IdSource ids_;
  Log& log_;
  Metrics& metrics_;
  ControlOptions options_;
  SaidOnce unopened_secrets_;
  ChangeLimit change_limit_;
  std::atomic<std::shared_ptr<const Error>> refusal_;  // null: there is none
  std::unique_ptr<Combiner> combiner_;                 // null where steps run
  int64_t step_rows_ = 0;
};

}  // namespace tallyman::control
