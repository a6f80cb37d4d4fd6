// Cordons: whoever claims a host keeps new nodes off it, until the last claim is gone. What runs
// there goes on, and may be upgraded; the books do not change.
//
// A claim has an owner, who is the caller unless another one is named: nobody takes away by mistake
// what somebody else relies on.
#pragma once

#include <string>
#include <vector>

#include "control/operation.h"

namespace tallyman::control {

struct ClaimedHost {
  Host host;
  std::string region;
  std::vector<HostClaim> claims;  // by owner
  bool changed = false;           // false: it was so already
};

struct CordonHostRequest {
  std::string host;
  std::string reason;
  std::string owner;  // "": who asks
};
// INVALID_ARGUMENT INVALID_NAME, INVALID_TEXT. A claim of that owner which is there stays as it is.
Result<Proposal<ClaimedHost>> CordonHost(const Authorized& by, const CordonHostRequest& request);

struct UncordonHostRequest {
  std::string host;
  std::string owner;  // "": who asks
};
// FAILED_PRECONDITION CLAIM_OF_ANOTHER where only others claim it, with their names; CLAIM_OF_DRAIN
// where that owner drains it; a host that nobody claims stays as it is.
Result<Proposal<ClaimedHost>> UncordonHost(const Authorized& by,
                                           const UncordonHostRequest& request);

}  // namespace tallyman::control
