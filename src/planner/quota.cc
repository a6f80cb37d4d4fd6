#include "planner/quota.h"

#include <fmt/core.h>

namespace tallyman::planner {
namespace {

Error Exceeded(const LimitedOrg& limited, std::string_view dimension, int64_t quota, int64_t taken,
               int64_t asked) {
  const Org& org = limited.org;
  return Error(Code::kResourceExhausted, kQuotaExceeded,
               fmt::format(
                   "the quota of org {} for {} is {}: its nodes take {}, and this asks for {} "
                   "more; delete nodes, ask for less, or have an admin of all orgs raise "
                   "the quota (`tallyman org set-quota {}`)",
                   org.name, dimension, quota, taken, asked, org.name))
      .About("org " + org.name)
      .With("org", org.name)
      .With("dimension", std::string(dimension))
      .With("quota", std::to_string(quota))
      .With("used", std::to_string(taken))
      .With("asked", std::to_string(asked));
}

}  // namespace

Status CheckQuota(const LimitedOrg& org, const Books& after) {
  const auto counts = [](const Books& books) {
    return std::array{books.node_count, books.allocated.cpu_cores, books.allocated.memory_bytes,
                      books.allocated.disk_bytes};
  };
  const auto taken = counts(org.taken), wanted = counts(after);
  for (size_t i = 0; i < kQuotaLimits.size(); ++i) {
    const std::optional<int64_t> limit = org.org.quota.*kQuotaLimits[i].limit;
    if (!limit || wanted[i] <= *limit || wanted[i] <= taken[i]) continue;
    return Fail(Exceeded(org, kQuotaLimits[i].word, *limit, taken[i], wanted[i] - taken[i]));
  }
  return {};
}

}  // namespace tallyman::planner
