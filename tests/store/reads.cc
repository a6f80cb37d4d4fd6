#include "tests/store/reads.h"

#include <algorithm>

#include "tests/contract/each_list.h"

namespace tallyman {
namespace {

using namespace tallyman::store;

template <class T>
Status Ignore(const Result<T>& result) {
  if (!result) return Fail(result.error());
  return {};
}

Status List(ReadTx& tx, Listing listing, const ListQuery& query) {
  return ReadListing(tx, listing, query, [](const auto& rows) { return Ignore(rows); });
}

const std::string& AnyId() {
  static const std::string id = NodeId{}.ToString();
  return id;
}

FieldValue ValueOf(const ListField& field) {
  if (field.type == FieldType::kInteger) return int64_t{1};
  return field.name.ends_with("id") ? AnyId() : std::string("eth");
}

void AddOrders(std::vector<NamedRead>& reads, Listing listing, const std::string& name,
               const ListField& field) {
  for (const bool descending : {false, true}) {
    for (const bool from_start : {true, false}) {
      ListQuery query;
      query.order_by = field.name;
      query.descending = descending;
      if (!from_start) {
        const bool by_number = listing == Listing::kEvents;
        query.after = ListCursor{ValueOf(field), by_number ? "1" : AnyId()};
      }
      reads.push_back({name + " by " + std::string(field.name) + (descending ? " down" : " up") +
                           (from_start ? "" : ", next page"),
                       [=](ReadTx& tx) { return List(tx, listing, query); }});
    }
  }
}

void AddConditions(std::vector<NamedRead>& reads, Listing listing, const std::string& name,
                   const ListField& field) {
  for (const Comparison comparison : {Comparison::kEqual, Comparison::kLess}) {
    ListQuery query;
    query.conditions = {{std::string(field.name), comparison, ValueOf(field)}};
    query.with_deleted = comparison == Comparison::kLess;
    reads.push_back({name + " where " + std::string(field.name) +
                         (comparison == Comparison::kEqual ? " = " : " < "),
                     [=](ReadTx& tx) { return List(tx, listing, query); }});
  }
}

}  // namespace

std::vector<NamedRead> Lists() {
  std::vector<NamedRead> reads;
  for (const auto& [listing, name] : kAllListings) {
    for (const ListField& field : FieldsOf(listing)) {
      AddOrders(reads, listing, name, field);
      AddConditions(reads, listing, name, field);
    }
  }
  return reads;
}

std::vector<NamedRead> LookUps(const Fleet& fleet, const Node& node) {
  const NodePlace place = {node.host_id, node.id};
  const std::string id = AnyId();
  const ProtocolId protocol = fleet.protocol.id;
  const ImageId image = fleet.small.id;
  return {
      {"org", [=](ReadTx& tx) { return Ignore(tx.FindOrg(id)); }},
      {"region", [=](ReadTx& tx) { return Ignore(tx.FindRegion(id)); }},
      {"host", [=](ReadTx& tx) { return Ignore(tx.FindHost(id)); }},
      {"protocol", [=](ReadTx& tx) { return Ignore(tx.FindProtocol(id)); }},
      {"version", [=](ReadTx& tx) { return Ignore(tx.FindVersion(protocol, "a", "1.0.0")); }},
      {"node", [=](ReadTx& tx) { return Ignore(tx.FindNode(id)); }},
      {"node and config", [=](ReadTx& tx) { return Ignore(tx.FindNodeAndConfig(id)); }},
      {"node number", [](ReadTx& tx) { return Ignore(tx.NextNodeNumber("eth")); }},
      {"config", [=](ReadTx& tx) { return Ignore(tx.FindConfig(node.config_id)); }},
      {"image", [=](ReadTx& tx) { return Ignore(tx.FindImage(image)); }},
      {"builds", [](ReadTx& tx) { return Ignore(tx.FindBuilds("ethereum", "a", "1.0.0")); }},
      {"command", [](ReadTx& tx) { return Ignore(tx.FindCommand(CommandId{})); }},
      {"commands for a host",
       [=](ReadTx& tx) { return Ignore(tx.FindCommandsFor({node.host_id, node.created_at, 10})); }},
      {"ended commands", [](ReadTx& tx) { return Ignore(tx.CountEndedCommands()); }},
      {"overdue", [=](ReadTx& tx) { return Ignore(tx.FindOverdue(node.created_at, 10)); }},
      {"rollout", [=](ReadTx& tx) { return Ignore(tx.FindRollout(id)); }},
      {"policy", [=](ReadTx& tx) { return Ignore(tx.FindPolicy(id)); }},
      {"policy for nodes",
       [=](ReadTx& tx) { return Ignore(tx.FindPolicyFor({node.org_id, protocol, "a"})); }},
      {"nodes of a policy",
       [=](ReadTx& tx) { return Ignore(tx.PolicyNodes({node.org_id, protocol, "a"})); }},
      {"past rollouts of a policy",
       [=](ReadTx& tx) { return Ignore(tx.PastRolloutsOf(PolicyId{})); }},
      {"images of a variant", [=](ReadTx& tx) { return Ignore(tx.ImagesOf(protocol, "a")); }},
      {"open rollouts", [](ReadTx& tx) { return Ignore(tx.OpenRollouts()); }},
      {"nodes of open rollouts", [](ReadTx& tx) { return Ignore(tx.OpenRolloutNodes()); }},
      {"late", [=](ReadTx& tx) { return Ignore(tx.FindLate(node.created_at, 10)); }},
      {"live nodes", [=](ReadTx& tx) { return Ignore(tx.LiveNodesOf(node.host_id)); }},
      {"claims", [=](ReadTx& tx) { return Ignore(tx.ClaimsOf(node.host_id)); }},
      {"drained nodes", [=](ReadTx& tx) { return Ignore(tx.DrainNodesOf(node.host_id)); }},
      {"run orders", [=](ReadTx& tx) { return Ignore(tx.RunOrdersOf(node.host_id)); }},
      {"what a drain waits for", [=](ReadTx& tx) { return Ignore(tx.DrainWaitsOf(node.host_id)); }},
      {"reported", [=](ReadTx& tx) { return Ignore(tx.FindReported(place)); }},
      {"conditions", [=](ReadTx& tx) { return Ignore(tx.FindConditions({place})); }},
      {"token", [=](ReadTx& tx) { return Ignore(tx.FindToken(id)); }},
      {"host's ledger", [=](ReadTx& tx) { return Ignore(tx.HostLedger(node.host_id, 0, 10)); }},
      {"node's ledger", [=](ReadTx& tx) { return Ignore(tx.NodeLedger(node.id, 0, 10)); }},
      {"org's usage", [=](ReadTx& tx) { return Ignore(tx.OrgUsage(node.org_id)); }},
  };
}

std::vector<NamedRead> Walks(const Fleet& fleet, const Node& node) {
  LockSet locks;
  locks.nodes = {node.id};
  locks.hosts = {node.host_id};
  locks.images = {fleet.big.id};
  locks.orgs = {node.org_id};
  locks.node_names = {"eth-2"};
  locks.requests = {fleet.Request("r").key};
  locks.placement = PlacementQuery{.region_id = fleet.region.id, .need = kSmall};
  locks.with_sums = true;
  locks.report_hosts = {node.host_id};
  locks.commands = {CommandId{}};
  locks.with_history = true;
  locks.node_configs = {{node.id, node.config_id}};
  locks.with_quotas = true;
  return {
      {"due policies", [](ReadTx& tx) { return Ignore(tx.DuePolicies()); }},
      {"what a decision needs", [=](ReadTx& tx) { return Ignore(tx.Load(locks)); }},
      {"audit of hosts", [](ReadTx& tx) { return Ignore(tx.AuditHosts({}, 10)); }},
      {"audit of a host", [=](ReadTx& tx) { return Ignore(tx.AuditHost(node.host_id)); }},
      {"audit of nodes", [](ReadTx& tx) { return Ignore(tx.AuditNodes({}, 10)); }},
      {"audit of a host's nodes",
       [=](ReadTx& tx) { return Ignore(tx.AuditNodesOf(node.host_id)); }},
      {"counts", [](ReadTx& tx) { return Ignore(tx.CountForAudit()); }},
      {"audit of machines", [](ReadTx& tx) { return Ignore(tx.AuditMachines({}, 10)); }},
      {"audit of a machine", [=](ReadTx& tx) { return Ignore(tx.AuditMachine(node.host_id)); }},
      {"hosts to mark",
       [=](ReadTx& tx) { return Ignore(tx.FindHostsToMark(node.created_at, 10)); }},
      {"heard at all", [](ReadTx& tx) { return Ignore(tx.WasAnyHostHeard()); }},
      {"reported totals", [](ReadTx& tx) { return Ignore(tx.CountReported()); }},
      {"overview", [=](ReadTx& tx) { return Ignore(tx.ReadOverview({{}, node.created_at})); }},
      {"overview of an org",
       [=](ReadTx& tx) { return Ignore(tx.ReadOverview({node.org_id, node.created_at})); }},
  };
}

}  // namespace tallyman
