// OrgService and RegionService.
#include "api/convert.h"
#include "api/list_message.h"
#include "api/method.h"
#include "control/inventory/inventory.h"
#include "control/read.h"
#include "control/reads/queries.h"
#include "tallyman/v1/org.pb.h"
#include "tallyman/v1/region.pb.h"

namespace tallyman {
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

Status DoCreateOrg(Control& control, Call call, const v1::CreateOrgRequest& request, Done done) {
  auto encode = [](const Org& org) {
    v1::CreateOrgResponse response;
    *response.mutable_org() = NamedMessage<v1::Org>(org);
    return Serialize(response);
  };
  Run(control, std::move(call), CreateOrg, request.name(), encode, std::move(done));
  return {};
}

Result<v1::GetOrgResponse> DoGetOrg(Control& control, const Call& call,
                                    const v1::GetOrgRequest& request) {
  ASSIGN_OR_RETURN(OrgView view, Read(control, call, GetOrg, request.org()));
  v1::GetOrgResponse response;
  *response.mutable_org() = NamedMessage<v1::Org>(view.org);
  *response.mutable_usage() = ToMessage(view.usage);
  return response;
}

Result<v1::ListOrgsResponse> DoListOrgs(Control& control, const Call& call,
                                        const v1::ListOrgsRequest& request) {
  ASSIGN_OR_RETURN(Page<OrgRow> page, Read(control, call, ListOrgs, ListOf(request)));
  v1::ListOrgsResponse response;
  for (const OrgRow& row : page.rows) *response.add_orgs() = NamedMessage<v1::Org>(row.org);
  response.set_next_page_token(page.next_page_token);
  return response;
}

Status DoCreateRegion(Control& control, Call call, const v1::CreateRegionRequest& request,
                      Done done) {
  auto encode = [](const Region& region) {
    v1::CreateRegionResponse response;
    *response.mutable_region() = NamedMessage<v1::Region>(region);
    return Serialize(response);
  };
  Run(control, std::move(call), CreateRegion, request.name(), encode, std::move(done));
  return {};
}

Result<v1::ListRegionsResponse> DoListRegions(Control& control, const Call& call,
                                              const v1::ListRegionsRequest& request) {
  ASSIGN_OR_RETURN(Page<RegionRow> page, Read(control, call, ListRegions, ListOf(request)));
  v1::ListRegionsResponse response;
  for (const RegionRow& row : page.rows)
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
      WriteMethod<v1::CreateRegionResponse>("tallyman.v1.RegionService/CreateRegion",
                                            DoCreateRegion),
      ReadMethod("tallyman.v1.RegionService/ListRegions", DoListRegions),
  };
}

}  // namespace tallyman
