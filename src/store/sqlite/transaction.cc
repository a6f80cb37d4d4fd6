#include "store/sqlite/transaction.h"

#include "store/proof.h"
#include "store/refusals.h"
#include "store/sql_reads_definitions.h"
#include "store/sqlite/changes.h"
#include "store/sqlite/snapshot.h"
#include "store/sqlite/sums.h"

namespace tallyman::store::sqlite {
namespace {

constexpr char kCondition[] =
    "SELECT run_state, health, problem, restarts FROM node_reports "
    "WHERE host_id = $1 AND node_id = $2";

constexpr ListDialect kLists = {
    .commands_of =
        "c.rowid IN (SELECT rowid FROM commands INDEXED BY commands_pending WHERE node_id IN {0} "
        "AND state IN ('open', 'taken', 'unknown', 'failed') UNION ALL "
        "SELECT rowid FROM commands INDEXED BY commands_ended WHERE node_id IN {0} "
        "AND state IN ('settled', 'reverted', 'superseded', 'cancelled'))",
    .request_key = "q.request_id || '/' || hex(q.org_id) || '/' || q.actor_id",
    .settled_events = "",
    .limit_is_parameter = true};
// There are no statistics to choose an index by.
#define TALLYMAN_BY_INDEX(name) " INDEXED BY " name

}  // namespace

constexpr ReadSql SqliteTransaction::kReadSql = TALLYMAN_READ_SQL(kLists, TALLYMAN_BY_INDEX);
}  // namespace tallyman::store::sqlite

namespace tallyman::store {

template class SqlReads<sqlite::SqliteTransaction>;

}  // namespace tallyman::store

namespace tallyman::store::sqlite {

Result<Snapshot> SqliteTransaction::Load(const LockSet& wanted) {
  RETURN_IF_ERROR(CheckReadable());
  return ReadSnapshot(connection_, images_, wanted);
}

void SqliteTransaction::Apply(ChangeSet changes) {
  applied_.push_back(std::move(changes));
  if (written_) written_ = WriteChanges(connection_, applied_.back());
}

Status SqliteTransaction::Finish() {
  RETURN_IF_ERROR(written_);
  return ProveBooks(connection_, HostsTouched(applied_));
}

Status SqliteTransaction::CheckReadable() const {
  if (applied_.empty()) return {};
  return Fail(ReadAfterWrite());
}

Result<SqliteQuery> SqliteTransaction::SelectList(const ListSql& list) {
  RETURN_IF_ERROR(CheckReadable());
  SqliteQuery query = connection_.QueryOnce(list.text);
  query.Bind();
  BindListParameters(list, [&](const auto& value) {
    if constexpr (requires { value.uuid; }) {
      const auto& bytes = value.uuid.bytes;
      query.BindBlobCopy({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    } else {
      BindValue(query, value);
    }
  });
  return query;
}

Result<std::vector<std::shared_ptr<const Image>>> SqliteTransaction::ReadImages(
    std::span<const ImageId> ids) {
  std::vector<std::shared_ptr<const Image>> images;
  images.reserve(ids.size());
  for (const ImageId& id : ids) {
    ASSIGN_OR_RETURN(images.emplace_back(), images_.Get(connection_, id));
  }
  return images;
}

Result<std::unordered_map<NodeId, NodeCondition>> SqliteTransaction::FindConditions(
    const std::vector<NodePlace>& nodes) {
  RETURN_IF_ERROR(CheckReadable());
  std::unordered_map<NodeId, NodeCondition> conditions;
  for (const NodePlace& node : nodes) {
    SqliteQuery query = connection_.Query(kCondition);
    query.Bind(node.host_id, node.node_id);
    ASSIGN_OR_RETURN(const bool found, query.Next());
    if (!found) continue;
    NodeCondition& condition = conditions[node.node_id];
    RETURN_IF_ERROR(
        query.Read(condition.run_state, condition.health, condition.problem, condition.restarts));
  }
  return conditions;
}

}  // namespace tallyman::store::sqlite
