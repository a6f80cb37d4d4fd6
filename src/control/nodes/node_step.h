// From what became of a node (planner/lifecycle) to rows.
#pragma once

#include "control/nodes/node_writer.h"
#include "planner/lifecycle.h"

namespace tallyman::control {

// Node, commands, events, and the books: what the node is charged and held for afterwards. Capacity
// refuses nothing of it. REQUIRES: `life` changed something; the plan holds the node's host.
Status WriteStep(NodeWriter& writer, planner::BooksPlan& books, const NodeSnapshot& node,
                 const planner::NodeLifecycle& life);

}  // namespace tallyman::control
