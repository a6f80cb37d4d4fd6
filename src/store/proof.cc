#include "store/proof.h"

#include "base/sorted_unique.h"

namespace tallyman::store {

std::vector<HostId> HostsTouched(const std::vector<ChangeSet>& changes) {
  std::vector<HostId> hosts;
  for (const ChangeSet& set : changes) {
    for (const Host& host : set.new_hosts) hosts.push_back(host.id);
    for (const HostUpdate& update : set.host_updates) hosts.push_back(update.after.id);
    for (const LedgerEntry& entry : set.ledger) hosts.push_back(entry.host_id);
    // This includes hosts that a decision forgot: those of nodes whose books move without them.
    for (const Node& node : set.new_nodes) hosts.push_back(node.host_id);
    for (const NodeUpdate& update : set.node_updates) hosts.push_back(update.after.host_id);
  }
  return SortedUnique(std::move(hosts));
}

Resources HoldOf(const Resources& charged, const std::optional<Resources>& running,
                 const std::vector<Transition>& transitions) {
  Resources largest = running.value_or(Resources{});
  for (const Transition& transition : transitions) {
    if (!IsTransition(transition.kind)) continue;
    largest = Max(largest, transition.to);
    if (transition.state == CommandState::kFailed) largest = Max(largest, transition.from);
  }
  return Excess(largest, charged);
}

}  // namespace tallyman::store
