#include <fmt/core.h>

#include <algorithm>

#include "base/text.h"
#include "control/lots/decide.h"
#include "control/nodes/node_writer.h"
#include "control/nodes/nodes.h"
#include "model/firewall.h"

namespace tallyman::control {
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

Result<Decided<Changes>> DecideUpdate(const Authorized& by, const NodeId& id,
                                      const UpdateNodeRequest& request,
                                      const store::Snapshot& snapshot) {
  ASSIGN_OR_RETURN(auto nodes, FindNodes(snapshot, by.actor(), {id}));
  const NodeSnapshot& node = *nodes.front();
  RETURN_IF_ERROR(CheckVersion(node.node, request.expected_version));
  RETURN_IF_ERROR(planner::CheckChangeable(node));
  ASSIGN_OR_RETURN(const HostSnapshot* host, RequireRow(snapshot.hosts, "host", node.node.host_id));
  NodeWriter writer(by);
  if (!ChangesConfig(request)) {
    ASSIGN_OR_RETURN(planner::BooksPlan books, writer.BeginBooks(snapshot, nodes));
    writer.Update(node).auto_upgrade = request.auto_upgrade.value_or(node.node.auto_upgrade);
    writer.AddEvent(
        EventKind::kNodeUpdated, node.node,
        Detail({{"auto_upgrade", request.auto_upgrade.value_or(false) ? "true" : "false"}}));
    writer.Show(node, host->host);
    return writer.Finish(books);
  }
  planner::ConfigEdit edit{.set = request.set_values, .reset = request.reset_values};
  edit.firewall_rules = EditRules(*node.image, node.config->firewall_rules, request);
  ASSIGN_OR_RETURN(NodeConfig config,
                   planner::ResolveEdit(*node.image, *node.config, edit, by.control().policies()));
  ASSIGN_OR_RETURN(planner::UpgradePlan plan,
                   planner::PlanConfigChange(node, *host, std::move(config), CommandKind::kUpdate,
                                             by.control().policies(), writer.cause()));
  RETURN_IF_ERROR(
      writer.ReplaceConfig(plan.nodes.front(), *node.image, host->host, CommandKind::kUpdate));
  Decided<Changes> decision = writer.Finish(plan.books);
  if (request.auto_upgrade)
    decision.rows.node_updates.front().after.auto_upgrade = *request.auto_upgrade;
  return decision;
}

Status CheckUpdate(const UpdateNodeRequest& request) {
  if (!ChangesConfig(request) && !request.auto_upgrade) {
    return Fail(InvalidArgument("NOTHING_TO_UPDATE",
                                "the request changes nothing: set or reset a value or a firewall "
                                "rule, or set auto_upgrade")
                    .With("field", "set_values"));
  }
  return CheckFirewallRules("set_firewall_rules", request.set_firewall_rules);
}

}  // namespace

Result<Proposal<Changes>> UpdateNode(const Authorized& by, const UpdateNodeRequest& request) {
  RETURN_IF_ERROR(CheckUpdate(request));
  ASSIGN_OR_RETURN(auto ids, FindNodeIds(by, std::span(&request.node, 1)));
  ASSIGN_OR_RETURN(Proposal<Changes> proposal, ProposalFor(by, ids, request.plan));
  proposal.locks.with_quotas = ChangesConfig(request);
  proposal.decide = [id = ids.front(), request](const Authorized& as,
                                                const store::Snapshot& snapshot, store::ReadTx&) {
    return DecideUpdate(as, id, request, snapshot);
  };
  return proposal;
}

}  // namespace tallyman::control
