// Giving a node's resources back, and withdrawing what its host has not taken yet.
#pragma once

#include "control/nodes/node_writer.h"

namespace tallyman {

struct Withdrawal {
  std::vector<CommandId> commands;
  Resources held;  // what is left of the hold
};
// Cancels every open command; the hold shrinks to what still counts.
Result<Withdrawal> WithdrawUntaken(NodeWriter& writer, BooksPlan& books, const NodeSnapshot& node);

// The node is gone: its resources and holds go back, every transition not ended is cancelled.
// REQUIRES: nothing of it runs, and it is live.
Status Release(NodeWriter& writer, BooksPlan& books, const NodeSnapshot& node, const Host& host);

}  // namespace tallyman
