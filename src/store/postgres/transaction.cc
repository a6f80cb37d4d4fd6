#include "store/postgres/transaction.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "store/look_up_sql.h"
#include "store/postgres/changes.h"
#include "store/postgres/rows.h"
#include "store/proof.h"
#include "store/refusals.h"
#include "store/sql_reads_definitions.h"

namespace tallyman::store::postgres {
namespace {

constexpr char kBeginRead[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
constexpr char kBeginWrite[] = "BEGIN";
constexpr char kBeginStep[] = "SAVEPOINT step";
constexpr char kCommit[] = "COMMIT";
constexpr char kEndStep[] = "RELEASE step";
// A row may be visible that no standby has yet: its commit stopped waiting. What is answered
// without a write ("it was revoked already", a stored answer) may rest on such a row, or on one
// that is gone, so its commit has to wait as well; a commit waits for what comes before it, if its
// own transaction left something in the log. This lock does, and keeps nobody waiting.
constexpr char kLeaveSomething[] =
    "SELECT count(*) FROM (SELECT 1 FROM tallyman_schema FOR KEY SHARE) s";
constexpr char kLimit[] = "SELECT set_config('statement_timeout', $1, true)";
constexpr std::string_view kCanceled = "57014";
// The server ends a statement at the caller's deadline, and is given time to say so; one that says
// nothing holds nobody.
constexpr std::chrono::seconds kGrace(1);
// The horizon must be older than the snapshot from which the events are read.
constexpr char kSetHorizon[] =
    "SELECT set_config('tallyman.event_horizon', tallyman_event_horizon()::text, false)";
constexpr char kConditions[] =
    "SELECT r.node_id, r.run_state, r.health, r.problem, r.restarts "
    "FROM unnest($1::uuid[], $2::uuid[]) AS w (host_id, node_id) "
    "JOIN node_reports r ON r.host_id = w.host_id AND r.node_id = w.node_id";

constexpr ListDialect kLists = {
    .commands_of =
        "c.id IN (SELECT id FROM commands WHERE node_id IN {0} "
        "AND state IN ('open', 'taken', 'unknown', 'failed') UNION ALL "
        "SELECT id FROM commands WHERE node_id IN {0} "
        "AND state IN ('settled', 'reverted', 'superseded', 'cancelled'))",
    .request_key = "(q.request_id || '/' || q.org_id::text || '/' || q.actor_id)",
    .settled_events = "e.cursor <= current_setting('tallyman.event_horizon')::bigint"};
// The statistics and the session's settings choose the index.
#define TALLYMAN_BY_INDEX(name) ""

const char* BeginOf(PgAccess access) {
  if (access == PgAccess::kRead) return kBeginRead;
  return access == PgAccess::kStep ? kBeginStep : kBeginWrite;
}

Error OverTime(const std::string& database) {
  return Error(Code::kDeadlineExceeded, "DEADLINE_EXCEEDED",
               fmt::format(
                   "database {}: the caller's deadline passed: allow more time, or ask for less",
                   database))
      .About(fmt::format("database {}", database));
}

}  // namespace

constexpr ReadSql PgTransaction::kReadSql = TALLYMAN_READ_SQL(kLists, TALLYMAN_BY_INDEX);
}  // namespace tallyman::store::postgres

namespace tallyman::store {

template class SqlReads<postgres::PgTransaction>;

}  // namespace tallyman::store

namespace tallyman::store::postgres {

void PgTransaction::LimitTime(std::chrono::milliseconds left) {
  deadline_ = std::chrono::steady_clock::now() + left;
  limit_is_new_ = true;
}

// The server ends a statement that takes longer than the time left when the limit is set.
void PgTransaction::AddLimit(PgBatch& batch, std::chrono::steady_clock::time_point now) {
  if (!std::exchange(limit_is_new_, false)) return;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - now);
  if (left.count() >= connection_.statement_timeout_ms()) return;
  batch.Add(kLimit, PgParams::Of(std::to_string(left.count())));
}

Result<std::vector<PgResult>> PgTransaction::Run(PgBatch batch) {
  RETURN_IF_ERROR(CheckReadable());
  if (failure_) return Fail(ErrorOf(*failure_, connection_.shown()));
  const auto now = std::chrono::steady_clock::now();
  if (deadline_ && now >= *deadline_) return Fail(OverTime(connection_.shown()));
  PgBatch whole;
  if (!begun_) whole.Add(BeginOf(access_));
  AddLimit(whole, now);
  const auto before = static_cast<std::ptrdiff_t>(whole.size());
  whole.Append(std::move(batch));
  auto results =
      connection_.Run(whole, deadline_ ? *deadline_ + kGrace : PgConnection::Deadline::max());
  if (!results) {
    failure_ = connection_.failure();
    if (!deadline_) return results;
    const bool is_late = std::chrono::steady_clock::now() >= *deadline_;
    if (failure_->sqlstate == kCanceled || (failure_->lost && is_late)) {
      // Nobody waits for another attempt.
      failure_->lost = false;
      return Fail(OverTime(connection_.shown()));
    }
    return results;
  }
  results->erase(results->begin(), results->begin() + before);
  begun_ = true;
  return results;
}

Result<PgResult> PgTransaction::RunOne(const char* sql, PgParams params) {
  PgBatch batch;
  batch.Add(sql, std::move(params));
  ASSIGN_OR_RETURN(std::vector<PgResult> results, Run(std::move(batch)));
  return std::move(results.front());
}

Status PgTransaction::CopyIn(const std::string& sql, const PgCopyRows& rows) {
  if (failure_) return Fail(ErrorOf(*failure_, connection_.shown()));
  Status copied = connection_.CopyIn(sql, rows);
  if (!copied) failure_ = connection_.failure();
  return copied;
}

Result<Snapshot> PgTransaction::Load(const LockSet& wanted) { return ReadSnapshot(wanted, false); }

Result<Snapshot> PgTransaction::Lock(const LockSet& wanted) { return ReadSnapshot(wanted, true); }

void PgTransaction::Apply(ChangeSet changes) { applied_.push_back(std::move(changes)); }

Status PgTransaction::Finish() {
  if (failure_) return Fail(ErrorOf(*failure_, connection_.shown()));
  if (!begun_ && !has_written()) return {};
  PgBatch batch;
  const bool is_step = access_ == PgAccess::kStep;
  if (!begun_) batch.Add(BeginOf(access_));
  PendingChanges pending(applied_);
  pending.AddTo(batch);
  if (!has_written() && !is_step) batch.Add(kLeaveSomething);
  batch.Add(is_step ? kEndStep : kCommit);
  const size_t commit = batch.size() - 1;
  auto results = connection_.Run(batch);
  begun_ = true;
  if (is_step) {
    if (results) return {};
    failure_ = connection_.failure();
    return Fail(pending.Explain(*failure_, std::move(results).error()));
  }
  // A commit that did not wait for its standby (somebody cancelled the wait) succeeds with a
  // warning: as long as nobody knows whether it outlives a failover, its outcome is not known. The
  // same holds for a transaction that wrote nothing: it may have found what an earlier one of that
  // kind wrote.
  if (results && !connection_.warned()) return {};
  if (results) {
    outcome_is_unknown_ = true;
    PgFailure failure;
    failure.message = "the server warned that the commit may not have reached its standby";
    failure_ = failure;
    return Fail(ErrorOf(failure, connection_.shown()));
  }
  failure_ = connection_.failure();
  // The server's answer to a statement before the commit is certain; if the connection is lost
  // without an answer, or at the commit, the outcome is in doubt.
  outcome_is_unknown_ = has_written() && failure_->lost &&
                        (failure_->sqlstate.empty() || failure_->statement >= commit);
  return Fail(pending.Explain(*failure_, std::move(results).error()));
}

Status PgTransaction::EnsureImages(std::vector<ImageId> ids) {
  std::vector<ImageId> missing = images_.Missing(std::move(ids));
  if (missing.empty()) return {};
  PgBatch batch;
  PgImageCache::AddTo(batch, missing);
  ASSIGN_OR_RETURN(std::vector<PgResult> results, Run(std::move(batch)));
  return images_.Take(results[0], results[1]);
}

Result<std::vector<ImagePointer>> PgTransaction::ReadImages(std::span<const ImageId> ids) {
  RETURN_IF_ERROR(EnsureImages({ids.begin(), ids.end()}));
  std::vector<ImagePointer> images;
  images.reserve(ids.size());
  for (const ImageId& id : ids) images.push_back(images_.Find(id));
  return images;
}

Status PgTransaction::CheckReadable() const {
  if (has_written()) return Fail(ReadAfterWrite());
  return {};
}

Result<PgRows> PgTransaction::SelectList(const ListSql& list) {
  PgParams params;
  BindListParameters(list, [&](const auto& value) { AppendValue(params, value); });
  PgBatch batch;
  if (list.by_cursor) AddHorizon(batch);
  batch.AddOnce(list.text, std::move(params));
  ASSIGN_OR_RETURN(std::vector<PgResult> results, Run(std::move(batch)));
  return PgRows(std::move(results.back()));
}

// Each statement of a writing transaction sees what was committed before it; a read-only
// transaction must begin after the horizon.
void PgTransaction::AddHorizon(PgBatch& batch) {
  if (access_ != PgAccess::kRead) {
    batch.Add(kSetHorizon);
    return;
  }
  if (begun_) batch.Add(kCommit);
  batch.Add(kSetHorizon);
  batch.EndImplicitTransaction();
  batch.Add(kBeginRead);
  begun_ = true;
  // A limit ends with its transaction.
  limit_is_new_ = deadline_.has_value();
  AddLimit(batch, std::chrono::steady_clock::now());
}

Result<std::unordered_map<NodeId, NodeCondition>> PgTransaction::FindConditions(
    const std::vector<NodePlace>& nodes) {
  std::unordered_map<NodeId, NodeCondition> conditions;
  if (nodes.empty()) return conditions;
  PgColumns wanted;
  for (const NodePlace& node : nodes) wanted.AddRow(node.host_id, node.node_id);
  ASSIGN_OR_RETURN(PgResult result, RunOne(kConditions, PgParams::Of(wanted)));
  for (int i = 0; i < result.rows(); ++i) {
    NodeId id;
    NodeCondition condition;
    RETURN_IF_ERROR(result.row(i).Read(id, condition.run_state, condition.health, condition.problem,
                                       condition.restarts));
    conditions[id] = std::move(condition);
  }
  return conditions;
}

}  // namespace tallyman::store::postgres
