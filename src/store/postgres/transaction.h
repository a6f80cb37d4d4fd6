// One transaction on one connection: what Store::Read() and Store::Write() pass to the function.
//
// BEGIN travels with the first statement, so a transaction that reads once takes one round trip
// besides its end. It belongs to the thread that runs the function, and lives on its stack. The
// first failure of a statement is kept: the transaction does not commit, even if the function
// ignores it. Reading after Apply() is a programmer error and gives INTERNAL READ_AFTER_WRITE.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "store/postgres/image_cache.h"
#include "store/sql_reads.h"

namespace tallyman::store::postgres {

enum class PgAccess {
  kRead,   // one snapshot throughout
  kWrite,  // the database's default isolation: READ COMMITTED, or what its owner set
  // Of a transaction that is open, a part that only reads, and a step that can be undone by itself.
  kWithin,
  kStep,
};

class PgTransaction final : public SqlReads<PgTransaction> {
 public:
  // Owns neither; both outlive it.
  PgTransaction(PgConnection& connection, PgImageCache& images, PgAccess access)
      : connection_(connection),
        images_(images),
        access_(access),
        begun_(access == PgAccess::kWithin) {}

  void LimitTime(std::chrono::milliseconds left) override;
  Result<Snapshot> Load(const LockSet& wanted) override;
  // One round trip; a second one for images not yet cached, or for a placement.
  Result<Snapshot> Lock(const LockSet& wanted) override;
  void Apply(ChangeSet changes) override;
  Result<Pruned> PruneRequests(const PruneQuery& query) override;
  Result<Forgotten> Forget(const ForgetQuery& query) override;

  // Writes the applied changes, proves the books and commits (a step becomes part of what is open):
  // one round trip.
  Status Finish();
  bool begun() const { return begun_; }
  bool has_written() const { return !applied_.empty(); }
  // The failure after which the transaction cannot continue.
  const std::optional<PgFailure>& failure() const { return failure_; }
  // The connection was lost during the commit: its outcome is in doubt.
  bool outcome_is_unknown() const { return outcome_is_unknown_; }
  // The locked rows no longer match the search: the transaction must run again.
  bool lost_a_race() const { return lost_a_race_; }

  // Runs the batch inside the transaction. For the files of this class.
  Result<std::vector<PgResult>> Run(PgBatch batch);
  Result<PgResult> RunOne(const char* sql, PgParams params);
  // REQUIRES: something was run before.
  Status CopyIn(const std::string& sql, const PgCopyRows& rows);

  // For SqlReads.
  static const ReadSql kReadSql;
  template <class... T>
  Result<PgRows> Select(const char* sql, const T&... values) {
    if ((HasNul(values) || ...)) return PgRows();
    ASSIGN_OR_RETURN(PgResult result, RunOne(sql, PgParams::Of(values...)));
    return PgRows(std::move(result));
  }
  template <class... T>
  Result<std::array<PgRows, sizeof...(T)>> SelectTogether(const T&... asked) {
    PgBatch batch;
    (batch.Add(asked.sql,
               std::apply([](const auto&... v) { return PgParams::Of(v...); }, asked.values)),
     ...);
    ASSIGN_OR_RETURN(std::vector<PgResult> results, Run(std::move(batch)));
    std::array<PgRows, sizeof...(T)> rows;
    for (size_t i = 0; i < rows.size(); ++i) rows[i] = PgRows(std::move(results[i]));
    return rows;
  }
  // Reads by cursor return only events below which no new one can appear, from their own snapshot
  // if the transaction has read before.
  Result<PgRows> SelectList(const ListSql& list);
  Status CheckReadable() const;
  Result<std::vector<ImagePointer>> ReadImages(std::span<const ImageId> ids);

  Result<std::unordered_map<NodeId, NodeCondition>> FindConditions(
      const std::vector<NodePlace>& nodes) override;
  Result<std::vector<HostAudit>> AuditHosts(const HostId& after, int64_t limit) override;
  Result<std::optional<HostAudit>> AuditHost(const HostId& host) override;
  Result<std::vector<NodeAudit>> AuditNodes(const NodeId& after, int64_t limit) override;
  Result<std::vector<NodeAudit>> AuditNodesOf(const HostId& host) override;
  Result<std::vector<MachineAudit>> AuditMachines(const HostId& after, int64_t limit) override;
  Result<std::optional<MachineAudit>> AuditMachine(const HostId& host) override;

 private:
  // Adds the missing ones to the cache.
  Status EnsureImages(std::vector<ImageId> ids);
  Result<Snapshot> ReadSnapshot(const LockSet& wanted, bool lock);
  Status ReadQuotas(bool lock, Snapshot& snapshot);
  // Adds sums and ledgers to hosts in id order.
  Result<std::vector<HostAudit>> CompleteAudits(std::vector<HostAudit> audits);
  Result<std::vector<NodeAudit>> CheckNodes(const std::vector<NodeId>& ids);
  // Hosts with their reports, in id order; adds what is booked and what is reported on them.
  Result<std::vector<MachineAudit>> ReadMachines(const PgResult& hosts);
  void AddHorizon(PgBatch& batch);
  // REQUIRES: the deadline, if there is one, is after `now`; to the server, 0 means no limit.
  void AddLimit(PgBatch& batch, std::chrono::steady_clock::time_point now);
  // PostgreSQL's text cannot contain NUL, so no name with a NUL exists.
  template <class T>
  static bool HasNul(const T& value) {
    if constexpr (std::is_convertible_v<const T&, std::string_view>) {
      return std::string_view(value).contains('\0');
    }
    return false;
  }

  PgConnection& connection_;
  PgImageCache& images_;
  const PgAccess access_;
  bool begun_;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  bool limit_is_new_ = false;  // not yet sent to the server
  std::vector<ChangeSet> applied_;
  std::optional<PgFailure> failure_;
  bool outcome_is_unknown_ = false;
  bool lost_a_race_ = false;
};

}  // namespace tallyman::store::postgres

namespace tallyman::store {

extern template class SqlReads<postgres::PgTransaction>;

}  // namespace tallyman::store
