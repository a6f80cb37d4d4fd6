// Whether the fleet is well, in a few numbers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control/operation.h"
#include "model/overview.h"

namespace tallyman::control {

// Something that is not well. `reason` is stable.
struct Concern {
  std::string_view reason;
  int64_t count = 0;
  std::string message;
};

// The most important first. Pure. A fleet of which no host was ever heard only keeps books: that
// its hosts are not heard, and its commands wait, is no concern.
std::vector<Concern> ConcernsOf(const FleetOverview& overview, bool any_host_heard);

struct OverviewAnswer {
  Time read_at;
  FleetOverview overview;
  std::vector<Concern> concerns;
};

// `org` is a name or an id; empty: all that the caller sees. Errors of Read() and ResolveOrg().
Result<OverviewAnswer> GetOverview(const Authorized& by, store::ReadTx& tx, const std::string& org);

}  // namespace tallyman::control
