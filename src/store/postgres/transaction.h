// One transaction on one connection: what Store::Read() and Store::Write() hand to the function.
//
// BEGIN travels with the first statement, so a transaction that reads once is one round trip and
// its end. Belongs to the thread that runs the function, and lives on its stack. The first failure
// of a statement is kept: whatever the function makes of it, the transaction does not commit.
// Reading after Apply() is a programmer error and gives INTERNAL READ_AFTER_WRITE.
#pragma once

#include <optional>
#include <vector>

#include "store/postgres/image_cache.h"
#include "store/store.h"

namespace tallyman {

enum class PgAccess {
  kRead,   // one snapshot throughout
  kWrite,  // the database's default isolation: READ COMMITTED, or what its owner set
};

class PgTransaction final : public WriteTx {
 public:
  // Owns neither; both outlive it.
  PgTransaction(PgConnection& connection, PgImageCache& images, PgAccess access)
      : connection_(connection), images_(images), access_(access) {}

  void LimitTime(std::chrono::milliseconds left) override;
  Result<Snapshot> Load(const LockSet& wanted) override;
  // One round trip; another one where an image is met for the first time, or a placement is asked
  // for.
  Result<Snapshot> Lock(const LockSet& wanted) override;
  void Apply(ChangeSet changes) override;
  Result<Pruned> PruneRequests(const PruneQuery& query) override;

  // Writes what was applied, proves the books and commits: one round trip.
  Status Finish();
  bool has_written() const { return !applied_.empty(); }
  // The failure that the transaction cannot go on from.
  const std::optional<PgFailure>& failure() const { return failure_; }
  // The commit was under way when the connection was lost: it may have happened or not.
  bool outcome_is_unknown() const { return outcome_is_unknown_; }
  // What was locked is not what was looked for any more: the transaction is to be run again.
  bool lost_a_race() const { return lost_a_race_; }

  // Runs the batch inside the transaction. For the files of this class.
  Result<std::vector<PgResult>> Run(PgBatch batch);
  Result<PgResult> RunOne(const char* sql, PgParams params);

  Result<std::optional<Org>> FindOrg(std::string_view id_or_name) override;
  Result<std::optional<Region>> FindRegion(std::string_view id_or_name) override;
  Result<std::optional<HostRow>> FindHost(std::string_view id_or_name) override;
  Result<std::optional<Protocol>> FindProtocol(std::string_view id_or_key) override;
  Result<std::optional<ProtocolVersion>> FindVersion(const ProtocolId& protocol,
                                                     std::string_view variant,
                                                     std::string_view semantic_version) override;
  Result<std::optional<NodeRow>> FindNode(std::string_view id_or_name) override;
  Result<std::optional<NodeAndConfig>> FindNodeAndConfig(std::string_view id_or_name) override;
  Result<int64_t> NextNodeNumber(std::string_view prefix) override;
  Result<std::optional<NodeConfig>> FindConfig(const ConfigId& id) override;
  Result<std::shared_ptr<const Image>> FindImage(const ImageId& id) override;
  Result<std::vector<std::shared_ptr<const Image>>> FindBuilds(
      std::string_view protocol, std::string_view variant,
      std::string_view semantic_version) override;
  Result<std::optional<CommandRow>> FindCommand(const CommandId& id) override;
  Result<HandOut> FindCommandsFor(const HandOutQuery& wanted) override;
  Result<std::vector<CommandOfNode>> FindOverdue(Time before, int64_t limit) override;
  Result<std::vector<NodeId>> LiveNodesOf(const HostId& host) override;
  Result<std::optional<ReportedNode>> FindReported(const NodePlace& node) override;
  Result<std::unordered_map<NodeId, NodeCondition>> FindConditions(
      const std::vector<NodePlace>& nodes) override;
  Result<ReportedTotals> CountReported() override;
  Result<std::optional<TokenRow>> FindToken(std::string_view id_or_name) override;

  Result<std::vector<OrgRow>> ListOrgs(const ListQuery& query) override;
  Result<std::vector<RegionRow>> ListRegions(const ListQuery& query) override;
  Result<std::vector<HostRow>> ListHosts(const ListQuery& query) override;
  Result<std::vector<ProtocolRow>> ListProtocols(const ListQuery& query) override;
  Result<std::vector<VersionRow>> ListVersions(const ListQuery& query) override;
  Result<std::vector<ImageRow>> ListImages(const ListQuery& query) override;
  Result<std::vector<NodeRow>> ListNodes(const ListQuery& query) override;
  Result<std::vector<CommandRow>> ListCommands(const ListQuery& query) override;
  // By cursor only those below which nothing can appear any more, from a snapshot of their own if
  // the transaction has read before.
  Result<std::vector<EventRow>> ListEvents(const ListQuery& query) override;
  Result<std::vector<TokenRow>> ListTokens(const ListQuery& query) override;
  Result<std::vector<RequestRow>> ListRequests(const ListQuery& query) override;

  Result<std::vector<LedgerEntry>> HostLedger(const HostId& host, int64_t after_seq,
                                              int64_t limit) override;
  Result<std::vector<LedgerEntry>> NodeLedger(const NodeId& node, int64_t after_seq,
                                              int64_t limit) override;
  Result<Books> OrgUsage(const OrgId& org) override;

  Result<std::vector<HostAudit>> AuditHosts(const HostId& after, int64_t limit) override;
  Result<std::optional<HostAudit>> AuditHost(const HostId& host) override;
  Result<std::vector<NodeAudit>> AuditNodes(const NodeId& after, int64_t limit) override;
  Result<std::vector<NodeAudit>> AuditNodesOf(const HostId& host) override;
  Result<AuditCounts> CountForAudit() override;
  Result<std::vector<MachineAudit>> AuditMachines(const HostId& after, int64_t limit) override;
  Result<std::optional<MachineAudit>> AuditMachine(const HostId& host) override;

 private:
  Result<Snapshot> ReadSnapshot(const LockSet& wanted, bool lock);
  // Reads these images, where they have not been read before.
  Status EnsureImages(std::vector<ImageId> ids);
  // The reference of an image that EnsureImages() was called for.
  std::string ImageName(const ImageId& id) const;
  // Adds sums and ledgers to hosts in id order.
  Result<std::vector<HostAudit>> CompleteAudits(std::vector<HostAudit> audits);
  Result<std::vector<NodeAudit>> CheckNodes(const std::vector<NodeId>& ids);
  // Hosts with their reports, in id order; what is booked and seen on them is added.
  Result<std::vector<MachineAudit>> ReadMachines(const PgResult& hosts);
  void AddHorizon(PgBatch& batch);
  // REQUIRES: the deadline, if there is one, is after `now`; the server takes 0 for no limit.
  void AddLimit(PgBatch& batch, std::chrono::steady_clock::time_point now);
  // Reads a listing; `read` takes the columns of one row. In list.cc.
  template <class Row, class Reader>
  Result<std::vector<Row>> ReadList(Listing listing, const ListQuery& wanted, const Reader& read);

  PgConnection& connection_;
  PgImageCache& images_;
  const PgAccess access_;
  bool begun_ = false;
  std::optional<std::chrono::steady_clock::time_point> deadline_;
  bool limit_is_new_ = false;  // the server has not been told
  std::vector<ChangeSet> applied_;
  std::optional<PgFailure> failure_;
  bool outcome_is_unknown_ = false;
  bool lost_a_race_ = false;
};

}  // namespace tallyman
