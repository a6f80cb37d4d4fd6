// Whether what a request adds to an org fits into the org's quota.
#pragma once

#include "base/result.h"
#include "model/snapshot.h"

namespace tallyman::planner {

inline constexpr char kQuotaExceeded[] = "QUOTA_EXCEEDED";

// RESOURCE_EXHAUSTED QUOTA_EXCEEDED where `after` is both beyond the quota and more than what the
// org takes now: what does not grow is never refused, even beyond the quota.
Status CheckQuota(const LimitedOrg& org, const Books& after);

}  // namespace tallyman::planner
