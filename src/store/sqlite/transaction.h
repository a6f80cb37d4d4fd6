// One transaction on one connection: what Store::Read() and Store::Write() pass to the function.
//
// Belongs to the thread that runs the function, and lives on its stack. Reading after Apply() is a
// programmer error and gives INTERNAL READ_AFTER_WRITE.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "store/look_up_sql.h"
#include "store/sql_reads.h"
#include "store/sqlite/image_cache.h"
#include "store/sqlite/rows.h"

namespace tallyman::store::sqlite {

using tallyman::sqlite::SqliteQuery;

class SqliteTransaction final : public SqlReads<SqliteTransaction> {
 public:
  // Owns neither; both outlive it.
  SqliteTransaction(SqliteConnection& connection, ImageCache& images)
      : connection_(connection), images_(images) {}
  ~SqliteTransaction() override { connection_.SetDeadline({}); }
  SqliteTransaction(const SqliteTransaction&) = delete;
  SqliteTransaction& operator=(const SqliteTransaction&) = delete;

  void LimitTime(std::chrono::milliseconds left) override {
    connection_.SetDeadline(std::chrono::steady_clock::now() + left);
  }
  Result<Snapshot> Load(const LockSet& wanted) override;
  Result<Snapshot> Lock(const LockSet& wanted) override { return Load(wanted); }
  void Apply(ChangeSet changes) override;
  // The result of the writes of Apply() and of the proof of the books.
  Status Finish();
  bool has_written() const { return !applied_.empty() || has_pruned_; }
  Result<Pruned> PruneRequests(const PruneQuery& query) override;
  Result<Forgotten> Forget(const ForgetQuery& query) override;

  // For SqlReads.
  static const ReadSql kReadSql;
  template <class... T>
  Result<SqliteQuery> Select(const char* sql, const T&... values) {
    RETURN_IF_ERROR(CheckReadable());
    SqliteQuery query = connection_.Query(sql);
    query.Bind(values...);
    return query;
  }
  template <class... T>
  Result<std::array<SqliteQuery, sizeof...(T)>> SelectTogether(const T&... asked) {
    RETURN_IF_ERROR(CheckReadable());
    std::array<SqliteQuery, sizeof...(T)> queries = {connection_.Query(asked.sql)...};
    size_t next = 0;
    (std::apply([&](const auto&... values) { queries[next++].Bind(values...); }, asked.values),
     ...);
    return queries;
  }
  Result<SqliteQuery> SelectList(const ListSql& list);
  Status CheckReadable() const;
  Result<std::vector<std::shared_ptr<const Image>>> ReadImages(std::span<const ImageId> ids);

  Result<std::unordered_map<NodeId, NodeCondition>> FindConditions(
      const std::vector<NodePlace>& nodes) override;
  Result<std::vector<HostAudit>> AuditHosts(const HostId& after, int64_t limit) override;
  Result<std::optional<HostAudit>> AuditHost(const HostId& host) override;
  Result<std::vector<NodeAudit>> AuditNodes(const NodeId& after, int64_t limit) override;
  Result<std::vector<NodeAudit>> AuditNodesOf(const HostId& host) override;
  Result<std::vector<MachineAudit>> AuditMachines(const HostId& after, int64_t limit) override;
  Result<std::optional<MachineAudit>> AuditMachine(const HostId& host) override;

 private:
  SqliteConnection& connection_;
  ImageCache& images_;
  std::vector<ChangeSet> applied_;
  Status written_;
  bool has_pruned_ = false;
};

}  // namespace tallyman::store::sqlite

namespace tallyman::store {

extern template class SqlReads<sqlite::SqliteTransaction>;

}  // namespace tallyman::store
