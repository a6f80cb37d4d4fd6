// An upgrade of more nodes than one request may change: parts, each of them all or none.
#pragma once

#include "cli/context.h"
#include "tallyman/v1/node.pb.h"

namespace tallyman::cli {

// As many nodes as a server changes in a fraction of a second; less than it accepts at once.
inline constexpr int kNodesInPart = 2'000;

// Upgrades what the request names or selects, part by part, and says so after each of them. A
// part's request id follows from that of the request and from its nodes: repeated with the same id,
// the command goes on where it ended, and what was done is not done again. The first part that is
// refused ends it.
ExitStatus UpgradeInParts(Context& context, const v1::UpgradeNodesRequest& request);

}  // namespace tallyman::cli
