#include "control/lots/lot.h"

#include <fmt/core.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <thread>
#include <unordered_map>

#include "base/reasons.h"
#include "control/lots/decide.h"
#include "control/lots/quotas.h"
#include "control/lots/replay.h"
#include "planner/books_plan.h"
#include "store/refusals.h"

namespace tallyman::control {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace)

// Only a mutation that runs alone asks for a placement.
store::LockSet UnionOf(std::span<const Mutation* const> lot) {
  store::LockSet all;
  for (const Mutation* mutation : lot) all.Add(mutation->locks);
  return all;
}

// The answer that this request was given before, if it was.
std::optional<Result<std::string>> Replay(const Mutation& mutation, const store::Snapshot& snapshot,
                                          Time now) {
  auto found = snapshot.requests.find(KeyOf(mutation.call));
  if (found == snapshot.requests.end()) return std::nullopt;
  return AnswerFrom(found->second, mutation.call, now);
}

// Counters that may be wrong decide nothing, not even that a host is full.
bool RestsOnCounters(const Error& error) {
  return error.reason == planner::kDriftSuspected || error.reason == planner::kHostCapacityExceeded;
}

bool WantsSums(const Error& error) {
  return RestsOnCounters(error) || error.reason == store::kBooksMismatch;
}

// Trying each request alone would only wait as often for the same thing.
bool IsOfTheWholeDatabase(const Error& error) {
  constexpr std::string_view kReasons[] = {kDatabaseBusy,
                                           kDatabaseUnreachable,
                                           store::kDatabaseQueueFull,
                                           store::kDatabaseQueueTimeout,
                                           kDatabaseReadOnly,
                                           store::kDatabaseMoved,
                                           kCommitUnknown};
  return std::ranges::find(kReasons, error.reason) != std::end(kReasons);
}

// Whether the lot, or a request of it, is done already can be told by its request ids.
bool IsUnknown(const Error& error) { return error.reason == kCommitUnknown; }
bool MayBeAnswered(const Error& error) {
  return IsUnknown(error) || error.reason == store::kRequestRaced;
}

// Whether a write that failed so came to no decision about its requests. After a commit of unknown
// outcome such a failure leaves the outcome as unknown as it was.
bool SaysNothing(const Error& error) {
  switch (error.code) {
    case Code::kUnavailable:
    case Code::kResourceExhausted:
    case Code::kDeadlineExceeded:
    case Code::kInternal:
    case Code::kDataLoss:
      return true;
    default:
      return error.reason == store::kDatabaseAccessDenied ||
             error.reason == store::kDatabaseMissing;
  }
}

// What one caller of an unknown lot is told: his own request id decides.
Error Unknown(const Error& error, const Call& call) {
  Error unknown = error;
  unknown.message += fmt::format("; its request id is {}", call.request_id);
  return std::move(unknown).With("request_id", call.request_id);
}

}  // namespace

RequestKey KeyOf(const Call& call) {
  return {call.actor.org_id.value_or(OrgId{}), call.actor.id, call.request_id};
}

struct LotRunner::Attempt {
  std::span<const Mutation* const> lot;
  bool with_sums = false;
  bool with_requests = false;  // look for answers under request ids that were made here as well
  Status committed;
  std::optional<Error> unknown;  // of an earlier write, until a later one comes to a decision
  std::vector<Result<std::string>> answers;
  std::vector<Decision> decisions;
  std::vector<Drift> reported;  // already in the log
};

void LotRunner::ReportFound(const store::Snapshot& snapshot, std::vector<Drift>& reported) {
  std::vector<const NodeSnapshot*> nodes;
  for (const auto& [id, node] : snapshot.nodes) nodes.push_back(&node);
  for (const auto& [id, host] : snapshot.hosts) {
    for (const Drift& drift : planner::FindDrift(host, nodes)) {
      if (std::ranges::find(reported, drift) != reported.end()) continue;
      reported.push_back(drift);
      ++metrics_.drift_found;
      std::string subject = drift.node_id ? "node " + drift.node_name : "host " + drift.host_name;
      log_.Write({LogLevel::kError,
                  "drift_found",
                  fmt::format("{}: {} {} is stored as {}, true is {}", subject, ToText(drift.kind),
                              drift.dimension, drift.stored, drift.true_value),
                  {{"subject", subject},
                   {"kind", std::string(ToText(drift.kind))},
                   {"dimension", drift.dimension},
                   {"stored", std::to_string(drift.stored)},
                   {"true", std::to_string(drift.true_value)}}});
    }
  }
}

void LotRunner::ReportDone(const Attempt& attempt) {
  for (const Decision& decision : attempt.decisions) {
    metrics_.drift_healed += static_cast<int64_t>(decision.healed.size());
    for (const auto& [kind, count] : decision.incidents)
      metrics_.incidents[static_cast<size_t>(kind)] += count;
    for (const planner::Warning& warning : decision.warnings) {
      log_.Write(
          {LogLevel::kWarning, warning.reason, warning.message, {{"host", warning.host_name}}});
    }
  }
}

Status LotRunner::GuardedBody(Attempt& attempt, store::WriteTx& tx) {
  try {
    return Body(attempt, tx);
  } catch (const std::exception& e) {
    log_.Write({LogLevel::kError, "lot_failed", e.what(), {}});
    return Fail(FaultOfServer("LOT_FAILED", e));
  }
}

Status LotRunner::Body(Attempt& attempt, store::WriteTx& tx) {
  attempt.answers.clear();
  attempt.decisions.clear();
  store::LockSet locks = UnionOf(attempt.lot);
  locks.with_sums = locks.with_sums || attempt.with_sums;
  if (attempt.with_requests) {
    locks.requests.clear();
    for (const Mutation* mutation : attempt.lot) locks.requests.push_back(KeyOf(mutation->call));
  }
  ASSIGN_OR_RETURN(store::Snapshot snapshot, tx.Lock(locks));
  if (locks.with_sums) ReportFound(snapshot, attempt.reported);

  ChangeSet changes;
  std::unordered_map<HostId, int64_t> versions_before;
  for (const Mutation* mutation : attempt.lot) {
    if (auto before = Replay(*mutation, snapshot, clock_.Now())) {
      attempt.answers.push_back(std::move(*before));
      continue;
    }
    Result<Decision> decided = Decide(*mutation, snapshot, tx, log_);
    if (!decided) {
      if (decided.error().reason == planner::kDriftSuspected ||
          (!locks.with_sums && RestsOnCounters(decided.error()))) {
        return Fail(decided.error());
      }
      attempt.answers.push_back(Fail(std::move(decided.error())));
      continue;
    }
    Decision& decision = attempt.decisions.emplace_back(std::move(*decided));
    ASSIGN_OR_RETURN(const auto taken, TakenAfter(snapshot, decision.rows));
    for (const auto& [id, books] : taken) snapshot.limited[id].taken = books;
    for (const Host& after : decision.hosts) {
      HostSnapshot& host = snapshot.hosts[after.id];
      versions_before.try_emplace(after.id, host.host.version);
      host.host = after;
      // What was decided rests on true sums, so its outcome is what the next one's sums would be.
      if (host.sums) host.sums = HostSums{after.books, after.held};
      if (host.ledger_balance) host.ledger_balance = after.books;
    }
    const Call& call = mutation->call;
    changes.Append(std::move(decision.rows));
    if (decision.leaves_trail) {
      changes.requests.push_back({.key = KeyOf(call),
                                  .method = call.method,
                                  .address = call.address,
                                  .body_digest = call.body_digest,
                                  .response = decision.answer,
                                  .created_at = clock_.Now(),
                                  .token_id = call.actor.token_id});
    }
    attempt.answers.push_back(decision.answer);
  }
  for (const auto& [id, version] : versions_before) {
    changes.host_updates.push_back({snapshot.hosts[id].host, version});
  }
  std::ranges::sort(changes.host_updates, {},
                    [](const HostUpdate& update) { return update.after.id; });
  if (!attempt.decisions.empty()) tx.Apply(std::move(changes));
  return {};
}

// Runs the lot until it is known what became of it. The row of a request id waits for, or finds,
// whoever was first: run again, what is done already is answered as it was.
void LotRunner::RunOnce(Attempt& attempt) {
  constexpr std::chrono::milliseconds kPauses[] = {0ms,   0ms,   25ms,  50ms,
                                                   100ms, 200ms, 400ms, 500ms};
  std::chrono::milliseconds waited(0);
  for (size_t i = 0;; ++i) {
    const auto pause = kPauses[std::min(i, std::size(kPauses) - 1)];
    waited += pause;
    if (waited > patience_) break;
    if (pause.count() > 0) std::this_thread::sleep_for(pause);
    attempt.committed = store_.Write([&](store::WriteTx& tx) { return GuardedBody(attempt, tx); });
    if (attempt.committed) return attempt.unknown.reset();
    const Error& error = attempt.committed.error();
    if (IsUnknown(error)) attempt.unknown = error;
    if (WantsSums(error)) return;
    if (!MayBeAnswered(error) && !(attempt.unknown && SaysNothing(error))) {
      return attempt.unknown.reset();
    }
    attempt.with_requests = true;
  }
  if (attempt.unknown) attempt.committed = Fail(*attempt.unknown);
}

std::vector<Result<std::string>> LotRunner::Run(std::span<const Mutation* const> lot) {
  assert(std::ranges::none_of(
      lot, [](const Mutation* mutation) { return mutation->call.request_id.empty(); }));
  Attempt attempt{.lot = lot};
  // In this order: whoever sees the lot sees its requests.
  metrics_.lot_requests += static_cast<int64_t>(lot.size());
  ++metrics_.lots;
  metrics_.lot_size.Observe(static_cast<double>(lot.size()));
  RunOnce(attempt);
  if (!attempt.committed && WantsSums(attempt.committed.error())) {
    ++metrics_.second_runs;
    attempt.with_sums = true;
    RunOnce(attempt);
    if (attempt.unknown) {
      attempt.committed = Fail(*attempt.unknown);
    } else if (!attempt.committed && WantsSums(attempt.committed.error())) {
      // The second run rests on the true sums: a mismatch now is a fault of this program.
      attempt.committed = Fail(Internal(
          store::kBooksMismatch, "the books do not balance although they were just settled: " +
                                     attempt.committed.error().message));
    }
  }
  if (attempt.committed) {
    ReportDone(attempt);
    return std::move(attempt.answers);
  }
  const Error& error = attempt.committed.error();
  std::vector<Result<std::string>> answers;
  if (lot.size() == 1 || IsOfTheWholeDatabase(error)) {
    for (const Mutation* mutation : lot) {
      answers.push_back(Fail(IsUnknown(error) ? Unknown(error, mutation->call) : error));
    }
    return answers;
  }
  for (const Mutation* mutation : lot) {
    ++metrics_.single_retries;
    answers.push_back(Run({&mutation, 1}).front());
  }
  return answers;
}

}  // namespace tallyman::control
