// Repair: one host after the other in one transaction, each under its lock: node fields from their
// configs first, then holds from the transitions, then the counters from the nodes, then the
// ledger and the cordon.
#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "base/digest.h"
#include "control/audit/audit.h"
#include "control/new_event.h"
#include "control/read_once.h"
#include "control/reads/resolve.h"
#include "planner/hold.h"

namespace tallyman::control {
namespace {

// The hosts that are wrong, or those named; at most this many in one transaction, so that a repair
// of a whole fleet does not stop all other writes for long.
constexpr size_t kHostsMax = 1000;
constexpr int64_t kFindingsMax = 1000;

Result<std::vector<HostId>> FindHosts(store::ReadTx& tx, const Actor& actor,
                                      const std::vector<std::string>& names) {
  std::set<HostId> hosts;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(store::HostRow row, ResolveHost(tx, actor, name));
    hosts.insert(row.host.id);
  }
  for (HostId after; names.empty();) {
    ASSIGN_OR_RETURN(auto page, tx.AuditHosts(after, 1000));
    for (const HostAudit& host : page) {
      if (!planner::CompareHost(host).empty()) hosts.insert(host.host.id);
    }
    if (page.size() < 1000) break;
    after = page.back().host.id;
  }
  for (NodeId after; names.empty();) {
    ASSIGN_OR_RETURN(auto page, tx.AuditNodes(after, 1000));
    for (const NodeAudit& node : page) hosts.insert(node.node.host_id);
    if (page.size() < 1000) break;
    after = page.back().node.id;
  }
  return std::vector<HostId>(hosts.begin(), hosts.end());
}

class Repair {
 public:
  Repair(planner::Cause cause, store::ReadTx& tx) : cause_(std::move(cause)), tx_(tx) {}

  Status Mend(const Host& locked) {
    ASSIGN_OR_RETURN(auto audit, tx_.AuditHost(locked.id));
    if (!audit) return {};
    ASSIGN_OR_RETURN(auto nodes, tx_.AuditNodesOf(locked.id));
    std::vector<Drift> drifts;
    for (const NodeAudit& node : nodes) {
      RETURN_IF_ERROR(MendNode(node, audit->sums));
      auto found = planner::CompareNode(node);
      drifts.insert(drifts.end(), found.begin(), found.end());
    }
    // The sums are those over the mended nodes from here on.
    auto found = planner::CompareHost(*audit);
    drifts.insert(drifts.end(), found.begin(), found.end());
    if (drifts.empty()) return {};
    return MendHost(*audit, std::move(drifts));
  }

  void WarnOfMore() {
    decision_.answer.warnings.push_back(
        {"MORE_TO_REPAIR",
         fmt::format("more than {} hosts have drift: repair again for the rest", kHostsMax),
         {},
         "",
         ""});
  }

  Decided<RepairAnswer> Finish(std::vector<MachineFinding> machine) {
    decision_.answer.machine = std::move(machine);
    decision_.warnings = decision_.answer.warnings;
    return std::move(decision_);
  }

 private:
  Status MendNode(const NodeAudit& audit, HostSums& sums) {
    if (!audit.config) {
      decision_.answer.warnings.push_back(
          {"CONFIG_MISSING",
           fmt::format("node {} has no config, so what it needs is unknown: delete the node, or "
                       "restore config {} from a backup",
                       audit.node.name, audit.node.config_id.ToString()),
           audit.node.host_id, audit.host_name, ""});
      return {};
    }
    ASSIGN_OR_RETURN(Resources others, Subtract(sums.books.allocated, audit.node.resources));
    ASSIGN_OR_RETURN(sums.books.allocated, Add(others, *audit.config));
    ASSIGN_OR_RETURN(Resources held, Subtract(sums.held, audit.node.held));
    ASSIGN_OR_RETURN(sums.held, Add(held, audit.hold));
    NodeUpdate& update = decision_.rows.node_updates.emplace_back();
    update.version_before = audit.node.version;
    update.after = audit.node;
    update.after.resources = *audit.config;
    update.after.held = audit.hold;
    update.after.version += 1;
    update.after.updated_at = cause_.now;
    return {};
  }

  Status MendHost(const HostAudit& audit, std::vector<Drift> drifts) {
    Host after = audit.host;
    after.books = audit.sums.books;
    after.held = audit.sums.held;
    after.cordoned = audit.claimed;
    // The highest number that anything has used: neither the row nor the ledger alone is trusted.
    after.ledger_seq = std::max(audit.host.ledger_seq, audit.ledger_last_seq) + 1;
    after.version += 1;
    after.updated_at = cause_.now;
    LedgerEntry entry;
    entry.host_id = after.id;
    entry.seq = after.ledger_seq;
    entry.kind = LedgerKind::kDriftCorrection;
    ASSIGN_OR_RETURN(entry.delta, Subtract(after.books, audit.ledger_fold));
    entry.balance = after.books;
    entry.corrections = drifts;
    entry.request_id = cause_.request_id;
    entry.actor_id = cause_.actor_id;
    entry.created_at = cause_.now;
    decision_.rows.ledger.push_back(std::move(entry));
    Event event = NewEvent(cause_, EventKind::kBooksCorrected,
                           Detail({{"drifts", std::to_string(drifts.size())}}));
    event.host_id = after.id;
    decision_.rows.events.push_back(std::move(event));
    for (Drift& drift : drifts) {
      decision_.healed.push_back(drift);
      decision_.answer.corrections.push_back({std::move(drift), after.ledger_seq});
    }
    ++decision_.answer.hosts;
    decision_.hosts.push_back(std::move(after));
    return {};
  }

  const planner::Cause cause_;
  store::ReadTx& tx_;
  Decided<RepairAnswer> decision_;
};

// What is wrong, found without locks.
struct Wrong {
  std::vector<HostId> hosts;
  bool more = false;
  std::vector<MachineFinding> machine;
};

Result<Wrong> FindWrong(store::ReadTx& tx, const Actor& actor,
                        const std::vector<std::string>& names) {
  Wrong wrong;
  ASSIGN_OR_RETURN(wrong.hosts, FindHosts(tx, actor, names));
  const auto compared = names.empty() ? std::vector<HostId>() : wrong.hosts;
  ASSIGN_OR_RETURN(MachineAnswer machine, CompareMachines(tx, actor, compared, kFindingsMax));
  wrong.machine = std::move(machine.findings);
  wrong.more = wrong.hosts.size() > kHostsMax;
  if (wrong.more) wrong.hosts.resize(kHostsMax);
  return wrong;
}

Result<Decided<RepairAnswer>> DecideRepair(const Authorized& by, const Wrong& wrong,
                                           const store::Snapshot& snapshot, store::ReadTx& tx) {
  Repair repair(by.cause(), tx);
  for (const HostId& id : wrong.hosts) {
    auto host = snapshot.hosts.find(id);
    if (host == snapshot.hosts.end()) continue;
    RETURN_IF_ERROR(repair.Mend(host->second.host));
  }
  if (wrong.more) repair.WarnOfMore();
  return repair.Finish(wrong.machine);
}

}  // namespace

std::string RepairAnswer::PlanToken() const {
  std::string text = "repair 1\n";
  for (const Correction& correction : corrections) {
    const Drift& drift = correction.drift;
    text += fmt::format("{} {} {} {} {} {}\n", ToText(drift.kind), drift.host_name, drift.node_name,
                        drift.dimension, drift.stored, drift.true_value);
  }
  return Sha256Hex(text);
}

void RepairAnswer::ForgetNewIds() {
  for (Correction& correction : corrections) correction.ledger_seq = 0;
}

Result<Proposal<RepairAnswer>> RepairDrift(const Authorized& by, const RepairRequest& request) {
  ASSIGN_OR_RETURN(Wrong wrong, ReadOnce(by.control(), [&](store::ReadTx& tx) {
                     by.control().KeepToDeadline(by.call().deadline, tx);
                     return FindWrong(tx, by.actor(), request.hosts);
                   }));
  Proposal<RepairAnswer> proposal{.solo = true, .plan = request.plan, .audits_hosts = true};
  proposal.locks.hosts = wrong.hosts;
  proposal.decide = [wrong = std::move(wrong), dry_run = request.plan.dry_run](
                        const Authorized& as, const store::Snapshot& snapshot, store::ReadTx& tx) {
    if (dry_run) as.control().KeepToDeadline(as.call().deadline, tx);
    return DecideRepair(as, wrong, snapshot, tx);
  };
  return proposal;
}

}  // namespace tallyman::control
