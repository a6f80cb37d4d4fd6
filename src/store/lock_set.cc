#include <cassert>
#include <tuple>
#include <utility>

#include "base/sorted_unique.h"
#include "store/store.h"

namespace tallyman::store {
namespace {

// All of them: with a member more this does not compile until it stands here as well.
auto MembersOf(auto& set) {
  auto& [nodes, hosts, images, orgs, node_names, requests, placement, with_sums, report_hosts,
         commands, with_history, node_configs, with_quotas, changes_quotas, rollouts] = set;
  return std::tie(nodes, hosts, images, orgs, node_names, requests, placement, with_sums,
                  report_hosts, commands, with_history, node_configs, with_quotas, changes_quotas,
                  rollouts);
}

template <class T>
void Join(std::vector<T>& to, const std::vector<T>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

void Join(bool& to, bool more) { to = to || more; }

void Join(std::optional<PlacementQuery>& to, const std::optional<PlacementQuery>& more) {
  assert(!to || !more);
  if (more) to = more;
}

}  // namespace

void LockSet::Add(const LockSet& other) {
  auto to = MembersOf(*this);
  auto more = MembersOf(other);
  [&]<size_t... i>(std::index_sequence<i...>) {
    (Join(std::get<i>(to), std::get<i>(more)), ...);
  }(std::make_index_sequence<std::tuple_size_v<decltype(to)>>());
}

std::vector<OrgId> OrgsWithQuota(const Snapshot& snapshot) {
  std::vector<OrgId> orgs;
  for (const auto& [id, org] : snapshot.orgs) {
    if (org.quota.IsSet()) orgs.push_back(id);
  }
  for (const auto& [id, node] : snapshot.nodes) {
    if (node.has_quota) orgs.push_back(node.node.org_id);
  }
  return SortedUnique(std::move(orgs));
}

}  // namespace tallyman::store
