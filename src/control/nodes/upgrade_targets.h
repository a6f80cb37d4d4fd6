// Which nodes an upgrade is about, and to which image: from the names in a request to ids.
#pragma once

#include <vector>

#include "control/nodes/nodes.h"

namespace tallyman::control {

struct UpgradeTargets {
  std::vector<NodeId> nodes;
  ImageId image;
  std::vector<ImageId> selected_at;  // of a selector: the image of each node when it was chosen
  int64_t same_image_count = 0;
  int64_t deleting_count = 0;
};

// Of `nodes`, `selector` and `image`. Read once, without locks. INVALID_ARGUMENT
// NODES_AND_SELECTOR, INCOMPLETE_SELECTOR; NOT_FOUND NO_NODE_MATCHES; errors of ResolveNodes() and
// ResolveImage().
Result<UpgradeTargets> FindUpgradeTargets(const Authorized& by, const UpgradeNodesRequest& request);

}  // namespace tallyman::control
