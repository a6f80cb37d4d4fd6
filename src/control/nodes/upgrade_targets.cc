#include <fmt/core.h>

#include "base/text.h"
#include "control/nodes/upgrade_targets.h"
#include "control/read_once.h"
#include "control/reads/query_tools.h"
#include "control/reads/resolve.h"

namespace tallyman::control {
namespace {

Result<store::ListQuery> QueryOf(const NodeSelector& selector, const Actor& actor) {
  store::ListQuery query{.order_by = "name", .descending = false, .limit = 1000};
  auto require = [&](std::string field, const std::string& value) {
    if (!value.empty())
      query.conditions.push_back({std::move(field), store::Comparison::kEqual, value});
  };
  if (selector.protocol.empty()) {
    return Fail(InvalidArgument("INCOMPLETE_SELECTOR", "a selector must name at least a protocol")
                    .With("field", "selector.protocol"));
  }
  if (selector.variant.empty() && !selector.semantic_version.empty()) {
    return Fail(InvalidArgument("INCOMPLETE_SELECTOR",
                                "a selector that names a version must also name the variant")
                    .With("field", "selector.variant"));
  }
  require("protocol", selector.protocol);
  require("variant", selector.variant);
  require("semantic_version", selector.semantic_version);
  require("region", selector.region);
  require("org", selector.org);
  if (actor.org_id) require("org", actor.org_id->ToString());
  return query;
}

Status SelectNodes(store::ReadTx& tx, const Actor& actor, const NodeSelector& selector,
                   UpgradeTargets& targets) {
  ASSIGN_OR_RETURN(store::ListQuery query, QueryOf(selector, actor));
  RETURN_IF_ERROR(ResolveConditions(tx, actor, query));
  while (true) {
    ASSIGN_OR_RETURN(auto rows, tx.ListNodes(query));
    for (const store::NodeRow& row : rows) {
      if (row.node.image_id == targets.image) {
        ++targets.same_image_count;
      } else if (row.node.IsBeingDeleted() || !row.node.IsLive()) {
        ++targets.deleting_count;
      } else {
        targets.nodes.push_back(row.node.id);
        targets.selected_at.push_back(row.node.image_id);
      }
    }
    if (static_cast<int64_t>(rows.size()) < query.limit) break;
    query.after = rows.back().cursor;
  }
  if (!targets.nodes.empty() || targets.same_image_count + targets.deleting_count > 0) return {};
  return Fail(NotFound("NO_NODE_MATCHES",
                       fmt::format("the selector matches no node of {}: see `tallyman node list`",
                                   Quote(selector.variant.empty()
                                             ? selector.protocol
                                             : selector.protocol + "/" + selector.variant)))
                  .With("field", "selector"));
}

Result<UpgradeTargets> ResolveUpgrade(store::ReadTx& tx, const Actor& actor,
                                      const UpgradeNodesRequest& request) {
  UpgradeTargets targets;
  ASSIGN_OR_RETURN(auto image, ResolveImage(tx, actor, request.image));
  targets.image = image->id;
  if (request.selector) {
    RETURN_IF_ERROR(SelectNodes(tx, actor, *request.selector, targets));
  } else {
    ASSIGN_OR_RETURN(targets.nodes, ResolveNodes(tx, actor, request.nodes));
  }
  return targets;
}

// Ids need no look-up: the locks find them or not.
std::optional<UpgradeTargets> AllIds(const UpgradeNodesRequest& request) {
  auto image = ImageId::Parse(request.image);
  if (!image || request.selector || request.nodes.size() != 1) return std::nullopt;
  auto node = NodeId::Parse(request.nodes.front());
  if (!node) return std::nullopt;
  return UpgradeTargets{.nodes = {*node}, .image = *image};
}

}  // namespace

Result<UpgradeTargets> FindUpgradeTargets(const Authorized& by,
                                          const UpgradeNodesRequest& request) {
  if (request.selector && !request.nodes.empty()) {
    return Fail(InvalidArgument("NODES_AND_SELECTOR",
                                "both nodes and selector are set: use only one of them")
                    .With("field", "selector"));
  }
  if (auto targets = AllIds(request)) return *targets;
  return ReadOnce(by.control(), [&](store::ReadTx& tx) {
    by.control().KeepToDeadline(by.call().deadline, tx);
    return ResolveUpgrade(tx, by.actor(), request);
  });
}

}  // namespace tallyman::control
