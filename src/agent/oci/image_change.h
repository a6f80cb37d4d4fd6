// What an image would do to the data of a node that other images have used before it. Pure.
//
// An image can say that it means it, by labels, and a node by its values of the same names:
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

namespace tallyman {

// What is known of a node's data.
struct DataUse {
  std::vector<std::string> volume_names;  // of all that it has had
  std::optional<DataOwner> owner;         // nullopt: not known
};

// FAILED_PRECONDITION VOLUMES_CHANGED: the image declares a volume that the node never had, and no
// longer one that it has, so that it would begin from an empty directory. The same
// IMAGE_USER_CHANGED: its user is another one, not root, who could not write to the data.
// `image_config` is the config.json beside the image.
Status CheckImageChange(std::string_view image_config, const NodeSpec& spec, const DataUse& use);

// Whether the data may be given to `to`, because the image or the node says so.
bool MayChown(const boost::json::object& image_config, const NodeSpec& spec, const DataOwner& to);

}  // namespace tallyman
