// One upgrade, from the request to the rows. The order is the contract's: input and names, locks,
// the decision for all nodes (planner/upgrade), rows for all nodes, answer.
#include <fmt/core.h>

#include "base/text.h"
#include "control/nodes/node_writer.h"
#include "control/nodes/nodes.h"
#include "control/nodes/upgrade_targets.h"
#include "control/reads/resolve.h"

namespace tallyman::control {
namespace {

// What was chosen before the lock must still be what it was under it.
Status CheckSelection(const store::Snapshot& snapshot, const UpgradeTargets& targets) {
  for (size_t i = 0; i < targets.selected_at.size(); ++i) {
    auto found = snapshot.nodes.find(targets.nodes[i]);
    if (found != snapshot.nodes.end() && !found->second.node.IsBeingDeleted() &&
        found->second.node.image_id == targets.selected_at[i]) {
      continue;
    }
    return Fail(
        Error(Code::kAborted, "SELECTION_CHANGED",
              fmt::format("node {} changed during the selection: nothing was upgraded; try again",
                          targets.nodes[i].ToString()))
            .With("node_id", targets.nodes[i].ToString()));
  }
  return {};
}

constexpr std::chrono::microseconds kBeginWithinMax = std::chrono::days(30);

Status CheckBeginWithin(const UpgradeNodesRequest& request) {
  if (!request.begin_within) return {};
  if (*request.begin_within > std::chrono::microseconds(0) &&
      *request.begin_within <= kBeginWithinMax)
    return {};
  return Fail(InvalidArgument("INVALID_BEGIN_WITHIN",
                              fmt::format("begin_within is {} seconds: give more than 0 and at "
                                          "most 30 days, or leave it out",
                                          static_cast<double>(request.begin_within->count()) / 1e6))
                  .With("field", "begin_within"));
}

Result<Decided<Changes>> DecideUpgrade(const Authorized& by, const UpgradeTargets& targets,
                                       std::optional<std::chrono::microseconds> begin_within,
                                       const store::Snapshot& snapshot) {
  auto image = snapshot.images.find(targets.image);
  if (image == snapshot.images.end() ||
      (by.actor().org_id && !IsVisibleTo(*image->second, *by.actor().org_id))) {
    return Fail(ImageNotFound(targets.image.ToString()));
  }
  RETURN_IF_ERROR(CheckSelection(snapshot, targets));
  ASSIGN_OR_RETURN(auto nodes, FindNodes(snapshot, by.actor(), targets.nodes));
  ASSIGN_OR_RETURN(auto hosts, HostsOf(snapshot, nodes));
  NodeWriter writer(by);
  ASSIGN_OR_RETURN(
      planner::UpgradePlan plan,
      planner::PlanUpgrade(nodes, hosts, *image->second, by.control().policies(), writer.cause()));
  std::optional<Time> not_after;
  if (begin_within) not_after = writer.cause().now + *begin_within;
  for (const planner::NodePlan& node : plan.nodes) {
    const Host& host = snapshot.hosts.at(node.before->node.host_id).host;
    RETURN_IF_ERROR(
        writer.ReplaceConfig(node, *image->second, host, CommandKind::kUpgrade, not_after));
  }
  Decided<Changes> decision = writer.Finish(plan.books);
  decision.answer.same_image_count = targets.same_image_count;
  decision.answer.deleting_count = targets.deleting_count;
  return decision;
}

}  // namespace

Result<Proposal<Changes>> UpgradeNodes(const Authorized& by, const UpgradeNodesRequest& request) {
  RETURN_IF_ERROR(CheckBeginWithin(request));
  ASSIGN_OR_RETURN(UpgradeTargets targets, FindUpgradeTargets(by, request));
  ASSIGN_OR_RETURN(
      Proposal<Changes> proposal,
      ProposalFor(by, targets.nodes, request.plan, request.selector ? "selector" : "nodes"));
  proposal.locks.images = {targets.image};
  proposal.locks.with_quotas = true;
  proposal.decide = [targets = std::move(targets), begin_within = request.begin_within](
                        const Authorized& as, const store::Snapshot& snapshot, store::ReadTx&) {
    return DecideUpgrade(as, targets, begin_within, snapshot);
  };
  return proposal;
}

}  // namespace tallyman::control
