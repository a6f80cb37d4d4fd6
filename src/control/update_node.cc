#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "control/authorize.h"
#include "control/firewall.h"
#include "control/node_writer.h"
#include "control/read_once.h"
#include "control/resolve.h"

namespace tallyman {
namespace {

bool ChangesConfig(const UpdateNodeRequest& request) {
  return !request.set_values.empty() || !request.reset_values.empty() ||
         !request.set_firewall_rules.empty() || !request.reset_firewall_rules.empty();
}

// The rules that the node has afterwards: those set by key, those reset as the image has them.
std::vector<FirewallRule> EditRules(const Image& image, std::vector<FirewallRule> rules,
                                    const UpdateNodeRequest& request) {
  auto drop = [&](const std::string& key) {
    std::erase_if(rules, [&](const FirewallRule& r) { return r.key == key; });
  };
  for (const std::string& key : request.reset_firewall_rules) {
    drop(key);
    if (const FirewallRule* rule = image.FindFirewallRule(key)) rules.push_back(*rule);
  }
  for (const FirewallRule& rule : request.set_firewall_rules) {
    drop(rule.key);
    rules.push_back(rule);
  }
  return rules;
}

Result<NodeDecision> Decide(Control& control, const Call& call, const NodeId& id,
                            const UpdateNodeRequest& request, const Snapshot& snapshot) {
  ASSIGN_OR_RETURN(auto nodes, FindNodes(snapshot, call.actor, {id}));
  const NodeSnapshot& node = *nodes.front();
  RETURN_IF_ERROR(CheckVersion(node.node, request.expected_version));
  RETURN_IF_ERROR(CheckChangeable(node));
  const HostSnapshot& host = snapshot.hosts.at(node.node.host_id);
  NodeWriter writer(control, call);
  if (!ChangesConfig(request)) {
    ASSIGN_OR_RETURN(BooksPlan books, BooksPlan::Begin(HostsOf(snapshot, nodes), nodes,
                                                       control.policies(), writer.cause()));
    writer.Update(node).auto_upgrade = request.auto_upgrade.value_or(node.node.auto_upgrade);
    writer.AddEvent(
        EventKind::kNodeUpdated, node.node,
        Detail({{"auto_upgrade", request.auto_upgrade.value_or(false) ? "true" : "false"}}));
    writer.Show(node, host.host);
    return writer.Finish(books);
  }
  ConfigEdit edit{.set = request.set_values, .reset = request.reset_values, .firewall_rules = {}};
  edit.firewall_rules = EditRules(*node.image, node.config->firewall_rules, request);
  ASSIGN_OR_RETURN(NodeConfig config,
                   ResolveEdit(*node.image, *node.config, edit, control.policies()));
  ASSIGN_OR_RETURN(UpgradePlan plan,
                   PlanConfigChange(node, host, std::move(config), CommandKind::kUpdate,
                                    control.policies(), writer.cause()));
  writer.ReplaceConfig(plan.nodes.front(), *node.image, host.host, CommandKind::kUpdate);
  NodeDecision decision = writer.Finish(plan.books);
  if (request.auto_upgrade)
    decision.rows.node_updates.front().after.auto_upgrade = *request.auto_upgrade;
  return decision;
}

Status CheckRequest(const UpdateNodeRequest& request) {
  if (!ChangesConfig(request) && !request.auto_upgrade) {
    return Fail(InvalidArgument("NOTHING_TO_UPDATE",
                                "the request changes nothing: set or reset a value or a firewall "
                                "rule, or set auto_upgrade")
                    .With("field", "set_values"));
  }
  return CheckFirewallRules("set_firewall_rules", request.set_firewall_rules);
}

}  // namespace

void UpdateNode(Control& control, Call call, const UpdateNodeRequest& request,
                Encode<Changes> encode, Done done) {
  if (Status status = Authorize(call); !status) return done(Fail(status.error()));
  if (Status status = control.Begin(call); !status) return done(Fail(status.error()));
  if (Status status = CheckRequest(request); !status) return done(Fail(status.error()));
  auto ids = ReadOnce<std::vector<NodeId>>(control, [&](ReadTx& tx) {
    return ResolveNodes(tx, call.actor, std::span(&request.node, 1));
  });
  if (!ids) return done(Fail(ids.error()));
  LockSet locks;
  locks.nodes = *ids;
  DecideNodes decide = [&control, call, id = ids->front(), request](const Snapshot& snapshot,
                                                                    ReadTx&) {
    return Decide(control, call, id, request, snapshot);
  };
  PlanOrApply(control, std::move(call), request.plan, std::move(locks), false, 1, std::move(decide),
              std::move(encode), std::move(done));
}

}  // namespace tallyman
