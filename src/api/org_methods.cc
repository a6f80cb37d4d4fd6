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

Status DoCreateOrg(control::Control& control, control::Call call,
                   const v1::CreateOrgRequest& request, control::Done done) {
  auto encode = [](const Org& org) {
    v1::CreateOrgResponse response;
    *response.mutable_org() = NamedMessage<v1::Org>(org);
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
  *response.mutable_org() = NamedMessage<v1::Org>(view.org);
  *response.mutable_usage() = ToMessage(view.usage);
  return response;
}

Result<v1::ListOrgsResponse> DoListOrgs(control::Control& control, const control::Call& call,
                                        const v1::ListOrgsRequest& request) {
  ASSIGN_OR_RETURN(control::Page<store::OrgRow> page,
                   control::Read(control, call, control::ListOrgs, ListOf(request)));
  v1::ListOrgsResponse response;
  for (const store::OrgRow& row : page.rows) *response.add_orgs() = NamedMessage<v1::Org>(row.org);
  response.set_next_page_token(page.next_page_token);
  return response;
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
      WriteMethod<v1::CreateRegionResponse>("tallyman.v1.RegionService/CreateRegion",
                                            DoCreateRegion),
      ReadMethod("tallyman.v1.RegionService/ListRegions", DoListRegions),
  };
}

}  // namespace tallyman::api
