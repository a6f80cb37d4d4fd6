#include <future>

#include "control/authorize.h"
#include "control/liveness.h"
#include "control/node_writer.h"
#include "control/read_once.h"
#include "control/reports.h"

namespace tallyman {
namespace {

// Under the locks of reports and hosts: what is so now, whoever else looked.
Result<Decision> Decide(Control& control, const Call& call, const std::vector<HostId>& ids,
                        Time before, const Snapshot& snapshot) {
  const Cause cause = control.CauseOf(call);
  std::vector<const HostSnapshot*> hosts;
  for (const HostId& id : ids) {
    const HostSnapshot& host = snapshot.hosts.at(id);
    const bool is_silent = snapshot.host_reports.at(id).heard_at < before;
    if (is_silent != host.host.silent_since.has_value()) hosts.push_back(&host);
  }
  ASSIGN_OR_RETURN(BooksPlan books, BooksPlan::Begin(hosts, {}, control.policies(), cause));
  Decision decision;
  decision.changes.ledger = books.ledger();
  decision.healed = books.drifts();
  decision.leaves_trail = !hosts.empty();
  for (const HostSnapshot* stored : hosts) {
    const HostId& id = stored->host.id;
    Host& host = ChangedHost(books, id, cause, decision);
    if (host.silent_since) {
      MarkHeard(host, cause, decision.changes);
    } else {
      MarkSilent(host, snapshot.host_reports.at(id).heard_at, cause, decision.changes);
    }
  }
  return decision;
}

}  // namespace

Result<bool> MarkSilentHosts(Control& control, int64_t limit) {
  const Time before = control.clock().Now() - control.policies().host_silent;
  ASSIGN_OR_RETURN(auto hosts, ReadOnce<std::vector<HostId>>(control, [&](ReadTx& tx) {
                     return tx.FindHostsToMark(before, limit);
                   }));
  if (hosts.empty()) return false;
  Call call;
  call.actor = {.id = "server", .org_id = {}, .role = Role::kAdmin};
  call.method = "internal/MarkSilentHosts";
  RETURN_IF_ERROR(Authorize(call));
  RETURN_IF_ERROR(control.Begin(call));
  Mutation mutation{.call = call, .locks = {}, .solo = false, .rows = 1, .decide = {}};
  mutation.locks.hosts = hosts;
  mutation.locks.report_hosts = hosts;
  mutation.rows = std::ssize(hosts);
  mutation.decide = [&control, call, hosts, before](const Snapshot& snapshot, ReadTx&) {
    return Decide(control, call, hosts, before, snapshot);
  };
  std::promise<Result<std::string>> promise;
  control.Submit(std::move(mutation),
                 [&](Result<std::string> answer) { promise.set_value(std::move(answer)); });
  Result<std::string> answer = promise.get_future().get();
  if (!answer) return Fail(answer.error());
  return std::ssize(hosts) == limit;
}

}  // namespace tallyman
