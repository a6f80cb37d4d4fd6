// Orgs, regions and protocols: a row and an event each.
#include <fmt/core.h>

#include "base/text.h"
#include "control/inventory/inventory.h"
#include "control/new_event.h"
#include "control/reads/resolve.h"

namespace tallyman::control {
namespace {

Error Taken(std::string_view kind, std::string reason, const std::string& name) {
  return AlreadyExists(std::move(reason), fmt::format("{} {} exists already", kind, name))
      .About(fmt::format("{} {}", kind, name))
      .With("field", kind == "protocol" ? "key" : "name");
}

}  // namespace

Result<Proposal<Org>> CreateOrg(const Authorized&, const std::string& name) {
  RETURN_IF_ERROR(CheckNewName("name", name));
  auto decide = [name](const Authorized& by, const store::Snapshot&,
                       store::ReadTx& tx) -> Result<Decided<Org>> {
    ASSIGN_OR_RETURN(auto existing, tx.FindOrg(name));
    if (existing) return Fail(Taken("org", "ORG_NAME_TAKEN", name));
    const planner::Cause cause = by.cause();
    Decided<Org> decision;
    decision.answer = {by.control().ids().New<OrgId>(), name, cause.now};
    decision.rows.new_orgs = {decision.answer};
    decision.rows.events = {NewEvent(cause, EventKind::kOrgCreated, Detail({{"org", name}}))};
    decision.rows.events.front().org_id = decision.answer.id;
    return decision;
  };
  return Proposal<Org>{.solo = true, .decide = std::move(decide)};
}

Result<Proposal<Region>> CreateRegion(const Authorized&, const std::string& name) {
  RETURN_IF_ERROR(CheckNewName("name", name));
  auto decide = [name](const Authorized& by, const store::Snapshot&,
                       store::ReadTx& tx) -> Result<Decided<Region>> {
    ASSIGN_OR_RETURN(auto existing, tx.FindRegion(name));
    if (existing) return Fail(Taken("region", "REGION_NAME_TAKEN", name));
    const planner::Cause cause = by.cause();
    Decided<Region> decision;
    decision.answer = {by.control().ids().New<RegionId>(), name, cause.now};
    decision.rows.new_regions = {decision.answer};
    decision.rows.events = {NewEvent(cause, EventKind::kRegionCreated, Detail({{"region", name}}))};
    return decision;
  };
  return Proposal<Region>{.solo = true, .decide = std::move(decide)};
}

Result<Proposal<CreatedProtocol>> CreateProtocol(const Authorized&,
                                                 const CreateProtocolRequest& request) {
  RETURN_IF_ERROR(CheckNewName("key", request.key));
  RETURN_IF_ERROR(CheckText("name", request.name, 200));
  auto decide = [request](const Authorized& by, const store::Snapshot&,
                          store::ReadTx& tx) -> Result<Decided<CreatedProtocol>> {
    ASSIGN_OR_RETURN(auto existing, tx.FindProtocol(request.key));
    if (existing) return Fail(Taken("protocol", "PROTOCOL_KEY_TAKEN", request.key));
    const planner::Cause cause = by.cause();
    Decided<CreatedProtocol> decision;
    Protocol& protocol = decision.answer.protocol;
    protocol = {by.control().ids().New<ProtocolId>(),
                request.key,
                request.name.empty() ? request.key : request.name,
                {},
                cause.now};
    if (!request.org.empty()) {
      ASSIGN_OR_RETURN(Org org, ResolveOrg(tx, by.actor(), request.org));
      protocol.org_id = org.id;
      decision.answer.org = org.name;
    }
    decision.rows.new_protocols = {protocol};
    decision.rows.events = {
        NewEvent(cause, EventKind::kProtocolCreated, Detail({{"protocol", request.key}}))};
    decision.rows.events.front().org_id = protocol.org_id;
    return decision;
  };
  return Proposal<CreatedProtocol>{.solo = true, .decide = std::move(decide)};
}

}  // namespace tallyman::control
