// Change sets on their way into the database: a statement per table, whatever the number of rows.
#pragma once

#include <map>
#include <span>
#include <utility>
#include <vector>

#include "model/change_set.h"
#include "store/postgres/connection.h"

namespace tallyman {

// Lives from the change sets to the answer of the batch that wrote them. Not thread-safe.
class PendingChanges {
 public:
  // Takes the change sets apart into columns. An update from arrays applies one row for each key,
  // so updates of one row that follow upon one another become one.
  explicit PendingChanges(std::span<const ChangeSet> sets);

  // Adds the statements that write, in an order that the foreign keys allow, and the proof of the
  // books. Requests come first: who runs a request twice is to hear of that before anything else.
  void AddTo(PgBatch& batch);

  // What a failure of that batch means: a unique key that is taken becomes ALREADY_EXISTS with a
  // reason of its own (store.h), a missed row or unbalanced books what they are.
  Error Explain(const PgFailure& failure, Error error) const;

 private:
  void Collect(const ChangeSet& set);
  void MergeUpdates();
  Error ExplainMissedRow(const PgFailure& failure, Error error) const;

  std::vector<HostId> hosts_touched_;
  std::vector<NodeUpdate> node_updates_;
  std::vector<HostUpdate> host_updates_;
  std::vector<CommandUpdate> command_updates_;
  PgColumns requests_, orgs_, regions_, protocols_, versions_, images_, properties_, hosts_,
      configs_, nodes_, ledger_, commands_, events_, token_updates_, tokens_, host_reports_,
      node_reports_, ended_claims_, claims_;
  // Hosts that said all there is, and what they said it of.
  std::vector<HostId> complete_hosts_, reported_hosts_;
  std::vector<NodeId> reported_nodes_;
  std::map<std::pair<NodeId, ReportedIncident>, int64_t> incidents_;
  std::vector<HostId> joined_hosts_;
};

}  // namespace tallyman
