// Orgs, regions and protocols: a row and an event each.
#include "base/text.h"
#include "control/authorize.h"
#include "control/inventory.h"
#include "control/inventory_writer.h"
#include "control/resolve.h"

namespace tallyman {
namespace {

Error Taken(std::string_view kind, std::string reason, const std::string& name) {
  return AlreadyExists(std::move(reason), fmt::format("{} {} exists already", kind, name))
      .About(fmt::format("{} {}", kind, name))
      .With("field", kind == "protocol" ? "key" : "name");
}

// Names that look like ids would make "by name or id" ambiguous.
Status CheckNewName(std::string_view field, const std::string& name) {
  RETURN_IF_ERROR(CheckName(field, name));
  if (!Uuid::Parse(name)) return {};
  return Fail(
      InvalidArgument(
          "INVALID_NAME",
          fmt::format("{} {} has the form of an id: choose a name that does not", field, name))
          .With("field", std::string(field)));
}

}  // namespace

void CreateOrg(Control& control, Call call, const std::string& name, Encode<Org> encode,
               Done done) {
  if (Status status = Authorize(call); !status) return done(Fail(status.error()));
  if (Status status = control.Begin(call); !status) return done(Fail(status.error()));
  if (Status status = CheckNewName("name", name); !status) return done(Fail(status.error()));
  DecideInventory<Org> decide = [&control, call, name](
                                    const Snapshot&, ReadTx& tx) -> Result<InventoryDecision<Org>> {
    ASSIGN_OR_RETURN(auto existing, tx.FindOrg(name));
    if (existing) return Fail(Taken("org", "ORG_NAME_TAKEN", name));
    Cause cause = control.CauseOf(call);
    InventoryDecision<Org> decision;
    decision.answer = {control.ids().New<OrgId>(), name, cause.now};
    decision.rows.new_orgs = {decision.answer};
    decision.rows.events = {InventoryEvent(cause, EventKind::kOrgCreated, Detail({{"org", name}}))};
    decision.rows.events.front().org_id = decision.answer.id;
    return decision;
  };
  RunInventory<Org>(control, std::move(call), {}, false, std::move(decide), std::move(encode),
                    std::move(done));
}

void CreateRegion(Control& control, Call call, const std::string& name, Encode<Region> encode,
                  Done done) {
  if (Status status = Authorize(call); !status) return done(Fail(status.error()));
  if (Status status = control.Begin(call); !status) return done(Fail(status.error()));
  if (Status status = CheckNewName("name", name); !status) return done(Fail(status.error()));
  DecideInventory<Region> decide =
      [&control, call, name](const Snapshot&, ReadTx& tx) -> Result<InventoryDecision<Region>> {
    ASSIGN_OR_RETURN(auto existing, tx.FindRegion(name));
    if (existing) return Fail(Taken("region", "REGION_NAME_TAKEN", name));
    Cause cause = control.CauseOf(call);
    InventoryDecision<Region> decision;
    decision.answer = {control.ids().New<RegionId>(), name, cause.now};
    decision.rows.new_regions = {decision.answer};
    decision.rows.events = {
        InventoryEvent(cause, EventKind::kRegionCreated, Detail({{"region", name}}))};
    return decision;
  };
  RunInventory<Region>(control, std::move(call), {}, false, std::move(decide), std::move(encode),
                       std::move(done));
}

void CreateProtocol(Control& control, Call call, const CreateProtocolRequest& request,
                    Encode<Protocol> encode, Done done) {
  if (Status status = Authorize(call); !status) return done(Fail(status.error()));
  if (Status status = control.Begin(call); !status) return done(Fail(status.error()));
  if (Status status = CheckNewName("key", request.key); !status) return done(Fail(status.error()));
  if (Status status = CheckText("name", request.name, 200); !status)
    return done(Fail(status.error()));
  DecideInventory<Protocol> decide = [&control, call, request](
                                         const Snapshot&,
                                         ReadTx& tx) -> Result<InventoryDecision<Protocol>> {
    ASSIGN_OR_RETURN(auto existing, tx.FindProtocol(request.key));
    if (existing) return Fail(Taken("protocol", "PROTOCOL_KEY_TAKEN", request.key));
    Cause cause = control.CauseOf(call);
    InventoryDecision<Protocol> decision;
    Protocol& protocol = decision.answer;
    protocol = {control.ids().New<ProtocolId>(),
                request.key,
                request.name.empty() ? request.key : request.name,
                {},
                cause.now};
    if (!request.org.empty()) {
      ASSIGN_OR_RETURN(Org org, ResolveOrg(tx, call.actor, request.org));
      protocol.org_id = org.id;
    }
    decision.rows.new_protocols = {protocol};
    decision.rows.events = {
        InventoryEvent(cause, EventKind::kProtocolCreated, Detail({{"protocol", request.key}}))};
    decision.rows.events.front().org_id = protocol.org_id;
    return decision;
  };
  RunInventory<Protocol>(control, std::move(call), {}, false, std::move(decide), std::move(encode),
                         std::move(done));
}

}  // namespace tallyman
