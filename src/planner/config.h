// Resolves configs: which values, firewall rules and resources a node gets from an image.
//
// Pure. The configs returned have no id and no time yet. Secrets that are set are among their
// values: whoever stores a config seals them first (control/nodes/node_writer.h).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/config.h"
#include "planner/policy.h"

namespace tallyman::planner {

// What a caller requests for a config.
struct ConfigEdit {
  std::map<std::string, std::string> set;
  std::vector<std::string> reset;  // back to the image's default
  // Empty: unchanged (for a new node: the image's).
  std::optional<std::vector<FirewallRule>> firewall_rules;
};

// A new node's config: the image's defaults with the caller's values over them.
// INVALID_ARGUMENT UNKNOWN_PROPERTY for a key that the image does not have, and the errors of
// CheckTotal.
Result<NodeConfig> ResolveNew(const Image& image, const ConfigEdit& edit, const Policies& policies);

// The config after an upgrade. A value is changed if it differs from the old image's default:
// changed values carry over and keep adding what the new image's property adds; unchanged ones
// follow the new default; keys that the new image does not know are kept and add nothing. Firewall
// rules carry over by the same rule. A key that the old image did not know is compared with the new
// default.
Result<NodeConfig> ResolveUpgrade(const Image& old_image, const NodeConfig& old_config,
                                  const Image& new_image, const Policies& policies);

// The config after an edit of its values, on the same image.
Result<NodeConfig> ResolveEdit(const Image& image, const NodeConfig& config, const ConfigEdit& edit,
                               const Policies& policies);

// Checks that one node may request this total: INVALID_ARGUMENT INVALID_IMAGE_CONFIG names
// dimension and value when it is zero, negative or beyond the limits.
Status CheckTotal(const Image& image, const Resources& total, const Policies& policies);

}  // namespace tallyman::planner
