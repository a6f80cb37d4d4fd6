// Forgets the oldest part of the audit trail, of events, tokens and commands, a bounded piece at a
// time.
#include <algorithm>

#include "store/forget_sql.h"
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
// Events come in the order of their times, so only the first are looked at.
constexpr char kForgetEvents[] =
    "DELETE FROM events WHERE cursor IN (SELECT cursor FROM (SELECT cursor, created_at FROM events "
    "ORDER BY cursor LIMIT ?2) WHERE created_at < ?1)";
constexpr char kForgetTokens[] =
    "DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE role <> 'admin' "
    "AND coalesce(revoked_at, used_at, expires_at) < ?1 LIMIT ?2)";
constexpr char kForgetCommands[] =
    "UPDATE commands SET payload = '' WHERE rowid IN (" TALLYMAN_FORGETTABLE(
        "c.rowid", " INDEXED BY commands_kept") ") RETURNING to_config_id, ended_at";
constexpr char kForgetConfig[] = "UPDATE configs SET json = '' WHERE id = ?1";

Status ForgetCommands(SqliteConnection& connection, const ForgetQuery& wanted,
                      Forgotten& forgotten) {
  SqliteQuery query = connection.Query(kForgetCommands);
  query.Bind(*wanted.commands_before, wanted.commands_after, wanted.limit);
  std::vector<ConfigId> configs;
  while (true) {
    ASSIGN_OR_RETURN(const bool more, query.Next());
    if (!more) break;
    std::optional<ConfigId> config;
    Time ended_at;
    RETURN_IF_ERROR(query.Read(config, ended_at));
    if (config) configs.push_back(*config);
    forgotten.commands_until = std::max(forgotten.commands_until, ended_at);
    ++forgotten.commands;
  }
  for (const ConfigId& id : configs) {
    SqliteQuery forget = connection.Query(kForgetConfig);
    forget.Bind(id);
    RETURN_IF_ERROR(forget.Run());
  }
  return {};
}

}  // namespace

Result<Forgotten> SqliteTransaction::Forget(const ForgetQuery& wanted) {
  RETURN_IF_ERROR(CheckReadable());
  has_pruned_ = true;
  const auto forget = [&](const char* sql, std::optional<Time> before) -> Result<int64_t> {
    if (!before) return 0;
    SqliteQuery query = connection_.Query(sql);
    query.Bind(*before, wanted.limit);
    RETURN_IF_ERROR(query.Run());
    return connection_.changes();
  };
  Forgotten forgotten;
  ASSIGN_OR_RETURN(forgotten.events, forget(kForgetEvents, wanted.events_before));
  ASSIGN_OR_RETURN(forgotten.tokens, forget(kForgetTokens, wanted.tokens_before));
  if (wanted.commands_before) RETURN_IF_ERROR(ForgetCommands(connection_, wanted, forgotten));
  forgotten.done =
      std::max({forgotten.events, forgotten.tokens, forgotten.commands}) < wanted.limit;
  return forgotten;
}

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
