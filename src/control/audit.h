// Audit and repair: compare everything that must agree, and set right what does not.
#pragma once

#include <string>
#include <vector>

#include "control/control.h"
#include "control/nodes.h"
#include "planner/audit.h"

namespace tallyman {

struct AuditRequest {
  std::vector<std::string> hosts;  // empty: all
  int64_t drifts_max = 1000;       // how many to list; all are counted
};

struct AuditAnswer {
  int64_t hosts = 0;
  int64_t nodes = 0;
  int64_t ledger_entries = 0;
  std::vector<Drift> drifts;
  int64_t drifts_total = 0;
  bool balanced() const { return drifts_total == 0; }
};

// Reads one consistent state of the database in bounded memory; changes nothing.
Result<AuditAnswer> RunAudit(Control& control, const Call& call, const AuditRequest& request);

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
  std::vector<Warning> warnings;
  std::string plan_token;
  bool applied = false;
};

// Host by host under the host's lock: node fields from their configs first, then the holds from the
// transitions, then the sums; every correction in the ledger. Safe beside live traffic.
void RepairDrift(Control& control, Call call, const RepairRequest& request,
                 Encode<RepairAnswer> encode, Done done);

}  // namespace tallyman
