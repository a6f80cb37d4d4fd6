// OrgService and RegionService.
#include "api/convert.h"
#include "api/list_message.h"
#include "api/method.h"
#include "control/inventory/inventory.h"
#include "control/read.h"
#include "control/reads/queries.h"
#include "tallyman/v1/org.pb.h"
#include "tallyman/v1/region.pb.h"

namespace tallyman::api {
namespace {

// An org or a region: id, name and creation time.
template <class Message, class Row>
Message NamedMessage(const Row& row) {
  Message out;
  out.set_id(row.id.ToString());
  out.set_name(row.name);
  *out.mutable_created_at() = ToMessage(row.created_at);
  return out;
}

v1::Quota QuotaMessage(const Quota& quota) {
  v1::Quota out;
  if (quota.node_count) out.set_node_count(*quota.node_count);
  if (quota.cpu_cores) out.set_cpu_cores(*quota.cpu_cores);
  if (quota.memory_bytes) out.set_memory_bytes(*quota.memory_bytes);
  if (quota.disk_bytes) out.set_disk_bytes(*quota.disk_bytes);
  return out;
}

Quota QuotaOf(const v1::Quota& quota) {
  Quota out;
  if (quota.has_node_count()) out.node_count = quota.node_count();
  if (quota.has_cpu_cores()) out.cpu_cores = quota.cpu_cores();
  if (quota.has_memory_bytes()) out.memory_bytes = quota.memory_bytes();
  if (quota.has_disk_bytes()) out.disk_bytes = quota.disk_bytes();
  return out;
}

v1::Org OrgMessage(const Org& org, const std::optional<Books>& taken) {
  v1::Org out = NamedMessage<v1::Org>(org);
  if (org.quota.IsSet()) *out.mutable_quota() = QuotaMessage(org.quota);
  if (taken) *out.mutable_taken() = ToMessage(*taken);
  return out;
}

Status DoCreateOrg(control::Control& control, control::Call call,
                   const v1::CreateOrgRequest& request, control::Done done) {
  auto encode = [](const Org& org) {
    v1::CreateOrgResponse response;
    *response.mutable_org() = OrgMessage(org, {});
    return Serialize(response);
  };
  control::Run(control, std::move(call), control::CreateOrg, request.name(), encode,
               std::move(done));
  return {};
}

Result<v1::GetOrgResponse> DoGetOrg(control::Control& control, const control::Call& call,
                                    const v1::GetOrgRequest& request) {
  ASSIGN_OR_RETURN(control::OrgView view,
                   control::Read(control, call, control::GetOrg, request.org()));
  v1::GetOrgResponse response;
  *response.mutable_org() = OrgMessage(view.org, view.taken);
  *response.mutable_usage() = ToMessage(view.usage);
  return response;
}

Result<v1::ListOrgsResponse> DoListOrgs(control::Control& control, const control::Call& call,
                                        const v1::ListOrgsRequest& request) {
  ASSIGN_OR_RETURN(control::Page<control::OrgView> page,
                   control::Read(control, call, control::ListOrgs, ListOf(request)));
  v1::ListOrgsResponse response;
  for (const control::OrgView& view : page.rows)
    *response.add_orgs() = OrgMessage(view.org, view.taken);
  response.set_next_page_token(page.next_page_token);
  return response;
}

Status DoSetQuota(control::Control& control, control::Call call, const v1::SetQuotaRequest& request,
                  control::Done done) {
  auto encode = [](const control::QuotaChange& change) {
    v1::SetQuotaResponse response;
    *response.mutable_org() = OrgMessage(change.org, change.taken);
    if (change.before.IsSet()) *response.mutable_quota_before() = QuotaMessage(change.before);
    return Serialize(response);
  };
  control::SetQuotaRequest asked{
      .org = request.org(), .set = QuotaOf(request.set()), .reset = Texts(request.reset())};
  control::Run(control, std::move(call), control::SetQuota, asked, encode, std::move(done));
  return {};
}

Status DoCreateRegion(control::Control& control, control::Call call,
                      const v1::CreateRegionRequest& request, control::Done done) {
  auto encode = [](const Region& region) {
    v1::CreateRegionResponse response;
    *response.mutable_region() = NamedMessage<v1::Region>(region);
    return Serialize(response);
  };
  control::Run(control, std::move(call), control::CreateRegion, request.name(), encode,
               std::move(done));
  return {};
}

Result<v1::ListRegionsResponse> DoListRegions(control::Control& control, const control::Call& call,
                                              const v1::ListRegionsRequest& request) {
  ASSIGN_OR_RETURN(control::Page<store::RegionRow> page,
                   control::Read(control, call, control::ListRegions, ListOf(request)));
  v1::ListRegionsResponse response;
  for (const store::RegionRow& row : page.rows)
    *response.add_regions() = NamedMessage<v1::Region>(row.region);
  response.set_next_page_token(page.next_page_token);
  return response;
}

}  // namespace

std::vector<Method> OrgAndRegionMethods() {
  return {
      WriteMethod<v1::CreateOrgResponse>("tallyman.v1.OrgService/CreateOrg", DoCreateOrg),
      ReadMethod("tallyman.v1.OrgService/GetOrg", DoGetOrg),
      ReadMethod("tallyman.v1.OrgService/ListOrgs", DoListOrgs),
      WriteMethod<v1::SetQuotaResponse>("tallyman.v1.OrgService/SetQuota", DoSetQuota),
      WriteMethod<v1::CreateRegionResponse>("tallyman.v1.RegionService/CreateRegion",
                                            DoCreateRegion),
      ReadMethod("tallyman.v1.RegionService/ListRegions", DoListRegions),
  };
}

}  // namespace tallyman::api
