#include "control/reads/resolve.h"

#include <fmt/core.h>

#include <unordered_set>

#include "base/text.h"
#include "control/authorize.h"
#include "model/reference.h"

namespace tallyman::control {
namespace {

Error Missing(std::string_view kind, std::string_view reason, std::string_view name,
              std::string_view list) {
  return NotFound(std::string(reason),
                  fmt::format("there is no {} {}: see `tallyman {}`", kind, Quote(name), list))
      .About(fmt::format("{} {}", kind, Quote(name)))
      .With("field", std::string(kind))
      .With("value", Quote(name));
}

}  // namespace

Status CheckNewName(std::string_view field, std::string_view name) {
  RETURN_IF_ERROR(CheckName(field, name));
  if (!Uuid::Parse(name)) return {};
  return Fail(
      InvalidArgument(
          "INVALID_NAME",
          fmt::format("{} {} has the form of an id: choose a name that does not", field, name))
          .With("field", std::string(field)));
}

Error NodeNotFound(std::string_view name_or_id) {
  return Missing("node", "NODE_NOT_FOUND", name_or_id, "node list");
}

Error ImageNotFound(std::string_view reference_or_id) {
  return Missing("image", "IMAGE_NOT_FOUND", reference_or_id, "image list");
}

Result<std::vector<NodeId>> ResolveNodes(store::ReadTx& tx, const Actor& actor,
                                         std::span<const std::string> names) {
  if (names.empty()) {
    return Fail(InvalidArgument("NO_NODES", "nodes is empty: name at least one node")
                    .With("field", "nodes"));
  }
  std::vector<NodeId> ids;
  std::unordered_set<NodeId> seen;
  for (size_t i = 0; i < names.size(); ++i) {
    auto id = NodeId::Parse(names[i]);
    if (!id) {
      RETURN_IF_ERROR(CheckName(fmt::format("nodes[{}]", i), names[i]));
      ASSIGN_OR_RETURN(auto row, tx.FindNode(names[i]));
      if (!row || !SeesNode(actor, row->node)) return Fail(NodeNotFound(names[i]));
      id = row->node.id;
    }
    if (seen.insert(*id).second) ids.push_back(*id);
  }
  return ids;
}

Result<std::shared_ptr<const Image>> ResolveImage(store::ReadTx& tx, const Actor& actor,
                                                  std::string_view text) {
  if (text.empty()) {
    return Fail(InvalidArgument("NO_IMAGE", "image is empty: name one as PROTOCOL/VARIANT@VERSION")
                    .With("field", "image"));
  }
  auto visible = [&](const Image& image) {
    return !actor.org_id || IsVisibleTo(image, *actor.org_id);
  };
  if (auto id = ImageId::Parse(text)) {
    ASSIGN_OR_RETURN(auto image, tx.FindImage(*id));
    if (image == nullptr || !visible(*image)) return Fail(ImageNotFound(text));
    return image;
  }
  ASSIGN_OR_RETURN(ImageReference reference, ParseImageReference(text));
  ASSIGN_OR_RETURN(auto builds,
                   tx.FindBuilds(reference.protocol, reference.variant, reference.version));
  std::erase_if(builds, [&](const auto& image) {
    return !visible(*image) || (reference.build && image->build != *reference.build);
  });
  if (builds.empty()) return Fail(ImageNotFound(text));
  if (builds.size() == 1) return builds.front();
  std::string list;
  for (const auto& image : builds) list += (list.empty() ? "" : ", ") + image->Reference();
  return Fail(InvalidArgument(
                  "AMBIGUOUS_IMAGE",
                  fmt::format("image {} has {} builds: name one of {}", text, builds.size(), list))
                  .About("image " + std::string(text))
                  .With("field", "image")
                  .With("builds", list));
}

Result<Org> ResolveOrg(store::ReadTx& tx, const Actor& actor, std::string_view name_or_id) {
  ASSIGN_OR_RETURN(auto org, tx.FindOrg(name_or_id));
  if (!org || !Sees(actor, org->id))
    return Fail(Missing("org", "ORG_NOT_FOUND", name_or_id, "org list"));
  return *std::move(org);
}

Result<Region> ResolveRegion(store::ReadTx& tx, std::string_view name_or_id) {
  ASSIGN_OR_RETURN(auto region, tx.FindRegion(name_or_id));
  if (!region) return Fail(Missing("region", "REGION_NOT_FOUND", name_or_id, "region list"));
  return *std::move(region);
}

Result<store::HostRow> ResolveHost(store::ReadTx& tx, const Actor& actor,
                                   std::string_view name_or_id) {
  ASSIGN_OR_RETURN(auto host, tx.FindHost(name_or_id));
  if (!host || !SeesHost(actor, host->host.id))
    return Fail(Missing("host", "HOST_NOT_FOUND", name_or_id, "host list"));
  return *std::move(host);
}

Result<Protocol> ResolveProtocol(store::ReadTx& tx, const Actor& actor,
                                 std::string_view key_or_id) {
  ASSIGN_OR_RETURN(auto protocol, tx.FindProtocol(key_or_id));
  if (!protocol || !Sees(actor, protocol->org_id)) {
    return Fail(Missing("protocol", "PROTOCOL_NOT_FOUND", key_or_id, "protocol list"));
  }
  return *std::move(protocol);
}

}  // namespace tallyman::control
