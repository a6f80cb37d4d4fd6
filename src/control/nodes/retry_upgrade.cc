#include <fmt/core.h>

#include "control/lots/decide.h"
#include "control/nodes/node_writer.h"
#include "control/nodes/nodes.h"

namespace tallyman::control {
namespace {

Result<Decided<Changes>> DecideRetry(const Authorized& by, const NodeId& id,
                                     int64_t expected_version, const store::Snapshot& snapshot) {
  ASSIGN_OR_RETURN(auto nodes, FindNodes(snapshot, by.actor(), {id}));
  const NodeSnapshot& node = *nodes.front();
  RETURN_IF_ERROR(CheckVersion(node.node, expected_version));
  RETURN_IF_ERROR(planner::CheckChangeable(node));
  if (node.node.node_state != NodeState::kFailed) {
    return Fail(
        FailedPrecondition("NODE_NOT_FAILED",
                           fmt::format("node {} is {}: only a failed node's upgrade is retried",
                                       node.node.name, ToText(node.node.node_state)))
            .About("node " + node.node.name));
  }
  // The same image and values once more, as a new config: the old one is the failed transition's.
  ASSIGN_OR_RETURN(const HostSnapshot* host, RequireRow(snapshot.hosts, "host", node.node.host_id));
  NodeWriter writer(by);
  ASSIGN_OR_RETURN(planner::UpgradePlan plan,
                   planner::PlanConfigChange(node, *host, *node.config, CommandKind::kUpgrade,
                                             by.control().policies(), writer.cause()));
  RETURN_IF_ERROR(
      writer.ReplaceConfig(plan.nodes.front(), *node.image, host->host, CommandKind::kUpgrade));
  return writer.Finish(plan.books);
}

}  // namespace

Result<Proposal<Changes>> RetryUpgrade(const Authorized& by, const RetryUpgradeRequest& request) {
  ASSIGN_OR_RETURN(auto ids, FindNodeIds(by, std::span(&request.node, 1)));
  ASSIGN_OR_RETURN(Proposal<Changes> proposal, ProposalFor(by, ids, request.plan));
  proposal.locks.with_quotas = true;
  proposal.decide = [id = ids.front(), version = request.expected_version](
                        const Authorized& as, const store::Snapshot& snapshot, store::ReadTx&) {
    return DecideRetry(as, id, version, snapshot);
  };
  return proposal;
}

}  // namespace tallyman::control
