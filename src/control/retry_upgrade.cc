#include <fmt/core.h>

#include "control/authorize.h"
#include "control/node_writer.h"
#include "control/read_once.h"
#include "control/resolve.h"

namespace tallyman {
namespace {

Result<NodeDecision> Decide(Control& control, const Call& call, const NodeId& id,
                            int64_t expected_version, const Snapshot& snapshot) {
  ASSIGN_OR_RETURN(auto nodes, FindNodes(snapshot, call.actor, {id}));
  const NodeSnapshot& node = *nodes.front();
  RETURN_IF_ERROR(CheckVersion(node.node, expected_version));
  RETURN_IF_ERROR(CheckChangeable(node));
  if (node.node.node_state != NodeState::kFailed) {
    return Fail(
        FailedPrecondition("NODE_NOT_FAILED",
                           fmt::format("node {} is {}: only a failed node's upgrade is retried",
                                       node.node.name, ToText(node.node.node_state)))
            .About("node " + node.node.name));
  }
  // The same image and values once more, as a new config: the old one is the failed transition's.
  const HostSnapshot& host = snapshot.hosts.at(node.node.host_id);
  NodeWriter writer(control, call);
  ASSIGN_OR_RETURN(UpgradePlan plan,
                   PlanConfigChange(node, host, *node.config, CommandKind::kUpgrade,
                                    control.policies(), writer.cause()));
  writer.ReplaceConfig(plan.nodes.front(), *node.image, host.host, CommandKind::kUpgrade);
  return writer.Finish(plan.books);
}

}  // namespace

void RetryUpgrade(Control& control, Call call, const RetryUpgradeRequest& request,
                  Encode<Changes> encode, Done done) {
  if (Status status = Authorize(call); !status) return done(Fail(status.error()));
  if (Status status = control.Begin(call); !status) return done(Fail(status.error()));
  auto ids = ReadOnce<std::vector<NodeId>>(control, [&](ReadTx& tx) {
    return ResolveNodes(tx, call.actor, std::span(&request.node, 1));
  });
  if (!ids) return done(Fail(ids.error()));
  LockSet locks;
  locks.nodes = *ids;
  DecideNodes decide = [&control, call, id = ids->front(), version = request.expected_version](
                           const Snapshot& snapshot, ReadTx&) {
    return Decide(control, call, id, version, snapshot);
  };
  PlanOrApply(control, std::move(call), request.plan, std::move(locks), false, 1, std::move(decide),
              std::move(encode), std::move(done));
}

}  // namespace tallyman
