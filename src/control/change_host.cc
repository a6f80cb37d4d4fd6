#include "control/change_host.h"

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

}  // namespace tallyman::control
