#include "control/reads/queries.h"

#include <span>

#include "control/reads/query_tools.h"
#include "planner/capacity.h"

namespace tallyman {
namespace {

HostView ViewOf(HostRow row) {
  HostView view;
  if (auto free = FreeOf(row.host)) view.free = *free;
  view.warnings = OverCapacity(row.host);
  view.row = std::move(row);
  return view;
}

// What hosts last said, with one question for all of them.
Status AddReported(ReadTx& tx, std::span<HostView> views) {
  LockSet wanted;
  for (const HostView& view : views) wanted.report_hosts.push_back(view.row.host.id);
  ASSIGN_OR_RETURN(Snapshot snapshot, tx.Load(wanted));
  for (HostView& view : views) {
    auto found = snapshot.host_reports.find(view.row.host.id);
    if (found != snapshot.host_reports.end()) view.reported = std::move(found->second);
  }
  return {};
}

constexpr auto kAll = [](const auto&) { return true; };

}  // namespace

Result<OrgView> GetOrg(const Authorized& by, ReadTx& tx, const std::string& name) {
  OrgView view;
  ASSIGN_OR_RETURN(view.org, ResolveOrg(tx, by.actor(), name));
  ASSIGN_OR_RETURN(view.usage, tx.OrgUsage(view.org.id));
  return view;
}

Result<Page<OrgRow>> ListOrgs(const Authorized& by, ReadTx& tx, const ListRequest& request) {
  ASSIGN_OR_RETURN(ListQuery query, PrepareList(tx, by.actor(), Listing::kOrgs, request));
  return ReadPage<OrgRow>(
      Listing::kOrgs, request, std::move(query), [&](const ListQuery& q) { return tx.ListOrgs(q); },
      [&](const OrgRow& row) { return Sees(by.actor(), row.org.id); });
}

Result<Page<RegionRow>> ListRegions(const Authorized& by, ReadTx& tx, const ListRequest& request) {
  ASSIGN_OR_RETURN(ListQuery query, PrepareList(tx, by.actor(), Listing::kRegions, request));
  return ReadPage<RegionRow>(
      Listing::kRegions, request, std::move(query),
      [&](const ListQuery& q) { return tx.ListRegions(q); }, kAll);
}

Result<HostView> GetHost(const Authorized& by, ReadTx& tx, const std::string& name) {
  ASSIGN_OR_RETURN(HostRow row, ResolveHost(tx, by.actor(), name));
  HostView view = ViewOf(std::move(row));
  RETURN_IF_ERROR(AddReported(tx, {&view, 1}));
  ASSIGN_OR_RETURN(view.claims, tx.ClaimsOf(view.row.host.id));
  return view;
}

Result<Page<HostView>> ListHosts(const Authorized& by, ReadTx& tx, const ListRequest& request) {
  ASSIGN_OR_RETURN(ListQuery query, PrepareList(tx, by.actor(), Listing::kHosts, request));
  if (by.actor().role == Role::kHost) RETURN_IF_ERROR(LimitToActor(tx, by.actor(), query, "name"));
  ASSIGN_OR_RETURN(auto rows,
                   ReadPage<HostRow>(
                       Listing::kHosts, request, std::move(query),
                       [&](const ListQuery& q) { return tx.ListHosts(q); },
                       [&](const HostRow& row) { return SeesHost(by.actor(), row.host.id); }));
  Page<HostView> page{.rows = {}, .next_page_token = std::move(rows.next_page_token)};
  for (HostRow& row : rows.rows) page.rows.push_back(ViewOf(std::move(row)));
  RETURN_IF_ERROR(AddReported(tx, page.rows));
  return page;
}

}  // namespace tallyman
