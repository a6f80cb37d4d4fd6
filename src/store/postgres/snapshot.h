// Statements that more than one file of this room reads with.
#pragma once

namespace tallyman {

// The transitions of nodes ($1) that still count, by node and seq, behind the node's id: pending
// ones, and failed ones until a later transition of the node settled or reverted.
extern const char kTransitions[];

}  // namespace tallyman
