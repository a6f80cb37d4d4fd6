// Which hosts nodes are on, as far as lots have seen them.
//
// A node's host never changes, so what was seen stays true; a node that was not seen yet has no
// entry. A hint by which lots that run at once keep out of each other's way, never a ground for a
// decision. Bounded: when it is full it begins anew. Thread-safe.
#pragma once

#include <mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "store/store.h"

namespace tallyman::control {

class NodeHosts {
 public:
  explicit NodeHosts(size_t nodes_max = 200'000) : nodes_max_(nodes_max) {}

  // What a snapshot says of these nodes.
  void Learn(std::span<const NodeId> nodes, const store::Snapshot& snapshot);
  // The hosts of those nodes that are known.
  std::vector<HostId> Of(std::span<const NodeId> nodes) const;

 private:
  const size_t nodes_max_;
  mutable std::mutex mutex_;
  std::unordered_map<NodeId, HostId> hosts_;
};

}  // namespace tallyman::control
