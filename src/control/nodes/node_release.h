// Giving a node's resources back, and withdrawing what its host has not taken yet.
#pragma once

#include "control/nodes/node_writer.h"

namespace tallyman::control {

struct Withdrawal {
  std::vector<CommandId> commands;
  Resources held;  // what is left of the hold
};
// Cancels every open command; the hold shrinks to what still counts.
Result<Withdrawal> WithdrawUntaken(NodeWriter& writer, planner::BooksPlan& books,
                                   const NodeSnapshot& node);

// The node is gone: its resources and holds go back, every transition not ended is cancelled.
// `why` stands in the detail of the event; empty: it was deleted as usual.
// REQUIRES: nothing of it runs, or nobody will ever know, and it is live.
Status Release(NodeWriter& writer, planner::BooksPlan& books, const NodeSnapshot& node,
               const Host& host, std::string_view why = {});

// Its create failed, and what it was charged went back then. REQUIRES: it is not live.
void Forget(NodeWriter& writer, const NodeSnapshot& node, const Host& host,
            std::string_view why = {});

}  // namespace tallyman::control
