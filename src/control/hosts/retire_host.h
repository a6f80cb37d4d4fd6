// Giving up a machine that is gone for good.
#pragma once

#include <string>

#include "control/nodes/changes.h"
#include "control/operation.h"

namespace tallyman::control {

struct RetireHostRequest {
  std::string host;
  bool lost = false;  // the caller knows that the machine and its data are gone
  PlanOptions plan;
};
// Every node of the host is deleted in the books as if the host had confirmed it, whatever was
// asked of it; the tokens of the host are revoked; the host is cordoned for ever, and its name is
// free: it is called NAME.retired-ID from then on. The host stands in the answer's hosts as it is
// afterwards.
//
// INVALID_ARGUMENT NOT_LOST unless `lost`; FAILED_PRECONDITION HOST_NOT_SILENT while it is heard,
// HOST_RETIRED; ABORTED HOST_CHANGED when it got a node meanwhile.
Result<Proposal<Changes>> RetireHost(const Authorized& by, const RetireHostRequest& request);

}  // namespace tallyman::control
