#include "control/lots/node_hosts.h"

namespace tallyman::control {

void NodeHosts::Learn(std::span<const NodeId> nodes, const store::Snapshot& snapshot) {
  std::lock_guard lock(mutex_);
  for (const NodeId& id : nodes) {
    auto node = snapshot.nodes.find(id);
    if (node == snapshot.nodes.end() || hosts_.contains(id)) continue;
    if (hosts_.size() >= nodes_max_) hosts_.clear();
    hosts_.emplace(id, node->second.node.host_id);
  }
}

std::vector<HostId> NodeHosts::Of(std::span<const NodeId> nodes) const {
  std::vector<HostId> hosts;
  std::lock_guard lock(mutex_);
  for (const NodeId& id : nodes) {
    if (auto host = hosts_.find(id); host != hosts_.end()) hosts.push_back(host->second);
  }
  return hosts;
}

}  // namespace tallyman::control
