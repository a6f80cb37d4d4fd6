// One transaction on one connection: what Store::Read() and Store::Write() hand to the function.
//
// Belongs to the thread that runs the function, and lives on its stack. Reading after Apply() is a
// programmer error and gives INTERNAL READ_AFTER_WRITE.
#pragma once

#include <vector>

#include "store/sqlite/image_cache.h"
#include "store/store.h"

namespace tallyman {

class SqliteTransaction final : public WriteTx {
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
  // What Apply() wrote or failed to write, and the proof of the books.
  Status Finish();
  bool has_written() const { return !applied_.empty() || has_pruned_; }
  Result<Pruned> PruneRequests(const PruneQuery& query) override;

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
  Status CheckReadable() const;
  // The reference of an image, for rows that people read.
  Result<std::string> ImageName(const ImageId& id);

  SqliteConnection& connection_;
  ImageCache& images_;
  std::vector<ChangeSet> applied_;
  Status written_;
  bool has_pruned_ = false;
};

}  // namespace tallyman
