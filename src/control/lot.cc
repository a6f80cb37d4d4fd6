#include "control/lot.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <map>
#include <stdexcept>
#include <thread>
#include <unordered_map>

#include "control/replay.h"
#include "planner/books_plan.h"

namespace tallyman {
namespace {

template <class T>
void Append(std::vector<T>& to, std::vector<T>&& from) {
  if (to.empty()) {
    to = std::move(from);
  } else {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
  }
}

void Append(ChangeSet& to, ChangeSet&& from) {
  Append(to.new_orgs, std::move(from.new_orgs));
  Append(to.new_regions, std::move(from.new_regions));
  Append(to.new_protocols, std::move(from.new_protocols));
  Append(to.new_versions, std::move(from.new_versions));
  Append(to.new_images, std::move(from.new_images));
  Append(to.new_hosts, std::move(from.new_hosts));
  Append(to.new_configs, std::move(from.new_configs));
  Append(to.new_nodes, std::move(from.new_nodes));
  Append(to.node_updates, std::move(from.node_updates));
  Append(to.ledger, std::move(from.ledger));
  Append(to.command_updates, std::move(from.command_updates));
  Append(to.new_commands, std::move(from.new_commands));
  Append(to.events, std::move(from.events));
  Append(to.token_updates, std::move(from.token_updates));
  Append(to.new_tokens, std::move(from.new_tokens));
  Append(to.host_reports, std::move(from.host_reports));
  Append(to.status_reports, std::move(from.status_reports));
  Append(to.node_incidents, std::move(from.node_incidents));
  Append(to.ended_claims, std::move(from.ended_claims));
  Append(to.new_claims, std::move(from.new_claims));
  Append(to.joined_hosts, std::move(from.joined_hosts));
}

LockSet UnionOf(std::span<const Mutation* const> lot) {
  LockSet all;
  for (const Mutation* mutation : lot) {
    const LockSet& locks = mutation->locks;
    all.nodes.insert(all.nodes.end(), locks.nodes.begin(), locks.nodes.end());
    all.hosts.insert(all.hosts.end(), locks.hosts.begin(), locks.hosts.end());
    all.images.insert(all.images.end(), locks.images.begin(), locks.images.end());
    all.orgs.insert(all.orgs.end(), locks.orgs.begin(), locks.orgs.end());
    all.node_names.insert(all.node_names.end(), locks.node_names.begin(), locks.node_names.end());
    all.requests.insert(all.requests.end(), locks.requests.begin(), locks.requests.end());
    all.report_hosts.insert(all.report_hosts.end(), locks.report_hosts.begin(),
                            locks.report_hosts.end());
    all.commands.insert(all.commands.end(), locks.commands.begin(), locks.commands.end());
    all.node_configs.insert(all.node_configs.end(), locks.node_configs.begin(),
                            locks.node_configs.end());
    all.with_history = all.with_history || locks.with_history;
    // Only a mutation that runs alone asks for a placement.
    if (locks.placement) all.placement = locks.placement;
    all.with_sums = all.with_sums || locks.with_sums;
  }
  return all;
}

// The answer that this request was given before, if it was.
std::optional<Result<std::string>> Replay(const Mutation& mutation, const Snapshot& snapshot,
                                          Time now) {
  auto found = snapshot.requests.find(KeyOf(mutation.call));
  if (found == snapshot.requests.end()) return std::nullopt;
  return AnswerFrom(found->second, mutation.call, now);
}

// Counters that may be wrong decide nothing, not even that a host is full.
bool RestsOnCounters(const Error& error) {
  return error.reason == kDriftSuspected || error.reason == "HOST_CAPACITY_EXCEEDED";
}

bool WantsSums(const Error& error) {
  return RestsOnCounters(error) || error.reason == "BOOKS_MISMATCH";
}

// Trying each request alone would only wait as often for the same thing.
bool IsOfTheWholeDatabase(const Error& error) {
  constexpr std::string_view kReasons[] = {"DATABASE_BUSY",       "DATABASE_UNREACHABLE",
                                           "DATABASE_QUEUE_FULL", "DATABASE_QUEUE_TIMEOUT",
                                           "DATABASE_READ_ONLY",  "COMMIT_UNKNOWN"};
  return std::ranges::find(kReasons, error.reason) != std::end(kReasons);
}

// Whether the lot, or a request of it, is done already can be told by its request ids.
bool IsUnknown(const Error& error) { return error.reason == "COMMIT_UNKNOWN"; }
bool MayBeAnswered(const Error& error) {
  return IsUnknown(error) || error.reason == "REQUEST_RACED";
}

Error FaultOfServer(std::string reason, const std::exception& e) {
  return Internal(
      std::move(reason),
      fmt::format("a fault of the server: {}; nothing was changed, its log has more", e.what()));
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
  std::vector<Result<std::string>> answers;
  std::vector<Decision> decisions;
  std::vector<Drift> reported;  // already in the log
};

void LotRunner::ReportFound(const Snapshot& snapshot, std::vector<Drift>& reported) {
  std::vector<const NodeSnapshot*> nodes;
  for (const auto& [id, node] : snapshot.nodes) nodes.push_back(&node);
  for (const auto& [id, host] : snapshot.hosts) {
    for (const Drift& drift : FindDrift(host, nodes)) {
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
    for (const Warning& warning : decision.warnings) {
      log_.Write(
          {LogLevel::kWarning, warning.reason, warning.message, {{"host", warning.host_name}}});
    }
  }
}

Result<Decision> LotRunner::Decide(const Mutation& mutation, const Snapshot& snapshot,
                                   WriteTx& tx) {
  const auto failed = [&](Error error) -> std::unexpected<Error> {
    log_.Write({LogLevel::kError,
                "decision_failed",
                mutation.call.method + ": " + error.message,
                {{"method", mutation.call.method}, {"request_id", mutation.call.request_id}}});
    return Fail(std::move(error).With("request_id", mutation.call.request_id));
  };
  try {
    return mutation.decide(snapshot, tx);
  } catch (const std::out_of_range& e) {
    return failed(DataLoss(
        "ROW_MISSING", fmt::format("a row that others refer to is missing in the database ({}): "
                                   "`tallyman audit` looks for what else is wrong",
                                   e.what())));
  } catch (const std::exception& e) {
    return failed(FaultOfServer("DECISION_FAILED", e));
  }
}

Status LotRunner::GuardedBody(Attempt& attempt, WriteTx& tx) {
  try {
    return Body(attempt, tx);
  } catch (const std::exception& e) {
    log_.Write({LogLevel::kError, "lot_failed", e.what(), {}});
    return Fail(FaultOfServer("LOT_FAILED", e));
  }
}

Status LotRunner::Body(Attempt& attempt, WriteTx& tx) {
  attempt.answers.clear();
  attempt.decisions.clear();
  LockSet locks = UnionOf(attempt.lot);
  locks.with_sums = locks.with_sums || attempt.with_sums;
  if (attempt.with_requests) {
    locks.requests.clear();
    for (const Mutation* mutation : attempt.lot) locks.requests.push_back(KeyOf(mutation->call));
  }
  ASSIGN_OR_RETURN(Snapshot snapshot, tx.Lock(locks));
  if (locks.with_sums) ReportFound(snapshot, attempt.reported);

  ChangeSet changes;
  std::unordered_map<HostId, int64_t> versions_before;
  for (const Mutation* mutation : attempt.lot) {
    if (auto before = Replay(*mutation, snapshot, clock_.Now())) {
      attempt.answers.push_back(std::move(*before));
      continue;
    }
    Result<Decision> decided = Decide(*mutation, snapshot, tx);
    if (!decided) {
      if (decided.error().reason == kDriftSuspected ||
          (!locks.with_sums && RestsOnCounters(decided.error()))) {
        return Fail(decided.error());
      }
      attempt.answers.push_back(Fail(std::move(decided.error())));
      continue;
    }
    Decision& decision = attempt.decisions.emplace_back(std::move(*decided));
    for (const Host& after : decision.hosts) {
      HostSnapshot& host = snapshot.hosts[after.id];
      versions_before.try_emplace(after.id, host.host.version);
      host.host = after;
      // What was decided rests on true sums, so its outcome is what the next one's sums would be.
      if (host.sums) host.sums = HostSums{after.books, after.held};
      if (host.ledger_balance) host.ledger_balance = after.books;
    }
    const Call& call = mutation->call;
    Append(changes, std::move(decision.changes));
    if (decision.leaves_trail) {
      changes.requests.push_back({.key = KeyOf(call),
                                  .method = call.method,
                                  .address = call.address,
                                  .body_digest = call.body_digest,
                                  .response = decision.answer,
                                  .created_at = clock_.Now()});
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

void LotRunner::RunOnce(Attempt& attempt) {
  attempt.committed = store_.Write([&](WriteTx& tx) { return GuardedBody(attempt, tx); });
  if (attempt.committed || !MayBeAnswered(attempt.committed.error())) return;
  // The row of the request id waits for, or finds, whoever was first: the same lot runs again, and
  // what is done already is answered as it was.
  attempt.with_requests = true;
  std::optional<Error> unknown;
  std::chrono::milliseconds pause(25);
  for (std::chrono::milliseconds waited(0); waited <= patience_; waited += pause, pause *= 2) {
    if (IsUnknown(attempt.committed.error())) unknown = attempt.committed.error();
    attempt.committed = store_.Write([&](WriteTx& tx) { return GuardedBody(attempt, tx); });
    if (attempt.committed) return;
    const Error& error = attempt.committed.error();
    // A database that cannot be reached says nothing of what it had done.
    const bool says_nothing = unknown && error.code == Code::kUnavailable;
    if (!MayBeAnswered(error) && !says_nothing) return;
    if (waited + pause <= patience_) std::this_thread::sleep_for(pause);
  }
  if (unknown) attempt.committed = Fail(std::move(*unknown));
}

std::vector<Result<std::string>> LotRunner::Run(std::span<const Mutation* const> lot) {
  Attempt attempt{.lot = lot, .committed = {}, .answers = {}, .decisions = {}, .reported = {}};
  // In this order: whoever sees the lot sees its requests.
  metrics_.lot_requests += static_cast<int64_t>(lot.size());
  ++metrics_.lots;
  metrics_.lot_size.Observe(static_cast<double>(lot.size()));
  RunOnce(attempt);
  if (!attempt.committed && WantsSums(attempt.committed.error())) {
    ++metrics_.second_runs;
    attempt.with_sums = true;
    RunOnce(attempt);
    if (!attempt.committed && WantsSums(attempt.committed.error())) {
      // The second run rests on the true sums: a mismatch now is a fault of this program.
      attempt.committed = Fail(
          Internal("BOOKS_MISMATCH", "the books do not balance although they were just settled: " +
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

}  // namespace tallyman
