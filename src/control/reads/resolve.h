// From the names in a request to ids. What is found here decides nothing: it is read again under
// the locks, by its id, which never changes its meaning.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "control/lots/call.h"
#include "model/image.h"
#include "store/store.h"

namespace tallyman::control {

// Ids of the nodes, in the order given, each once. INVALID_ARGUMENT NO_NODES for an empty list,
// INVALID_ARGUMENT INVALID_NAME for what is neither name nor id, NOT_FOUND NODE_NOT_FOUND.
Result<std::vector<NodeId>> ResolveNodes(store::ReadTx& tx, const Actor& actor,
                                         std::span<const std::string> names);

// By id or reference. NOT_FOUND IMAGE_NOT_FOUND when there is none that the actor sees,
// INVALID_ARGUMENT AMBIGUOUS_IMAGE lists the builds when the reference leaves several.
Result<std::shared_ptr<const Image>> ResolveImage(store::ReadTx& tx, const Actor& actor,
                                                  std::string_view reference_or_id);

// NOT_FOUND ORG_NOT_FOUND, REGION_NOT_FOUND, HOST_NOT_FOUND, PROTOCOL_NOT_FOUND.
Result<Org> ResolveOrg(store::ReadTx& tx, const Actor& actor, std::string_view name_or_id);
Result<Region> ResolveRegion(store::ReadTx& tx, std::string_view name_or_id);
Result<store::HostRow> ResolveHost(store::ReadTx& tx, const Actor& actor,
                                   std::string_view name_or_id);
Result<Protocol> ResolveProtocol(store::ReadTx& tx, const Actor& actor, std::string_view key_or_id);

// The name of something new that is found by name or id: one with the form of an id would never be
// found by its name. INVALID_ARGUMENT INVALID_NAME names `field` and the value.
Status CheckNewName(std::string_view field, std::string_view name);

// NOT_FOUND NODE_NOT_FOUND, as it is said everywhere.
Error NodeNotFound(std::string_view name_or_id);
Error ImageNotFound(std::string_view reference_or_id);

}  // namespace tallyman::control
