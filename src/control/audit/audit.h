// Audit and repair: compare everything that must agree, and set right what does not.
#pragma once

#include <string>
#include <vector>

#include "control/operation.h"
#include "planner/audit.h"
#include "planner/machine.h"

namespace tallyman::control {

struct AuditRequest {
  std::vector<std::string> hosts;  // empty: all
  int64_t drifts_max = 1000;       // how many to list; all are counted. Findings likewise
};

// What machines are compared with the books, as far as their hosts have reported.
struct MachineAnswer {
  std::vector<MachineFinding> findings;
  int64_t findings_total = 0;
  int64_t hosts = 0;       // that have reported
  int64_t compared = 0;    // nodes
  int64_t unsettled = 0;   // nodes in motion, or changed since the report
  int64_t unreported = 0;  // nodes of hosts that have never reported
};

struct AuditAnswer {
  int64_t hosts = 0;
  int64_t nodes = 0;
  int64_t ledger_entries = 0;
  std::vector<Drift> drifts;
  int64_t drifts_total = 0;
  MachineAnswer machine;
  bool balanced() const { return drifts_total == 0 && machine.findings_total == 0; }
};

// Reads one consistent state of the database in bounded memory; changes nothing.
Result<AuditAnswer> RunAudit(const Authorized& by, store::ReadTx& tx, const AuditRequest& request);

struct RepairRequest {
  std::vector<std::string> hosts;  // empty: all that are wrong
  PlanOptions plan;
};

struct Correction {
  Drift drift;
  int64_t ledger_seq = 0;  // 0 in a plan
};

struct RepairAnswer {
  std::vector<Correction> corrections;
  int64_t hosts = 0;
  // What is wrong on machines, which no repair of the books mends: each says what does.
  std::vector<MachineFinding> machine;
  std::vector<planner::Warning> warnings;
  std::string plan_token;
  bool applied = false;

  std::string PlanToken() const;
  void ForgetNewIds();
};

// The machines' side of an audit of these hosts; empty: all. At most `findings_max` are listed.
Result<MachineAnswer> CompareMachines(store::ReadTx& tx, const Actor& actor,
                                      const std::vector<HostId>& hosts, int64_t findings_max);

// Host by host under the host's lock: node fields from their configs first, then the holds from the
// transitions, then the sums; every correction in the ledger. Safe beside live traffic.
Result<Proposal<RepairAnswer>> RepairDrift(const Authorized& by, const RepairRequest& request);

}  // namespace tallyman::control
