#include "control/reads/queries.h"

#include <algorithm>
#include <span>

#include "control/reads/query_tools.h"
#include "planner/capacity.h"

namespace tallyman::control {
namespace {

HostView ViewOf(store::HostRow row) {
  HostView view;
  if (auto free = FreeOf(row.host)) view.free = *free;
  view.warnings = planner::OverCapacity(row.host);
  view.row = std::move(row);
  return view;
}

// What hosts last said, with one question for all of them.
Status AddReported(store::ReadTx& tx, std::span<HostView> views) {
  store::LockSet wanted;
  for (const HostView& view : views) wanted.report_hosts.push_back(view.row.host.id);
  ASSIGN_OR_RETURN(store::Snapshot snapshot, tx.Load(wanted));
  for (HostView& view : views) {
    auto found = snapshot.host_reports.find(view.row.host.id);
    if (found != snapshot.host_reports.end()) view.reported = std::move(found->second);
  }
  return {};
}

Status AddDrain(const Actor& actor, store::ReadTx& tx, HostView& view) {
  std::optional<Time> since;
  for (const HostClaim& claim : view.claims) {
    if (claim.kind == ClaimKind::kDrain) since = std::max(since, std::optional(claim.created_at));
  }
  if (!since) return {};
  const HostId& host = view.row.host.id;
  HostDrain& drain = view.drain.emplace();
  drain.status_since = view.reported && view.reported->status_at > since;
  ASSIGN_OR_RETURN(drain.waits, tx.DrainWaitsOf(host));
  drain.wait_count = std::ssize(drain.waits);
  drain.drained = drain.status_since && drain.waits.empty();
  // What runs there and is none of ours concerns whom every node does.
  std::erase_if(drain.waits,
                [&](const DrainWait& wait) { return actor.org_id && actor.org_id != wait.org_id; });
  ASSIGN_OR_RETURN(const std::vector<DrainNode> stopped, tx.DrainNodesOf(host));
  drain.stopped_count = std::ssize(stopped);
  return {};
}

constexpr auto kAll = [](const auto&) { return true; };

}  // namespace

Result<OrgView> GetOrg(const Authorized& by, store::ReadTx& tx, const std::string& name) {
  OrgView view;
  ASSIGN_OR_RETURN(view.org, ResolveOrg(tx, by.actor(), name));
  ASSIGN_OR_RETURN(const HostSums sums, tx.OrgUsage(view.org.id));
  view.usage = sums.books;
  ASSIGN_OR_RETURN(view.taken, sums.Taken());
  return view;
}

Result<Page<OrgView>> ListOrgs(const Authorized& by, store::ReadTx& tx,
                               const ListRequest& request) {
  ASSIGN_OR_RETURN(store::ListQuery query,
                   PrepareList(tx, by.actor(), store::Listing::kOrgs, request));
  ASSIGN_OR_RETURN(auto rows,
                   ReadPage<store::OrgRow>(
                       store::Listing::kOrgs, request, std::move(query),
                       [&](const store::ListQuery& q) { return tx.ListOrgs(q); },
                       [&](const store::OrgRow& row) { return Sees(by.actor(), row.org.id); }));
  Page<OrgView> page{.next_page_token = std::move(rows.next_page_token)};
  for (store::OrgRow& row : rows.rows) {
    OrgView& view = page.rows.emplace_back();
    view.org = std::move(row.org);
    if (!view.org.quota.IsSet()) continue;
    ASSIGN_OR_RETURN(const HostSums sums, tx.OrgUsage(view.org.id));
    ASSIGN_OR_RETURN(view.taken, sums.Taken());
  }
  return page;
}

Result<Page<store::RegionRow>> ListRegions(const Authorized& by, store::ReadTx& tx,
                                           const ListRequest& request) {
  ASSIGN_OR_RETURN(store::ListQuery query,
                   PrepareList(tx, by.actor(), store::Listing::kRegions, request));
  return ReadPage<store::RegionRow>(
      store::Listing::kRegions, request, std::move(query),
      [&](const store::ListQuery& q) { return tx.ListRegions(q); }, kAll);
}

Result<HostView> GetHost(const Authorized& by, store::ReadTx& tx, const std::string& name) {
  ASSIGN_OR_RETURN(store::HostRow row, ResolveHost(tx, by.actor(), name));
  HostView view = ViewOf(std::move(row));
  RETURN_IF_ERROR(AddReported(tx, {&view, 1}));
  ASSIGN_OR_RETURN(view.claims, tx.ClaimsOf(view.row.host.id));
  RETURN_IF_ERROR(AddDrain(by.actor(), tx, view));
  return view;
}

Result<Page<HostView>> ListHosts(const Authorized& by, store::ReadTx& tx,
                                 const ListRequest& request) {
  ASSIGN_OR_RETURN(store::ListQuery query,
                   PrepareList(tx, by.actor(), store::Listing::kHosts, request));
  if (by.actor().role == Role::kHost) RETURN_IF_ERROR(LimitToActor(tx, by.actor(), query, "name"));
  ASSIGN_OR_RETURN(
      auto rows, ReadPage<store::HostRow>(
                     store::Listing::kHosts, request, std::move(query),
                     [&](const store::ListQuery& q) { return tx.ListHosts(q); },
                     [&](const store::HostRow& row) { return SeesHost(by.actor(), row.host.id); }));
  Page<HostView> page{.next_page_token = std::move(rows.next_page_token)};
  for (store::HostRow& row : rows.rows) page.rows.push_back(ViewOf(std::move(row)));
  RETURN_IF_ERROR(AddReported(tx, page.rows));
  return page;
}

}  // namespace tallyman::control
