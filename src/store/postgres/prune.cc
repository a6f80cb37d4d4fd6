// Forgets the oldest part of the audit trail, a bounded piece at a time. Rows that another server
// has locked are left to that server.
#include <algorithm>

#include "store/postgres/transaction.h"

namespace tallyman::store::postgres {
namespace {

constexpr char kDeleteRows[] =
    "WITH done AS (DELETE FROM requests WHERE (org_id, actor_id, request_id) IN (SELECT org_id, "
    "actor_id, request_id FROM requests WHERE created_at < $1 ORDER BY created_at LIMIT $2 "
    "FOR UPDATE SKIP LOCKED) RETURNING 1) SELECT count(*) FROM done";
// When the first request after the piece was made.
constexpr char kPieceEnd[] =
    "SELECT coalesce((SELECT created_at FROM requests WHERE created_at >= $1 AND created_at < $2 "
    "ORDER BY created_at LIMIT 1 OFFSET $3), greatest($1, $2))";
constexpr char kEmptyAnswers[] =
    "WITH done AS (UPDATE requests SET response = '' WHERE (org_id, actor_id, request_id) IN "
    "(SELECT org_id, actor_id, request_id FROM requests WHERE created_at >= $1 AND created_at < $2 "
    "AND response <> '' FOR UPDATE SKIP LOCKED) RETURNING 1) SELECT count(*) FROM done";

}  // namespace

Result<Pruned> PgTransaction::PruneRequests(const PruneQuery& wanted) {
  Pruned pruned;
  PgBatch batch;
  batch.Add(kDeleteRows, PgParams::Of(wanted.rows_before, wanted.limit));
  batch.Add(kPieceEnd, PgParams::Of(wanted.answers_after, wanted.answers_before, wanted.limit));
  ASSIGN_OR_RETURN(std::vector<PgResult> results, Run(std::move(batch)));
  RETURN_IF_ERROR(results[0].row(0).Read(pruned.rows));
  RETURN_IF_ERROR(results[1].row(0).Read(pruned.answers_until));
  // Requests of one moment are never split, however many there are, so every piece makes progress.
  pruned.answers_until =
      std::max(pruned.answers_until, wanted.answers_after + std::chrono::microseconds(1));
  ASSIGN_OR_RETURN(
      PgResult emptied,
      RunOne(kEmptyAnswers, PgParams::Of(wanted.answers_after,
                                         std::min(pruned.answers_until, wanted.answers_before))));
  RETURN_IF_ERROR(emptied.row(0).Read(pruned.answers));
  pruned.done = pruned.rows < wanted.limit && pruned.answers_until >= wanted.answers_before;
  return pruned;
}

}  // namespace tallyman::store::postgres
