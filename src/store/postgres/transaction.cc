#include "store/postgres/transaction.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "store/corrections.h"
#include "store/postgres/changes.h"
#include "store/postgres/rows.h"
#include "store/proof.h"
#include "store/refusals.h"

namespace tallyman {
namespace {

constexpr char kBeginRead[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
constexpr char kBeginWrite[] = "BEGIN";
constexpr char kCommit[] = "COMMIT";
constexpr char kLimit[] = "SELECT set_config('statement_timeout', $1, true)";
constexpr std::string_view kCanceled = "57014";
constexpr char kHostLedger[] =
    "SELECT " TALLYMAN_LEDGER_COLUMNS
    " FROM ledger l WHERE l.host_id = $1 AND l.seq > $2 ORDER BY l.seq LIMIT $3";
// A node has no index of its own here: one row fewer to write in every upgrade. Its host's entries
// lie side by side.
constexpr char kNodeLedger[] =
    "SELECT " TALLYMAN_LEDGER_COLUMNS
    " FROM ledger l WHERE l.host_id = (SELECT host_id FROM nodes WHERE id = $1) AND l.seq > $2 "
    "AND l.node_id = $1 ORDER BY l.seq LIMIT $3";
constexpr char kOrgUsage[] =
    "SELECT count(*), coalesce(sum(cpu_cores), 0)::bigint, coalesce(sum(memory_bytes), 0)::bigint, "
    "coalesce(sum(disk_bytes), 0)::bigint FROM nodes "
    "WHERE org_id = $1 AND released_at IS NULL AND deleted_at IS NULL";

Result<std::vector<LedgerEntry>> ReadLedger(const PgResult& result) {
  std::vector<LedgerEntry> entries(static_cast<size_t>(result.rows()));
  for (int i = 0; i < result.rows(); ++i) {
    LedgerEntry& entry = entries[static_cast<size_t>(i)];
    std::optional<std::string> corrections;
    RETURN_IF_ERROR(result.row(i).Read(entry, corrections));
    if (corrections && !CorrectionsFromJson(*corrections, entry.corrections)) {
      return Fail(UnreadableCorrections(entry));
    }
  }
  return entries;
}

Error OverTime(const std::string& database) {
  return Error(Code::kDeadlineExceeded, "DEADLINE_EXCEEDED",
               fmt::format("database {}: the time that the caller gave was over: give it longer, "
                           "or ask for less",
                           database))
      .About(fmt::format("database {}", database));
}

}  // namespace

void PgTransaction::LimitTime(std::chrono::milliseconds left) {
  deadline_ = std::chrono::steady_clock::now() + left;
  limit_is_new_ = true;
}

// The server ends a statement that takes longer than is left when it is told of the limit.
void PgTransaction::AddLimit(PgBatch& batch, std::chrono::steady_clock::time_point now) {
  if (!std::exchange(limit_is_new_, false)) return;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - now);
  if (left.count() >= connection_.statement_timeout_ms()) return;
  batch.Add(kLimit, PgParams::Of(std::to_string(left.count())));
}

Result<std::vector<PgResult>> PgTransaction::Run(PgBatch batch) {
  if (has_written()) return Fail(ReadAfterWrite());
  if (failure_) return Fail(ErrorOf(*failure_, connection_.shown()));
  const auto now = std::chrono::steady_clock::now();
  if (deadline_ && now >= *deadline_) return Fail(OverTime(connection_.shown()));
  PgBatch whole;
  if (!begun_) whole.Add(access_ == PgAccess::kRead ? kBeginRead : kBeginWrite);
  AddLimit(whole, now);
  const auto before = static_cast<std::ptrdiff_t>(whole.size());
  whole.Append(std::move(batch));
  auto results = connection_.Run(whole);
  if (!results) {
    failure_ = connection_.failure();
    if (deadline_ && failure_->sqlstate == kCanceled) return Fail(OverTime(connection_.shown()));
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

Result<Snapshot> PgTransaction::Load(const LockSet& wanted) { return ReadSnapshot(wanted, false); }

Result<Snapshot> PgTransaction::Lock(const LockSet& wanted) { return ReadSnapshot(wanted, true); }

void PgTransaction::Apply(ChangeSet changes) { applied_.push_back(std::move(changes)); }

Status PgTransaction::Finish() {
  if (failure_) return Fail(ErrorOf(*failure_, connection_.shown()));
  if (!begun_ && !has_written()) return {};
  PgBatch batch;
  if (!begun_) batch.Add(kBeginWrite);
  PendingChanges pending(applied_);
  pending.AddTo(batch);
  batch.Add(kCommit);
  const size_t commit = batch.size() - 1;
  auto results = connection_.Run(batch);
  // A commit that did not wait for its standby (somebody cancelled the wait) succeeds with a
  // warning: as long as nobody knows whether it outlives a failover, its outcome is not known.
  if (results && !(has_written() && connection_.warned())) return {};
  if (results) {
    outcome_is_unknown_ = true;
    PgFailure failure;
    failure.message = "the server warned that the commit may not have reached its standby";
    failure_ = failure;
    return Fail(ErrorOf(failure, connection_.shown()));
  }
  failure_ = connection_.failure();
  // What the server said of a statement before the commit is certain; a connection that is lost
  // without a word, or at the commit itself, says nothing.
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

std::string PgTransaction::ImageName(const ImageId& id) const {
  const ImagePointer image = images_.Find(id);
  return image == nullptr ? id.ToString() : image->Reference();
}

Result<std::vector<LedgerEntry>> PgTransaction::HostLedger(const HostId& host, int64_t after_seq,
                                                           int64_t limit) {
  ASSIGN_OR_RETURN(PgResult result, RunOne(kHostLedger, PgParams::Of(host, after_seq, limit)));
  return ReadLedger(result);
}

Result<std::vector<LedgerEntry>> PgTransaction::NodeLedger(const NodeId& node, int64_t after_seq,
                                                           int64_t limit) {
  ASSIGN_OR_RETURN(PgResult result, RunOne(kNodeLedger, PgParams::Of(node, after_seq, limit)));
  return ReadLedger(result);
}

Result<Books> PgTransaction::OrgUsage(const OrgId& org) {
  ASSIGN_OR_RETURN(PgResult result, RunOne(kOrgUsage, PgParams::Of(org)));
  Books usage;
  RETURN_IF_ERROR(result.row(0).Read(usage));
  return usage;
}

}  // namespace tallyman
