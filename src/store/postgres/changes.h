// Writes change sets into the database: one statement per table for any number of rows.
#pragma once

#include <map>
#include <span>
#include <utility>
#include <vector>

#include "model/change_set.h"
#include "store/postgres/connection.h"

namespace tallyman::store::postgres {

// Must live until the batch that writes them is answered. Not thread-safe.
class PendingChanges {
 public:
  // Splits the change sets into columns. An update from arrays applies one row per key, so
  // consecutive updates of one row are merged.
  explicit PendingChanges(std::span<const ChangeSet> sets);

  // Adds the statements that write, in an order that the foreign keys allow, and the proof of the
  // books. Requests come first, so that a request that ran twice fails for that reason and no
  // other.
  void AddTo(PgBatch& batch);

  // Explains a failure of that batch: a taken unique key becomes ALREADY_EXISTS with its own reason
  // (store.h), a missed row or unbalanced books become the errors in store.h.
  Error Explain(const PgFailure& failure, Error error) const;

 private:
  void Collect(const ChangeSet& set);
  // Their secrets are erased.
  std::vector<NodeId> DeletedNodes() const;
  Error ExplainMissedRow(const PgFailure& failure, Error error) const;

  std::vector<HostId> hosts_touched_;
  std::vector<NodeUpdate> node_updates_;
  std::vector<HostUpdate> host_updates_;
  std::vector<CommandUpdate> command_updates_;
  PgColumns requests_, orgs_, regions_, protocols_, versions_, images_, properties_, hosts_,
      configs_, nodes_, ledger_, commands_, events_, token_updates_, tokens_, host_reports_,
      node_reports_, ended_claims_, claims_, drain_nodes_, quotas_, rollouts_, rollout_updates_,
      rollout_nodes_, rollout_node_updates_, ended_policies_, policies_;
  // Hosts of which reports are forgotten, and the nodes that their statuses name.
  std::vector<HostId> complete_hosts_, forgetting_hosts_, reported_hosts_;
  std::vector<NodeId> reported_nodes_;
  std::map<std::pair<NodeId, ReportedIncident>, int64_t> incidents_;
  std::vector<HostId> joined_hosts_;
};

}  // namespace tallyman::store::postgres
