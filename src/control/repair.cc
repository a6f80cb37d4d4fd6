// Repair: one host after the other in one transaction, each under its lock: node fields from their
// configs first, then holds from the transitions, then the counters from the nodes, then the
// ledger and the cordon.
#include <algorithm>
#include <set>

#include "base/digest.h"
#include "control/audit.h"
#include "control/authorize.h"
#include "control/inventory_writer.h"
#include "control/node_writer.h"
#include "control/read_once.h"
#include "control/resolve.h"
#include "planner/hold.h"

namespace tallyman {
namespace {

// The hosts that are wrong, or those named; at most this many in one transaction, so that a repair
// of a whole fleet does not stop all other writes for long.
constexpr size_t kHostsMax = 1000;
constexpr int64_t kFindingsMax = 1000;

Result<std::vector<HostId>> FindHosts(ReadTx& tx, const Actor& actor,
                                      const std::vector<std::string>& names) {
  std::set<HostId> hosts;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(HostRow row, ResolveHost(tx, actor, name));
    hosts.insert(row.host.id);
  }
  for (HostId after; names.empty();) {
    ASSIGN_OR_RETURN(auto page, tx.AuditHosts(after, 1000));
    for (const HostAudit& host : page) {
      if (!CompareHost(host).empty()) hosts.insert(host.host.id);
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
  Repair(Control& control, const Call& call, ReadTx& tx) : cause_(control.CauseOf(call)), tx_(tx) {}

  Status Mend(const Host& locked) {
    ASSIGN_OR_RETURN(auto audit, tx_.AuditHost(locked.id));
    if (!audit) return {};
    ASSIGN_OR_RETURN(auto nodes, tx_.AuditNodesOf(locked.id));
    std::vector<Drift> drifts;
    for (const NodeAudit& node : nodes) {
      RETURN_IF_ERROR(MendNode(node, audit->sums));
      auto found = CompareNode(node);
      drifts.insert(drifts.end(), found.begin(), found.end());
    }
    // The sums are those over the mended nodes from here on.
    auto found = CompareHost(*audit);
    drifts.insert(drifts.end(), found.begin(), found.end());
    if (drifts.empty()) return {};
    return MendHost(*audit, std::move(drifts));
  }

  RepairAnswer answer;
  ChangeSet rows;
  std::vector<Host> hosts;
  std::vector<Drift> healed;

 private:
  Status MendNode(const NodeAudit& audit, HostSums& sums) {
    if (!audit.config) {
      answer.warnings.push_back(
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
    NodeUpdate& update = rows.node_updates.emplace_back();
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
    rows.ledger.push_back(std::move(entry));
    Event event = InventoryEvent(cause_, EventKind::kBooksCorrected,
                                 Detail({{"drifts", std::to_string(drifts.size())}}));
    event.host_id = after.id;
    rows.events.push_back(std::move(event));
    for (Drift& drift : drifts) {
      healed.push_back(drift);
      answer.corrections.push_back({std::move(drift), after.ledger_seq});
    }
    ++answer.hosts;
    hosts.push_back(std::move(after));
    return {};
  }

  Cause cause_;
  ReadTx& tx_;
};

std::string TokenOf(const RepairAnswer& answer) {
  std::string text = "repair 1\n";
  for (const Correction& correction : answer.corrections) {
    const Drift& drift = correction.drift;
    text += fmt::format("{} {} {} {} {} {}\n", ToText(drift.kind), drift.host_name, drift.node_name,
                        drift.dimension, drift.stored, drift.true_value);
  }
  return Sha256Hex(text);
}

Result<Repair> Decide(Control& control, const Call& call, const PlanOptions& options,
                      const std::vector<HostId>& ids, const Snapshot& snapshot, ReadTx& tx) {
  Repair repair(control, call, tx);
  for (const HostId& id : ids) {
    auto host = snapshot.hosts.find(id);
    if (host == snapshot.hosts.end()) continue;
    RETURN_IF_ERROR(repair.Mend(host->second.host));
  }
  RepairAnswer& answer = repair.answer;
  answer.applied = !options.dry_run;
  if (options.dry_run || !options.plan_token.empty()) answer.plan_token = TokenOf(answer);
  if (!options.plan_token.empty() && options.plan_token != answer.plan_token) {
    return Fail(PlanStale(options.plan_token, answer.plan_token));
  }
  return repair;
}

}  // namespace

void RepairDrift(Control& control, Call call, const RepairRequest& request,
                 Encode<RepairAnswer> encode, Done done) {
  if (Status status = Authorize(call); !status) return done(Fail(status.error()));
  if (Status status = control.Begin(call); !status) return done(Fail(status.error()));
  std::vector<MachineFinding> findings;
  auto ids = ReadOnce<std::vector<HostId>>(control, [&](ReadTx& tx) -> Result<std::vector<HostId>> {
    control.KeepToDeadline(call, tx);
    ASSIGN_OR_RETURN(std::vector<HostId> found, FindHosts(tx, call.actor, request.hosts));
    ASSIGN_OR_RETURN(
        MachineAnswer machine,
        CompareMachines(tx, call.actor, request.hosts.empty() ? std::vector<HostId>() : found,
                        kFindingsMax));
    findings = std::move(machine.findings);
    return found;
  });
  if (!ids) return done(Fail(ids.error()));
  bool more = ids->size() > kHostsMax;
  if (more) ids->resize(kHostsMax);
  LockSet locks;
  locks.hosts = *ids;
  auto decide = [&control, call, options = request.plan, ids = *std::move(ids), more,
                 findings = std::move(findings)](const Snapshot& snapshot,
                                                 ReadTx& tx) -> Result<Repair> {
    ASSIGN_OR_RETURN(Repair repair, Decide(control, call, options, ids, snapshot, tx));
    repair.answer.machine = findings;
    if (more) {
      repair.answer.warnings.push_back(
          {"MORE_TO_REPAIR",
           fmt::format("more than {} hosts are wrong: repair again for the rest", kHostsMax),
           {},
           "",
           ""});
    }
    return repair;
  };
  if (request.plan.dry_run) {
    return done(ReadOnce<std::string>(control, [&](ReadTx& tx) -> Result<std::string> {
      control.KeepToDeadline(call, tx);
      ASSIGN_OR_RETURN(Snapshot snapshot, tx.Load(locks));
      ASSIGN_OR_RETURN(Repair repair, decide(snapshot, tx));
      for (Correction& correction : repair.answer.corrections) correction.ledger_seq = 0;
      return encode(repair.answer);
    }));
  }
  Mutation mutation{
      .call = std::move(call), .locks = std::move(locks), .solo = true, .rows = 1, .decide = {}};
  mutation.decide = [decide, encode = std::move(encode)](const Snapshot& snapshot,
                                                         ReadTx& tx) -> Result<Decision> {
    ASSIGN_OR_RETURN(Repair repair, decide(snapshot, tx));
    Decision decision{.changes = std::move(repair.rows),
                      .hosts = std::move(repair.hosts),
                      .healed = std::move(repair.healed),
                      .warnings = repair.answer.warnings,
                      .answer = encode(repair.answer)};
    return decision;
  };
  control.Submit(std::move(mutation), std::move(done));
}

}  // namespace tallyman
