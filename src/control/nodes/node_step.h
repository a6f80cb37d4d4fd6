// From what became of a node (planner/lifecycle) to rows.
#pragma once

#include <vector>

#include "control/nodes/node_writer.h"
#include "planner/lifecycle.h"

namespace tallyman::control {

// Node, commands, events, and the books: what the node is charged and held for afterwards. Capacity
// refuses nothing of it. REQUIRES: `life` changed something; the plan holds the node's host.
Status WriteStep(NodeWriter& writer, planner::BooksPlan& books, const NodeSnapshot& node,
                 const planner::NodeLifecycle& life);

// The configs that the nodes' commands lead to: what a withdrawal may need. A node that gets
// another command before the locks is left as it is (planner::kUnknownConfig).
Result<std::vector<store::NodeConfigKey>> ConfigsAhead(store::ReadTx& tx,
                                                       const std::vector<NodeId>& nodes);

}  // namespace tallyman::control
