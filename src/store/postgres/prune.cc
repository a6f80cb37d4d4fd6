// Forgets the oldest part of the audit trail, of events, tokens and commands, a bounded piece at a
// time. Rows that another server has locked are left to that server.
#include <algorithm>

#include "store/forget_sql.h"
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
// Events come in the order of their times, so only the first are looked at.
constexpr char kForgetEvents[] =
    "WITH done AS (DELETE FROM events WHERE cursor IN (SELECT cursor FROM (SELECT cursor, "
    "created_at FROM events ORDER BY cursor LIMIT $2) e WHERE created_at < $1) RETURNING 1) "
    "SELECT count(*) FROM done";
constexpr char kForgetTokens[] =
    "WITH done AS (DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE role <> 'admin' "
    "AND coalesce(revoked_at, used_at, expires_at) < $1 LIMIT $2 FOR UPDATE SKIP LOCKED) "
    "RETURNING 1) SELECT count(*) FROM done";
// For this transaction: of very many commands the oldest are wanted, which by statistics looks as
// if all were to be sorted.
constexpr char kAlongIndexes[] =
    "SELECT count(set_config(name, 'off', true)) FROM unnest('{enable_seqscan, enable_bitmapscan, "
    "enable_hashjoin, enable_mergejoin, enable_sort}'::text[]) AS name";
// Whoever lets a node have another config holds its lock.
constexpr char kForgetCommands[] =
    "WITH old AS MATERIALIZED (" TALLYMAN_FORGETTABLE("c.id", "") " FOR NO KEY UPDATE OF c, n "
    "SKIP LOCKED), done AS (UPDATE commands SET payload = '' WHERE id IN (SELECT id FROM old) "
    "RETURNING to_config_id, ended_at), emptied AS (UPDATE configs SET json = '' WHERE id IN "
    "(SELECT to_config_id FROM done) RETURNING 1) "
    "SELECT count(*), coalesce(max(ended_at), 0) FROM done";

}  // namespace

Result<Forgotten> PgTransaction::Forget(const ForgetQuery& wanted) {
  const auto forget = [&](const char* sql, std::optional<Time> before) -> Result<int64_t> {
    int64_t rows = 0;
    if (!before) return rows;
    ASSIGN_OR_RETURN(PgResult done, RunOne(sql, PgParams::Of(*before, wanted.limit)));
    RETURN_IF_ERROR(done.row(0).Read(rows));
    return rows;
  };
  Forgotten forgotten;
  ASSIGN_OR_RETURN(forgotten.events, forget(kForgetEvents, wanted.events_before));
  ASSIGN_OR_RETURN(forgotten.tokens, forget(kForgetTokens, wanted.tokens_before));
  if (wanted.commands_before) {
    PgBatch batch;
    batch.Add(kAlongIndexes);
    batch.Add(kForgetCommands,
              PgParams::Of(*wanted.commands_before, wanted.commands_after, wanted.limit));
    ASSIGN_OR_RETURN(std::vector<PgResult> results, Run(std::move(batch)));
    RETURN_IF_ERROR(results[1].row(0).Read(forgotten.commands, forgotten.commands_until));
  }
  forgotten.done =
      std::max({forgotten.events, forgotten.tokens, forgotten.commands}) < wanted.limit;
  return forgotten;
}

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
