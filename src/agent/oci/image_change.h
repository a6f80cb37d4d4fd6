// Checks what an image would do to the data that a node has from earlier images. Pure.
//
// An image can confirm such a change by labels, and a node by its values of the same names:
//   tallyman.accept-new-volumes, accept_new_volumes   paths with blanks between: these volumes may
//                                                     begin empty beside those that the node has
//   tallyman.chown-data, chown_data                   UID:GID: what the user before owns is given
//                                                     to this one, and back when it is undone
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/oci/bundle_image.h"
#include "agent/runtime.h"
#include "base/result.h"

namespace tallyman::agent::oci {

// What is known about a node's data.
struct DataUse {
  std::vector<std::string> volume_names;  // of all volumes that it has had
  std::optional<DataOwner> owner;         // nullopt: unknown
};

// FAILED_PRECONDITION VOLUMES_CHANGED: the image declares a volume that the node never had, and no
// longer one that it has, so that the node would start with an empty directory. FAILED_PRECONDITION
// IMAGE_USER_CHANGED: its user is a different one, not root, who could not write to the data.
// `image_config` is the config.json beside the image.
Status CheckImageChange(std::string_view image_config, const NodeSpec& spec, const DataUse& use);

// Whether the image or the node permits changing the owner of the data to `to`.
bool MayChown(const boost::json::object& image_config, const NodeSpec& spec, const DataOwner& to);

}  // namespace tallyman::agent::oci
