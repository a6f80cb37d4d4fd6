#include <future>
#include <vector>

#include "control/change_host.h"
#include "control/hosts/reports.h"
#include "control/liveness.h"
#include "control/lots/decide.h"
#include "control/read_once.h"
#include "control/run_internal.h"

namespace tallyman::control {
namespace {

struct SilenceMark {
  bool changed = false;
};

// Under the locks of report and host: what is so now, whoever else looked.
Result<Decided<SilenceMark>> DecideMark(const Authorized& by, const HostId& id, Time before,
                                        const store::Snapshot& snapshot) {
  ASSIGN_OR_RETURN(const HostSnapshot* stored, RequireRow(snapshot.hosts, "host", id));
  ASSIGN_OR_RETURN(const HostReport* report, RequireRow(snapshot.host_reports, "report", id));
  const Time heard_at = report->heard_at;
  Decided<SilenceMark> decision;
  // Its event tells of a change.
  decision.leaves_trail = false;
  const bool is_silent = heard_at < before;
  if (is_silent == stored->host.silent_since.has_value()) return decision;
  const planner::Cause cause = by.cause();
  ASSIGN_OR_RETURN(Host* const host, ChangeHost(by, cause, *stored, decision));
  if (is_silent) {
    MarkSilent(*host, heard_at, cause, decision.rows);
  } else {
    MarkHeard(*host, cause, decision.rows);
  }
  decision.answer.changed = true;
  return decision;
}

}  // namespace

Result<bool> MarkSilentHosts(Control& control, int64_t limit) {
  const Time before = control.clock().Now() - control.policies().host_silent;
  ASSIGN_OR_RETURN(auto hosts, ReadOnce(control, [&](store::ReadTx& tx) {
                     return tx.FindHostsToMark(before, limit);
                   }));
  auto mark = [before](const Authorized&, const HostId& id) -> Result<Proposal<SilenceMark>> {
    Proposal<SilenceMark> proposal;
    proposal.locks.hosts = {id};
    proposal.locks.report_hosts = {id};
    proposal.decide = [id, before](const Authorized& by, const store::Snapshot& snapshot,
                                   store::ReadTx&) { return DecideMark(by, id, before, snapshot); };
    return proposal;
  };
  // One for each: they share lots, and one that fails keeps no other from being marked.
  std::vector<std::future<Status>> marks;
  for (const HostId& id : hosts)
    marks.push_back(BeginInternal(control, "internal/MarkSilentHosts", mark, id));
  Status marked;
  for (std::future<Status>& each : marks)
    if (Status status = each.get(); !status) marked = std::move(status);
  RETURN_IF_ERROR(marked);
  return std::ssize(hosts) == limit;
}

}  // namespace tallyman::control
