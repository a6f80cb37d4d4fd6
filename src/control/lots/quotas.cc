#include "control/lots/quotas.h"

#include <algorithm>

#include "planner/quota.h"

namespace tallyman::control {
namespace {

Result<Books> TakenBy(const Node& node) {
  if (!node.IsLive()) return Books{};
  ASSIGN_OR_RETURN(const Resources taken, Add(node.resources, node.held));
  return Books{1, taken};
}

}  // namespace

Result<std::unordered_map<OrgId, Books>> TakenAfter(const store::Snapshot& snapshot,
                                                    const ChangeSet& rows) {
  std::unordered_map<OrgId, Books> taken;
  if (snapshot.limited.empty()) return taken;
  for (const auto& [id, limited] : snapshot.limited) taken[id] = limited.taken;
  const auto move = [&](const Node& node, auto&& sum) -> Status {
    auto org = taken.find(node.org_id);
    if (org == taken.end()) return {};
    ASSIGN_OR_RETURN(const Books moved, TakenBy(node));
    ASSIGN_OR_RETURN(org->second, sum(org->second, moved));
    return {};
  };
  const auto add = [](const Books& a, const Books& b) { return Add(a, b); };
  const auto subtract = [](const Books& a, const Books& b) { return Subtract(a, b); };
  for (const Node& node : rows.new_nodes) RETURN_IF_ERROR(move(node, add));
  // A row that is updated several times takes what its last update says.
  std::unordered_map<NodeId, const Node*> updated;
  for (const NodeUpdate& update : rows.node_updates) updated[update.after.id] = &update.after;
  for (const auto& [id, after] : updated) {
    if (auto before = snapshot.nodes.find(id); before != snapshot.nodes.end()) {
      RETURN_IF_ERROR(move(before->second.node, subtract));
    }
    RETURN_IF_ERROR(move(*after, add));
  }
  return taken;
}

Status CheckQuotas(const store::Snapshot& snapshot, const ChangeSet& rows) {
  ASSIGN_OR_RETURN(const auto taken, TakenAfter(snapshot, rows));
  // Of several orgs the same is named every time.
  std::vector<const LimitedOrg*> orgs;
  for (const auto& [id, limited] : snapshot.limited) orgs.push_back(&limited);
  std::ranges::sort(orgs, {}, [](const LimitedOrg* limited) { return limited->org.id; });
  for (const LimitedOrg* limited : orgs) {
    RETURN_IF_ERROR(planner::CheckQuota(*limited, taken.at(limited->org.id)));
  }
  return {};
}

}  // namespace tallyman::control
