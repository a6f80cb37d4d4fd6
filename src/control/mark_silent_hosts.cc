#include <deque>
#include <future>
#include <vector>

#include "control/authorize.h"
#include "control/liveness.h"
#include "control/read_once.h"
#include "control/reports.h"

namespace tallyman {
namespace {

// Under the locks of report and host: what is so now, whoever else looked.
Result<Decision> DecideMark(Control& control, const Call& call, const HostId& id, Time before,
                            const Snapshot& snapshot) {
  const Cause cause = control.CauseOf(call);
  const HostSnapshot& stored = snapshot.hosts.at(id);
  const Time heard_at = snapshot.host_reports.at(id).heard_at;
  Decision decision;
  // Its event tells of a change.
  decision.leaves_trail = false;
  const bool is_silent = heard_at < before;
  if (is_silent == stored.host.silent_since.has_value()) return decision;
  const HostSnapshot* hosts[] = {&stored};
  ASSIGN_OR_RETURN(BooksPlan books, BooksPlan::Begin(hosts, {}, control.policies(), cause));
  decision.changes.ledger = books.ledger();
  decision.healed = books.drifts();
  Host& host = ChangedHost(books, id, cause, decision);
  if (is_silent) {
    MarkSilent(host, heard_at, cause, decision.changes);
  } else {
    MarkHeard(host, cause, decision.changes);
  }
  return decision;
}

}  // namespace

Result<bool> MarkSilentHosts(Control& control, int64_t limit) {
  const Time before = control.clock().Now() - control.policies().host_silent;
  ASSIGN_OR_RETURN(auto hosts, ReadOnce<std::vector<HostId>>(control, [&](ReadTx& tx) {
                     return tx.FindHostsToMark(before, limit);
                   }));
  // A mutation for each: they share lots, and one that fails keeps no other from being marked.
  std::vector<Mutation> marks;
  for (const HostId& id : hosts) {
    Call call;
    call.actor = {.id = "server", .org_id = {}, .role = Role::kAdmin};
    call.method = "internal/MarkSilentHosts";
    RETURN_IF_ERROR(Authorize(call));
    RETURN_IF_ERROR(control.Begin(call));
    Mutation& mark = marks.emplace_back(
        Mutation{.call = call, .locks = {}, .solo = false, .rows = 1, .decide = {}});
    mark.locks.hosts = {id};
    mark.locks.report_hosts = {id};
    mark.decide = [&control, call, id, before](const Snapshot& snapshot, ReadTx&) {
      return DecideMark(control, call, id, before, snapshot);
    };
  }
  std::deque<std::promise<Result<std::string>>> answers;
  for (Mutation& mark : marks) {
    control.Submit(std::move(mark), [&answer = answers.emplace_back()](Result<std::string> result) {
      answer.set_value(std::move(result));
    });
  }
  Status marked;
  for (auto& answer : answers) {
    Result<std::string> result = answer.get_future().get();
    if (!result) marked = Fail(std::move(result).error());
  }
  RETURN_IF_ERROR(marked);
  return std::ssize(hosts) == limit;
}

}  // namespace tallyman
