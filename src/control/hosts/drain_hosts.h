// Maintenance of a host: its nodes are stopped and new ones are kept off, until it is resumed.
//
// A drain is a claim of its owner, as a cordon is (inventory/host_claims.h), and remembers which
// nodes it stopped by which command. Books do not change: stopped nodes stay charged. Whether the
// host is at rest is nothing that is stored: GetHost() computes it (reads/queries.h).
#pragma once

#include <string>
#include <vector>

#include "control/nodes/changes.h"
#include "control/operation.h"

namespace tallyman::control {

// What became of one host of the request.
struct DrainedHost {
  HostId host_id;
  std::string host;
  bool changed = false;                 // false: it was so already
  int64_t commanded = 0;                // nodes that got a stop, or a start
  int64_t withdrawn = 0;                // nodes whose stop no host had taken: they never stopped
  int64_t left = 0;                     // nodes that stay as they are
  int64_t deleting = 0;                 // nodes that are being deleted, which goes on
  bool cordoned = false;                // afterwards
  std::vector<std::string> drained_by;  // afterwards
};

// The nodes that got a command or lost one, and the hosts of the request, in its order.
struct DrainChanges : Changes {
  std::vector<DrainedHost> drained;

  std::string PlanToken() const;
};

struct DrainHostsRequest {
  std::vector<std::string> hosts;
  std::string reason;
  std::string owner;  // "": who asks
  PlanOptions plan;
};
// All of the hosts or none. Every live node that is to run is asked to stop; one that was stopped
// before, or is being deleted, is left as it is. Where that owner drains the host already, only
// what is to run again by now is stopped, and remembered as well.
//
// INVALID_ARGUMENT NO_HOSTS, INVALID_NAME, INVALID_TEXT, TOO_MANY_NODES; NOT_FOUND HOST_NOT_FOUND;
// FAILED_PRECONDITION HOST_RETIRED; ABORTED HOST_CHANGED when one got a node meanwhile.
Result<Proposal<DrainChanges>> DrainHosts(const Authorized& by, const DrainHostsRequest& request);

struct ResumeHostsRequest {
  std::vector<std::string> hosts;
  std::string owner;  // "": who asks
  bool even_if_silent = false;
  PlanOptions plan;
};
// All of the hosts or none. Ends that owner's drain, and starts the nodes that it stopped: those
// that live and that nobody has started, stopped or restarted since. A stop that no host has taken
// is withdrawn instead. While somebody else drains the host, its nodes stay stopped, and are
// started with the last drain. A host that nobody drains stays as it is.
//
// Beside the errors of DrainHosts(): FAILED_PRECONDITION CLAIM_OF_ANOTHER where only others drain
// it, with their names; HOST_SILENT unless `even_if_silent`.
Result<Proposal<DrainChanges>> ResumeHosts(const Authorized& by, const ResumeHostsRequest& request);

}  // namespace tallyman::control
