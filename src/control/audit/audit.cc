#include "control/audit/audit.h"

#include <algorithm>

#include "control/authorize.h"
#include "control/reads/query_tools.h"
#include "control/reads/resolve.h"

namespace tallyman::control {
namespace {

constexpr int64_t kAuditRows = 1000;

class Auditor {
 public:
  Auditor(store::ReadTx& tx, const Actor& actor, int64_t drifts_max)
      : tx_(tx), actor_(actor), names_(tx), drifts_max_(drifts_max) {}

  // Node fields first: the sums over nodes mean nothing before them.
  Result<AuditAnswer> All() {
    ASSIGN_OR_RETURN(AuditCounts counts, tx_.CountForAudit());
    answer_.hosts = counts.hosts;
    answer_.nodes = counts.nodes;
    answer_.ledger_entries = counts.ledger_entries;
    for (NodeId after;;) {
      ASSIGN_OR_RETURN(auto nodes, tx_.AuditNodes(after, kAuditRows));
      for (const NodeAudit& node : nodes) RETURN_IF_ERROR(Take(planner::CompareNode(node)));
      if (static_cast<int64_t>(nodes.size()) < kAuditRows) break;
      after = nodes.back().node.id;
    }
    for (HostId after;;) {
      ASSIGN_OR_RETURN(auto hosts, tx_.AuditHosts(after, kAuditRows));
      for (const HostAudit& host : hosts) RETURN_IF_ERROR(Take(planner::CompareHost(host)));
      if (static_cast<int64_t>(hosts.size()) < kAuditRows) break;
      after = hosts.back().host.id;
    }
    ASSIGN_OR_RETURN(answer_.machine, CompareMachines(tx_, actor_, {}, drifts_max_));
    return WithUnreported();
  }

  Result<AuditAnswer> Only(const std::vector<std::string>& hosts) {
    std::vector<HostId> ids;
    for (const std::string& name : hosts) {
      ASSIGN_OR_RETURN(store::HostRow row, ResolveHost(tx_, actor_, name));
      ids.push_back(row.host.id);
      ASSIGN_OR_RETURN(auto nodes, tx_.AuditNodesOf(row.host.id));
      for (const NodeAudit& node : nodes) RETURN_IF_ERROR(Take(planner::CompareNode(node)));
      ASSIGN_OR_RETURN(auto host, tx_.AuditHost(row.host.id));
      if (!host) continue;
      RETURN_IF_ERROR(Take(planner::CompareHost(*host)));
      ++answer_.hosts;
      answer_.nodes += host->sums.books.node_count;
      answer_.ledger_entries += host->ledger_entries;
    }
    ASSIGN_OR_RETURN(answer_.machine, CompareMachines(tx_, actor_, ids, drifts_max_));
    return WithUnreported();
  }

 private:
  AuditAnswer WithUnreported() {
    MachineAnswer& machine = answer_.machine;
    machine.unreported = answer_.nodes - machine.compared - machine.unsettled;
    return std::move(answer_);
  }

  // An actor of one org hears that a number is wrong, but not of whose node.
  Status Take(std::vector<Drift> drifts) {
    answer_.drifts_total += static_cast<int64_t>(drifts.size());
    for (Drift& drift : drifts) {
      if (static_cast<int64_t>(answer_.drifts.size()) >= drifts_max_) return {};
      if (actor_.org_id && drift.node_id) {
        ASSIGN_OR_RETURN(const store::NodeRow* node, names_.NodeOf(*drift.node_id));
        if (node == nullptr || !SeesNode(actor_, node->node)) {
          drift.node_id.reset();
          drift.node_name.clear();
        }
      }
      answer_.drifts.push_back(std::move(drift));
    }
    return {};
  }

  store::ReadTx& tx_;
  const Actor& actor_;
  Names names_;
  int64_t drifts_max_;
  AuditAnswer answer_;
};

}  // namespace

Result<AuditAnswer> RunAudit(const Authorized& by, store::ReadTx& tx, const AuditRequest& request) {
  Auditor auditor(tx, by.actor(), request.drifts_max);
  return request.hosts.empty() ? auditor.All() : auditor.Only(request.hosts);
}

}  // namespace tallyman::control
