// Statements that several files of this room use.
#pragma once

namespace tallyman::store::postgres {

// The transitions of nodes ($1) that still count, after the node's id and ordered by node and seq:
// pending ones, and failed ones until a later transition of the node settled or reverted.
extern const char kTransitions[];

}  // namespace tallyman::store::postgres
