#include "control/change_host.h"

#include <fmt/core.h>

#include <algorithm>

namespace tallyman::control {

Host& ChangedHost(const planner::BooksPlan& books, const HostId& host, const planner::Cause& cause,
                  Writes& writes) {
  auto there = std::ranges::find(writes.hosts, host, &Host::id);
  if (there != writes.hosts.end()) return *there;
  const planner::HostChange& change = books.hosts().at(host);
  Host& after = writes.hosts.emplace_back(change.after);
  after.version = change.stored.version + 1;
  after.updated_at = cause.now;
  return after;
}

Result<Host*> ChangeHost(const Authorized& by, const planner::Cause& cause,
                         const HostSnapshot& host, Writes& writes) {
  const HostSnapshot* hosts[] = {&host};
  ASSIGN_OR_RETURN(planner::BooksPlan books,
                   planner::BooksPlan::Begin(hosts, {}, by.control().policies(), cause));
  writes.rows.ledger = books.ledger();
  writes.healed = books.drifts();
  return &ChangedHost(books, host.host.id, cause, writes);
}

Error HostChanged(const Host& host) {
  return Error(Code::kAborted, "HOST_CHANGED",
               fmt::format("the nodes of host {} changed meanwhile: retry", host.name))
      .About("host " + host.name);
}

Status CheckSameNodes(store::ReadTx& tx, const Host& host, const store::Snapshot& snapshot) {
  ASSIGN_OR_RETURN(const auto live, tx.LiveNodesOf(host.id));
  if (std::ranges::all_of(live, [&](const NodeId& id) { return snapshot.nodes.contains(id); }))
    return {};
  return Fail(HostChanged(host));
}

}  // namespace tallyman::control
