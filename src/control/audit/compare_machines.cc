// The machines' side of an audit: what hosts reported last, beside what the books say.
#include <iterator>

#include "control/audit/audit.h"
#include "control/authorize.h"

namespace tallyman::control {
namespace {

constexpr int64_t kMachineRows = 100;

// An actor of one org hears that something is wrong, but not with whose node.
void Hide(const Actor& actor, MachineFinding& finding) {
  if (!actor.org_id || finding.org_id == actor.org_id) return;
  finding.node_id = {};
  finding.node_name.clear();
  finding.mend.clear();
  if (finding.kind == MachineKind::kLimit) return;
  finding.booked.clear();
  finding.found.clear();
}

void Take(const MachineAudit& audit, const Actor& actor, int64_t findings_max,
          MachineAnswer& answer) {
  planner::MachineComparison comparison = planner::CompareMachine(audit);
  ++answer.hosts;
  answer.compared += comparison.compared;
  answer.unsettled += comparison.unsettled;
  answer.findings_total += std::ssize(comparison.findings);
  for (MachineFinding& finding : comparison.findings) {
    if (std::ssize(answer.findings) == findings_max) return;
    Hide(actor, finding);
    answer.findings.push_back(std::move(finding));
  }
}

}  // namespace

Result<MachineAnswer> CompareMachines(store::ReadTx& tx, const Actor& actor,
                                      const std::vector<HostId>& hosts, int64_t findings_max) {
  MachineAnswer answer;
  for (const HostId& host : hosts) {
    ASSIGN_OR_RETURN(auto audit, tx.AuditMachine(host));
    if (audit) Take(*audit, actor, findings_max, answer);
  }
  for (HostId after; hosts.empty();) {
    ASSIGN_OR_RETURN(auto page, tx.AuditMachines(after, kMachineRows));
    for (const MachineAudit& audit : page) Take(audit, actor, findings_max, answer);
    if (std::ssize(page) < kMachineRows) break;
    after = page.back().host.host_id;
  }
  return answer;
}

}  // namespace tallyman::control
