#include "control/reads/query_tools.h"

namespace tallyman::control {
namespace {

// The name behind an id that stands where a name may stand; nullopt: leave the text as it is.
Result<std::optional<std::string>> NameOf(store::ReadTx& tx, const std::string& field,
                                          const std::string& id) {
  std::optional<std::string> name;
  if (field == "org") {
    ASSIGN_OR_RETURN(auto org, tx.FindOrg(id));
    if (org) name = org->name;
  } else if (field == "region") {
    ASSIGN_OR_RETURN(auto region, tx.FindRegion(id));
    if (region) name = region->name;
  } else if (field == "host") {
    ASSIGN_OR_RETURN(auto host, tx.FindHost(id));
    if (host) name = host->host.name;
  } else if (field == "protocol") {
    ASSIGN_OR_RETURN(auto protocol, tx.FindProtocol(id));
    if (protocol) name = protocol->key;
  }
  return name;
}

}  // namespace

Status ResolveConditions(store::ReadTx& tx, const Actor& actor, store::ListQuery& query) {
  for (store::Condition& condition : query.conditions) {
    auto* text = std::get_if<std::string>(&condition.value);
    if (text == nullptr) continue;
    if (condition.field == kImageField) {
      ASSIGN_OR_RETURN(auto image, ResolveImage(tx, actor, *text));
      condition.field = "image_id";
      condition.value = image->id.ToString();
      continue;
    }
    auto id = Uuid::Parse(*text);
    if (!id) continue;
    if (condition.field == "node") {
      // Names are taken again when a node is gone; its id is not.
      condition.field = "node_id";
      condition.value = id->ToString();
      continue;
    }
    ASSIGN_OR_RETURN(auto name, NameOf(tx, condition.field, *text));
    if (name) condition.value = *std::move(name);
  }
  return {};
}

Result<store::ListQuery> PrepareList(store::ReadTx& tx, const Actor& actor, store::Listing listing,
                                     const ListRequest& request) {
  ASSIGN_OR_RETURN(store::ListQuery query, ParseList(listing, request));
  RETURN_IF_ERROR(ResolveConditions(tx, actor, query));
  return query;
}

Status LimitToActor(store::ReadTx& tx, const Actor& actor, store::ListQuery& query,
                    std::string_view host_field) {
  if (actor.role == Role::kHost) {
    // A host that is not there any more has no rows; nor has a name that none can have.
    std::string name;
    if (actor.host_id) {
      ASSIGN_OR_RETURN(auto host, tx.FindHost(actor.host_id->ToString()));
      if (host) name = host->host.name;
    }
    query.conditions.push_back({std::string(host_field), store::Comparison::kEqual,
                                name.empty() ? std::string("\x7f") : std::move(name)});
  }
  if (!actor.org_id) return {};
  ASSIGN_OR_RETURN(std::string org, Names(tx).OrgName(actor.org_id));
  query.conditions.push_back({"org", store::Comparison::kEqual, std::move(org)});
  return {};
}

Result<std::string> Names::OrgName(const std::optional<OrgId>& id) {
  if (!id) return std::string();
  if (auto known = orgs_.find(*id); known != orgs_.end()) return known->second;
  ASSIGN_OR_RETURN(auto org, tx_.FindOrg(id->ToString()));
  return orgs_.emplace(*id, org ? org->name : std::string()).first->second;
}

Result<std::string> Names::ImageOfConfig(const std::optional<ConfigId>& id) {
  if (!id) return std::string();
  if (auto known = images_.find(*id); known != images_.end()) return known->second;
  std::string reference;
  ASSIGN_OR_RETURN(auto config, tx_.FindConfig(*id));
  if (config) {
    ASSIGN_OR_RETURN(auto image, tx_.FindImage(config->image_id));
    if (image != nullptr) reference = image->Reference();
  }
  return images_.emplace(*id, std::move(reference)).first->second;
}

Result<const store::NodeRow*> Names::NodeOf(const NodeId& id) {
  auto known = nodes_.find(id);
  if (known == nodes_.end()) {
    ASSIGN_OR_RETURN(auto row, tx_.FindNode(id.ToString()));
    known = nodes_.emplace(id, std::move(row)).first;
  }
  return known->second ? &*known->second : nullptr;
}

}  // namespace tallyman::control
