// Forgets the oldest part of the audit trail, a bounded piece at a time.
#include <algorithm>

#include "store/sqlite/transaction.h"

namespace tallyman::store::sqlite {
namespace {

constexpr char kDeleteRows[] =
    "DELETE FROM requests WHERE (org_id, actor_id, request_id) IN (SELECT org_id, actor_id, "
    "request_id FROM requests INDEXED BY requests_time WHERE created_at < ?1 ORDER BY created_at "
    "LIMIT ?2)";
// When the first request after the piece was made.
constexpr char kPieceEnd[] =
    "SELECT created_at FROM requests INDEXED BY requests_time "
    "WHERE created_at >= ?1 AND created_at < ?2 ORDER BY created_at LIMIT 1 OFFSET ?3";
constexpr char kEmptyAnswers[] =
    "UPDATE requests INDEXED BY requests_time SET response = x'' "
    "WHERE created_at >= ?1 AND created_at < ?2 AND response <> x''";

}  // namespace

Result<Pruned> SqliteTransaction::PruneRequests(const PruneQuery& wanted) {
  RETURN_IF_ERROR(CheckReadable());
  Pruned pruned;
  has_pruned_ = true;
  {
    SqliteQuery query = connection_.Query(kDeleteRows);
    query.Bind(wanted.rows_before, wanted.limit);
    RETURN_IF_ERROR(query.Run());
    pruned.rows = connection_.changes();
  }
  pruned.answers_until = std::max(wanted.answers_before, wanted.answers_after);
  {
    SqliteQuery query = connection_.Query(kPieceEnd);
    query.Bind(wanted.answers_after, wanted.answers_before, wanted.limit);
    ASSIGN_OR_RETURN(bool found, query.Next());
    if (found) RETURN_IF_ERROR(query.Read(pruned.answers_until));
  }
  // Requests of one moment are never split, however many there are, so every piece makes progress.
  pruned.answers_until =
      std::max(pruned.answers_until, wanted.answers_after + std::chrono::microseconds(1));
  SqliteQuery query = connection_.Query(kEmptyAnswers);
  query.Bind(wanted.answers_after, std::min(pruned.answers_until, wanted.answers_before));
  RETURN_IF_ERROR(query.Run());
  pruned.answers = connection_.changes();
  pruned.done = pruned.rows < wanted.limit && pruned.answers_until >= wanted.answers_before;
  return pruned;
}

}  // namespace tallyman::store::sqlite
